"""How rightly levels are matched: on phantom cases, their profiles as they are and as a detector finds them.

    python -m benchmarks.quality.case_matching measure [--page docs/cases.md]
    python -m benchmarks.quality.case_matching ceiling
    python -m benchmarks.quality.case_matching unrelated
    python -m benchmarks.quality.case_matching calibrate

The first writes its table into the page between its two marks. The second prints what the found profiles of
the same cases would give if all were matched by truth, the third how often levels of different cases are
taken for the same tissue, and how often the report has doubts. The fourth fits the certainty of a match
(`SLOPE`, `OFFSET` in `glomspike/cases/identity.py`) on validation cases, which are others. `--levels` and
`--glomeruli` are those of a case, `--cases` how many there are. A detector's errors are imitated: one profile
in ten is missing, one in fifteen is none, outlines are 6 µm off and 8 % too large or small. Nothing is
painted, which takes hours: what a profile looks like plays no part in matching.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import shapely
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from benchmarks.quality.measured_page import write_measured
from glomspike.cases.identity import Identity, identify
from glomspike.cases.piece import Piece, Profile, pieces_of
from glomspike.metrics.bootstrap import intervals
from glomspike.metrics.identity import IdentityCounts, identity_counts
from glomspike.phantom.cases import CaseOrder, LaidSection, Laying, PlannedCase, plan_case

MEASURING_SEED, VALIDATION_SEED = 2020, 4
VALIDATION_CASES = 60
SURE = 0.95
TURNED = Laying(any_turn=1.0, mirrored=0.5, torn=0.2, other_stains=1.0, together=0.4)
LAYINGS = {"as laid in a laboratory": Laying(), "any angle, half mirrored": TURNED}
TORN, EACH_TORN = "each section torn, with no gap seen", Laying(torn=1.0)


@dataclass(frozen=True)
class Errors:
    """What a detector does to profiles."""

    missed: float = 0.0
    false: float = 0.0
    shift_um: float = 0.0
    size: float = 0.0


FINDERS = {"true outlines": Errors(), "a detector's errors": Errors(0.1, 1 / 15, 6.0, 0.08)}


@dataclass(frozen=True, eq=False)
class Case:
    """A phantom case as matching sees it, and what is true: each profile's glomerulus, and those missed."""

    pieces: list[Piece]
    slides: int
    truth: dict[tuple[int, int], int]
    missed: list[int]


def case_of(order: CaseOrder, errors: Errors, *, gaps_seen: bool = True) -> Case:
    """A phantom case with a detector's errors; tears part a section's tissue only where `gaps_seen`."""
    planned: PlannedCase = plan_case(order)
    rng = np.random.default_rng([order.seed, order.number, 1])
    case = Case([], len(planned.slides), {}, [])
    for number, slide in enumerate(planned.slides):
        profiles: list[Profile] = []
        for section in slide.sections:
            for name, capsule in zip(section.numbers, section.capsules_um, strict=True):
                if rng.random() < errors.missed:
                    case.missed.append(name)
                    continue
                id_ = len(profiles) + 1
                outline = _imperfect(rng, section.placement.to_slide(capsule), errors)
                profiles.append(Profile(number, id_, outline))
                case.truth[number, id_] = name
            for _ in range(rng.poisson(errors.false * len(section.numbers))):
                profiles.append(
                    _false(rng, section, Profile(number, len(profiles) + 1, section.capsules_um[0]))
                )
        parts = [_parts(section) for section in slide.sections]
        tissue = [edge for found in parts for edge in (found if gaps_seen else [_joined(found)])]
        case.pieces.extend(pieces_of(number, tissue, profiles))
    return case


def _imperfect(rng: np.random.Generator, outline: np.ndarray, errors: Errors) -> np.ndarray:
    centre = outline.mean(axis=0)
    shift_um = rng.normal(0, errors.shift_um, size=2)
    return np.asarray(centre + (outline - centre) * rng.normal(1, errors.size) + shift_um)


def _false(rng: np.random.Generator, section: LaidSection, like: Profile) -> Profile:
    """What is taken for a glomerulus, somewhere in the section."""
    place = rng.uniform(section.tissue_um.min(axis=0), section.tissue_um.max(axis=0))
    shape = (like.outline_um - like.centre_um) * rng.uniform(0.5, 1.0)
    return Profile(like.slide, like.id, section.placement.to_slide(shape + place))


def _parts(section: LaidSection) -> list[np.ndarray]:
    """The section's pieces of tissue on the slide."""
    tear = section.placement.tear
    if tear is None:
        return [section.placement.to_slide(section.tissue_um)]
    far = tear.side_um(section.tissue_um) >= 0
    return [section.placement.to_slide(section.tissue_um[side]) for side in (far, ~far) if side.sum() > 3]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """The edge (n, 2) of pieces of tissue as one."""
    whole = shapely.MultiPoint(np.concatenate(parts)).convex_hull
    return shapely.get_coordinates(whole)


_cases = click.option("--cases", default=20, show_default=True)
_levels = click.option("--levels", default=3, show_default=True)
_glomeruli = click.option("--glomeruli", default=14, show_default=True)


@click.group()
def main() -> None:
    """Measure how levels of phantom cases are matched."""


@main.command()
@_cases
@_levels
@_glomeruli
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
def measure(cases: int, levels: int, glomeruli: int, page: Path | None) -> None:
    """Print IDF1, errors of the count and wrong matches, with intervals."""
    rows = [
        "| sections | profiles | IDF1 | distinct count error | counted twice | wrong above .95 | s a case |"
    ]
    rows.append("|---|---|---|---|---|---|---|")
    for laid, laying in [*LAYINGS.items(), (TORN, EACH_TORN)]:
        for finder, errors in FINDERS.items():
            orders = [CaseOrder(n, levels, glomeruli, MEASURING_SEED, laying) for n in range(1, cases + 1)]
            measured = _measured([case_of(order, errors, gaps_seen=laid != TORN) for order in orders], orders)
            rows.append(f"| {laid} | {finder} | {measured} |")
            print(rows[-1], flush=True)
    if page is not None:
        write_measured(page, "case_matching", "\n".join(rows))


def _measured(cases: list[Case], orders: list[CaseOrder]) -> str:
    """The cells of a table's row, each with its interval over cases."""
    counts: list[IdentityCounts] = []
    sure: list[tuple[int, int]] = []
    seconds = 0.0
    for case in cases:
        began = time.perf_counter()
        found = identify(case.pieces, range(case.slides))
        seconds += time.perf_counter() - began
        counts.append(identity_counts(found.glomeruli, case.truth, case.missed))
        sure.append(_sure(found, case.truth))

    def statistics(rows: np.ndarray) -> list[float]:
        chosen = [counts[row] for row in rows]
        kept, profiles = sum(c.kept for c in chosen), sum(c.true_profiles + c.found_profiles for c in chosen)
        glomeruli = sum(c.true_glomeruli for c in chosen)
        wrong, links = np.sum([sure[row] for row in rows], axis=0)
        return [
            2 * kept / profiles,
            float(np.mean([abs(c.count_error) for c in chosen])),
            sum(c.twice for c in chosen) / glomeruli,
            float(wrong / max(links, 1)),
        ]

    values = statistics(np.arange(len(orders)))
    names = np.array([order.name for order in orders])
    spans = intervals(names, statistics, lambda _rows: True)
    cells = [_cell(value, span) for value, span in zip(values, spans, strict=True)]
    return " | ".join([*cells, f"{seconds / len(orders):.2f}"])


@main.command()
@_cases
@_levels
@_glomeruli
def ceiling(cases: int, levels: int, glomeruli: int) -> None:
    """Print IDF1 and count error of found profiles that are all matched by truth."""
    for laid, laying in LAYINGS.items():
        for finder, errors in FINDERS.items():
            orders = [CaseOrder(n, levels, glomeruli, MEASURING_SEED, laying) for n in range(1, cases + 1)]
            counts = [_by_truth(case_of(order, errors)) for order in orders]
            kept = sum(one.kept for one in counts)
            profiles = sum(one.true_profiles + one.found_profiles for one in counts)
            error = float(np.mean([abs(one.count_error) for one in counts]))
            print(f"{laid}, {finder}: IDF1 {2 * kept / profiles:.3f}, count error {error:.3f}", flush=True)


@main.command()
@_cases
@_levels
@_glomeruli
def unrelated(cases: int, levels: int, glomeruli: int) -> None:
    """Print how often levels are joined, and without doubts, of different cases and of one."""
    for finder, errors in FINDERS.items():
        orders = [CaseOrder(n, levels, glomeruli, MEASURING_SEED) for n in range(1, cases + 1)]
        made = [case_of(order, errors) for order in orders]
        firsts = [[piece for piece in case.pieces if piece.slide == 0] for case in made]
        strange = [identify([*one, *_as_slide(other, 1)], range(2)) for one, other in pairwise(firsts)]
        of_one = [identify(case.pieces, range(case.slides)) for case in made]
        for whose, found in (("different cases", strange), ("one case", of_one)):
            joined = np.mean([len(one.apart) == 1 for one in found])
            surely = np.mean([len(one.surely) == 1 for one in found])
            print(
                f"{finder}, levels of {whose}: {joined:.3f} joined, {surely:.3f} without doubts", flush=True
            )


def _as_slide(pieces: list[Piece], slide: int) -> list[Piece]:
    """The pieces on another slide."""
    return [
        replace(piece, slide=slide, profiles=tuple(replace(one, slide=slide) for one in piece.profiles))
        for piece in pieces
    ]


def _by_truth(case: Case) -> IdentityCounts:
    """What matching can give at best: each found profile with those of its glomerulus, false ones alone."""
    groups: dict[int, list[tuple[int, int]]] = {}
    for key, name in case.truth.items():
        groups.setdefault(name, []).append(key)
    found = {(profile.slide, profile.id) for piece in case.pieces for profile in piece.profiles}
    false = [[key] for key in sorted(found - case.truth.keys())]
    return identity_counts([*groups.values(), *false], case.truth, case.missed)


def _cell(value: float, span: tuple[float, float] | None) -> str:
    return f"{value:.3f}" if span is None else f"{value:.3f} ({span[0]:.3f} to {span[1]:.3f})"


def _sure(found: Identity, truth: dict[tuple[int, int], int]) -> tuple[int, int]:
    """Wrong matches among the sure ones, and how many of these there are."""
    sure = [link for link in found.links if link.certainty >= SURE]
    wrong = [a for a in sure if truth.get(a.first, -1) != truth.get(a.second, -2)]
    return len(wrong), len(sure)


@main.command()
@_levels
@_glomeruli
def calibrate(levels: int, glomeruli: int) -> None:
    """Print slope and offset of a match's certainty, by logistic regression on its log ratio."""
    ratios, right = np.array(list(_judged(levels, glomeruli))).T
    fitted = LogisticRegression(C=1e6).fit(ratios[:, None], right)
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    print(f"{len(right)} matches, {int((1 - right).sum())} wrong: SLOPE, OFFSET = {slope:.3f}, {offset:.3f}")
    certainty = expit(slope * ratios + offset)
    for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 0.99), (0.99, 1.01)):
        of = (certainty >= low) & (certainty < high)
        if of.any():
            stated, true = certainty[of].mean(), right[of].mean()
            print(f"{low} to {high}: {of.sum()} matches, stated {stated:.3f}, right {true:.3f}")


def _judged(levels: int, glomeruli: int) -> Iterator[tuple[float, float]]:
    """Each match's log ratio and 1 where it is right, of sure registrations."""
    for laying in LAYINGS.values():
        for n in range(1, VALIDATION_CASES // 2 + 1):
            order = CaseOrder(n, levels, glomeruli, VALIDATION_SEED, laying)
            case = case_of(order, FINDERS["a detector's errors"])
            for link in identify(case.pieces, range(case.slides)).candidates:
                if link.registered > SURE:  # a wrong registration says nothing of matches
                    right = case.truth.get(link.first, -1) == case.truth.get(link.second, -2)
                    yield link.ratio, float(right)


if __name__ == "__main__":
    main()
