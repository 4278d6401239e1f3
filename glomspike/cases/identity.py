"""Which profiles are one glomerulus: matches between registered pieces, joined into glomeruli.

Each piece is registered to those of its slide and of the next two levels, so that a glomerulus that a level
misses is found again behind it. Matches are joined from the surest on; two profiles of one section never are.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy.special import expit

from glomspike.cases.piece import Piece, Profile
from glomspike.cases.register import LEAST_CERTAINTY, Registration, assigned, log_ratio, register

REACH = 2  # levels
SURE = 0.95  # of a registration that tissues of two patients hardly ever reach
LOOSE_CERTAINTY = 0.9  # of a match in a part of the tissue that moved by itself
# Certainty from a match's log ratio, fitted by benchmarks/quality/case_matching.py on validation phantoms.
SLOPE, OFFSET = 6.028, -5.248


@dataclass(frozen=True)
class Link:
    """Two profiles, as (slide, id), that are taken for one glomerulus, and how sure that is."""

    first: tuple[int, int]
    second: tuple[int, int]
    ratio: float
    registered: float  # certainty of the registration that it rests on
    certainty: float


@dataclass(frozen=True, eq=False)
class Identity:
    """The distinct glomeruli of a case.

    `glomeruli` are groups of profiles as (slide, id), `certainties` how sure each group is: the least sure
    match that holds it together, 1 for a single profile. `fitted` are pairs of slides that were registered; a
    slide paired with itself holds the same tissue again. `links` hold the groups together; `candidates` are
    these and those that were not used, being unsure or at odds with surer ones. `apart` are groups of slides
    with profiles and no registration between them: their glomeruli are counted apart. `surely` are the same
    with no registration but those which hardly ever come about between tissues of two patients.
    """

    glomeruli: tuple[tuple[tuple[int, int], ...], ...]
    certainties: tuple[float, ...]
    links: tuple[Link, ...]
    candidates: tuple[Link, ...]
    fitted: tuple[tuple[int, int], ...]
    apart: tuple[tuple[int, ...], ...]
    surely: tuple[tuple[int, ...], ...]


@dataclass(eq=False)
class _Groups:
    """Profiles being joined; `sections` says which pieces may hold the same glomerulus on one slide."""

    piece_of: dict[tuple[int, int], int]
    slide_of: list[int]
    repeated: set[tuple[int, int]]  # pairs of pieces of one slide that are the same tissue
    members: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    certainty: dict[tuple[int, int], float] = field(default_factory=dict)

    def join(self, link: Link) -> bool:
        """Joins the groups of a link's two profiles unless that brings two of one section together."""
        one, other = self.members[link.first], self.members[link.second]
        if one is other:
            return True
        if any(self._same_section(a, b) for a in one for b in other):
            return False
        least = min(link.certainty, self.certainty[one[0]], self.certainty[other[0]])
        joined = one + other
        for profile in joined:
            self.members[profile] = joined
            self.certainty[profile] = least
        return True

    def _same_section(self, a: tuple[int, int], b: tuple[int, int]) -> bool:
        first, second = sorted((self.piece_of[a], self.piece_of[b]))
        if first == second:
            return True
        return self.slide_of[first] == self.slide_of[second] and (first, second) not in self.repeated


def identify(pieces: Sequence[Piece], levels: Sequence[int], single: Collection[int] = ()) -> Identity:
    """The distinct glomeruli of all pieces; `levels` orders the slides that pieces name by number.

    Slides of the same level are taken for neighbours too: a block's two stains of one level. Those that are
    `single` pictures of a glomerulus are not registered: any two fit, with the glomerulus in the middle.
    """
    registered = _registered(pieces, levels, single)
    links = [link for (a, b), found in registered.items() for link in _links(pieces[a], pieces[b], found)]
    links.sort(key=lambda link: -link.certainty)
    keys = {(p.slide, p.id): number for number, piece in enumerate(pieces) for p in piece.profiles}
    repeated = {pair for pair in registered if pieces[pair[0]].slide == pieces[pair[1]].slide}
    groups = _Groups(keys, [piece.slide for piece in pieces], repeated)
    groups.members = {key: [key] for key in keys}
    groups.certainty = dict.fromkeys(keys, 1.0)
    used = tuple(link for link in links if link.certainty > 0.5 and groups.join(link))
    distinct = {id(group): tuple(sorted(group)) for group in groups.members.values()}
    glomeruli = tuple(sorted(distinct.values()))
    fitted = _slides_of(registered, pieces)
    sure = {pair: found for pair, found in registered.items() if found.certainty >= SURE}
    filled = sorted({piece.slide for piece in pieces})
    return Identity(
        glomeruli,
        tuple(groups.certainty[group[0]] for group in glomeruli),
        used,
        tuple(links),
        tuple(fitted),
        _apart(filled, fitted),
        _apart(filled, _slides_of(sure, pieces)),
    )


def _slides_of(registered: Iterable[tuple[int, int]], pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """The pairs of slides that pairs of pieces lie on."""
    return sorted({_ordered(pieces[a].slide, pieces[b].slide) for a, b in registered})


def _registered(
    pieces: Sequence[Piece], levels: Sequence[int], single: Collection[int]
) -> dict[tuple[int, int], Registration]:
    """The registrations that are used, by pair of pieces, the lower number first."""
    ranks = {level: rank for rank, level in enumerate(sorted(set(levels)))}
    sections = [number for number, piece in enumerate(pieces) if piece.slide not in single]
    near = [
        (a, b)
        for a, b in combinations(sections, 2)
        if abs(ranks[levels[pieces[a].slide]] - ranks[levels[pieces[b].slide]]) <= REACH
    ]
    found: dict[tuple[int, int], Registration] = {}
    for beside_tears in (False, True):
        for a, b in near:
            neighbours = _beside(pieces, found, a, b) if beside_tears else []
            if (a, b) in found or (beside_tears and not neighbours):
                continue
            registration = register(pieces[a], pieces[b], neighbours)
            if registration is not None and registration.certainty >= LEAST_CERTAINTY:
                found[a, b] = registration
    return found


def _beside(
    pieces: Sequence[Piece], found: dict[tuple[int, int], Registration], a: int, b: int
) -> list[Registration]:
    """Registrations between the slides of two pieces of which one of the two is an end."""
    slides = pieces[a].slide, pieces[b].slide
    return [
        registration
        for (c, d), registration in found.items()
        if (pieces[c].slide, pieces[d].slide) == slides and ((c == a) != (d == b))
    ]


def _links(first: Piece, second: Piece, found: Registration) -> list[Link]:
    ratio = log_ratio(first, second, found.moved_um)
    links = []
    for i, j in assigned(ratio).tolist():
        one, other = first.profiles[i], second.profiles[j]
        value = _against_rivals(ratio, i, j)
        certainty = float(found.certainty * expit(SLOPE * value + OFFSET))
        certainty *= LOOSE_CERTAINTY if found.loose[i] else 1.0
        links.append(Link(_key(one), _key(other), value, found.certainty, certainty))
    return links


def _against_rivals(ratio: np.ndarray[tuple[int, int], np.dtype[np.float64]], i: int, j: int) -> float:
    """A match's log ratio against chance and against all others that one of its two profiles could have."""
    rivals = np.concatenate([np.delete(ratio[i], j), np.delete(ratio[:, j], i), [0.0]])
    return float(ratio[i, j] - np.logaddexp.reduce(rivals))


def _key(profile: Profile) -> tuple[int, int]:
    return profile.slide, profile.id


def _ordered(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a <= b else (b, a)


def _apart(slides: Sequence[int], fitted: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Groups of slides that registrations hold together."""
    group = {slide: {slide} for slide in slides}
    for a, b in fitted:
        if group[a] is not group[b]:
            joined = group[a] | group[b]
            for slide in joined:
                group[slide] = joined
    return tuple(sorted({tuple(sorted(one)) for one in group.values()}))
