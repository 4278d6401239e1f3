"""Levels of a biopsy: which profiles are one glomerulus, and what is said where levels don't fit."""

import numpy as np
import pytest
import shapely

from glomspike.cases.identity import Identity, identify
from glomspike.cases.piece import Piece, Profile, pieces_of
from glomspike.cases.register import register
from glomspike.metrics.identity import identity_counts
from glomspike.phantom.placement import rotation

TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)
RING = np.stack([np.cos(TURN), np.sin(TURN)], axis=1)
EDGE = np.array([[0.0, 0.0], [1800, 0], [1800, 1000], [0, 1000]])


def tissue(seed: int, count: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Centres and radii of glomeruli that keep clear of one another."""
    rng = np.random.default_rng(seed)
    centres: list[np.ndarray] = []
    while len(centres) < count:
        at = rng.uniform((100, 100), (1700, 900))
        if all(np.linalg.norm(at - other) > 240 for other in centres):
            centres.append(at)
    return np.array(centres), rng.uniform(60, 110, size=count)


def level(
    slide: int, centres: np.ndarray, radii: np.ndarray, angle: float = 0.0, *, mirrored: bool = False,
    stretch: float = 1.0, shift: tuple[float, float] = (0, 0), left_out: tuple[int, ...] = (),
    first_id: int = 1,
) -> tuple[np.ndarray, list[Profile]]:  # fmt: skip
    """A section: the tissue's edge and its profiles; the nth glomerulus gets the id `first_id + n`."""
    matrix = rotation(angle) @ np.diag([-1.0 if mirrored else 1.0, stretch])
    profiles = [
        Profile(slide, first_id + n, (centre + radius * RING) @ matrix.T + shift)
        for n, (centre, radius) in enumerate(zip(centres, radii, strict=True))
        if n not in left_out
    ]
    return EDGE @ matrix.T + shift, profiles


def pieces(*levels: tuple[np.ndarray, list[Profile]]) -> list[Piece]:
    return [piece for edge, found in levels for piece in pieces_of(found[0].slide, [edge], found)]


def partners(identity: Identity) -> set[tuple[int, ...]]:
    """Each group as the ids of its profiles, which are the same where they are one glomerulus."""
    return {tuple(id_ for _, id_ in group) for group in identity.glomeruli}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.1, 1.7, 3.1, -2.2])
def test_levels_fit_whatever_their_turn_and_side(angle: float, mirrored: bool) -> None:
    centres, radii = tissue(1)
    other = level(1, centres, radii * 1.08, angle, mirrored=mirrored, stretch=1.03, shift=(4000, 300))
    found = identify(pieces(level(0, centres, radii), other), [1, 2])
    assert partners(found) == {(n, n) for n in range(1, 11)}
    assert found.apart == ((0, 1),)
    assert min(found.certainties) > 0.95
    first, second = pieces(level(0, centres, radii), other)
    registration = register(first, second)
    assert registration is not None
    assert registration.mirrored == mirrored


def test_a_glomerulus_that_a_level_misses_is_found_again_behind_it() -> None:
    centres, radii = tissue(2)
    sections = pieces(
        level(0, centres, radii), level(1, centres, radii, 0.4, left_out=(3,)), level(2, centres, radii, 2.0)
    )
    found = identify(sections, [1, 2, 3])
    assert len(found.glomeruli) == 10
    assert (4, 4) in partners(found)


def test_a_profile_without_partner_is_a_glomerulus_of_its_own() -> None:
    centres, radii = tissue(3)
    sections = pieces(level(0, centres, radii, left_out=(0,)), level(1, centres, radii, 1.0, left_out=(5,)))
    found = identify(sections, [1, 2])
    assert {(1,), (6,)} <= partners(found)
    assert len(found.glomeruli) == 10


def test_levels_of_other_tissue_are_counted_apart() -> None:
    found = identify(pieces(level(0, *tissue(4)), level(1, *tissue(5))), [1, 2])
    assert found.apart == ((0,), (1,))
    assert len(found.glomeruli) == 20
    assert not found.links


def test_tissues_of_two_patients_that_fit_by_chance_are_hardly_ever_taken_for_the_same_surely() -> None:
    pairs = [
        identify(pieces(level(0, *tissue(n, 6)), level(1, *tissue(n + 50, 6))), [1, 2]) for n in range(40)
    ]
    joined = [pair for pair in pairs if len(pair.apart) == 1]
    assert joined  # else this shows nothing
    assert sum(len(pair.surely) == 1 for pair in joined) <= 2
    centres, radii = tissue(1, 6)
    related = identify(pieces(level(0, centres, radii), level(1, centres, radii, 0.5)), [1, 2])
    assert related.surely == ((0, 1),)


def test_the_same_tissue_twice_on_one_slide_counts_once() -> None:
    centres, radii = tissue(6)
    edge, profiles = level(0, centres, radii)
    again_edge, again = level(0, centres, radii, 0.3, shift=(2500, 0), first_id=101)
    both = pieces_of(0, [edge, again_edge], profiles + again)
    found = identify(both, [1])
    assert partners(found) == {(n, n + 100) for n in range(1, 11)}
    assert found.fitted == ((0, 0),)


def test_two_cores_of_one_section_are_not_taken_for_one() -> None:
    edge, profiles = level(0, *tissue(7))
    other_edge, others = level(0, *tissue(8), shift=(2500, 0), first_id=101)
    found = identify(pieces_of(0, [edge, other_edge], profiles + others), [1])
    assert len(found.glomeruli) == 20


def test_a_piece_torn_off_with_two_glomeruli_is_found_by_what_it_was_torn_off() -> None:
    centres, radii = tissue(9)
    off = [n for n, (x, _) in enumerate(centres) if x > np.sort(centres[:, 0])[-3]]
    edge, profiles = level(1, centres, radii, 0.2)
    gap = np.array([70.0, 15.0])
    kept = [one for one in profiles if one.id - 1 not in off]
    torn = [Profile(1, one.id, one.outline_um + gap) for one in profiles if one.id - 1 in off]
    ragged = np.concatenate([one.outline_um for one in torn])
    low, high = ragged.min(axis=0) - 20, ragged.max(axis=0) + 20
    box = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    parts = [Piece.of(1, shapely.Polygon(edge), kept), Piece.of(1, shapely.Polygon(box), torn)]
    sections = [*pieces(level(0, centres, radii)), *parts]
    assert partners(identify(sections, [1, 2])) == {(n, n) for n in range(1, 11)}


def moved_by(profiles: list[Profile], which: tuple[int, ...], way_um: tuple[float, float]) -> list[Profile]:
    """The profiles, those of these glomeruli moved by as much."""
    return [
        Profile(one.slide, one.id, one.outline_um + (np.array(way_um) if one.id - 1 in which else 0.0))
        for one in profiles
    ]


@pytest.mark.parametrize("which", [(2,), (2, 5)])
def test_glomeruli_of_a_part_that_moved_by_itself_are_matched_but_not_quite_surely(
    which: tuple[int, ...],
) -> None:
    centres, radii = tissue(9)
    edge, profiles = level(1, centres, radii, 0.2)
    sections = pieces(level(0, centres, radii), (edge, moved_by(profiles, which, (70.0, -60.0))))
    found = identify(sections, [1, 2])
    assert partners(found) == {(n, n) for n in range(1, 11)}
    sure = {
        group[0][1]: certainty for group, certainty in zip(found.glomeruli, found.certainties, strict=True)
    }
    assert all((certainty > 0.95) == (id_ - 1 not in which) for id_, certainty in sure.items())
    assert min(sure.values()) > 0.8


def test_small_profiles_that_lie_apart_are_not_taken_for_one_because_nothing_else_is_near() -> None:
    centres, radii = tissue(9)
    radii[[2, 5]] = 40.0
    edge, profiles = level(1, centres, radii, 0.2)
    sections = pieces(level(0, centres, radii), (edge, moved_by(profiles, (2,), (70.0, -60.0))))
    assert {(3,), (6, 6)} <= partners(identify(sections, [1, 2]))
    both = pieces(level(0, centres, radii), (edge, moved_by(profiles, (2, 5), (70.0, -60.0))))
    assert {(3, 3), (6, 6)} <= partners(identify(both, [1, 2]))  # two that are off alike say more than one


def test_pictures_of_single_glomeruli_fit_whatever_they_show_and_are_not_registered() -> None:
    middle = EDGE.mean(axis=0)
    pictures = pieces(*(level(n, middle[None], np.array([80.0 + n])) for n in range(3)))
    assert len(identify(pictures, [1, 1, 1]).glomeruli) == 1
    found = identify(pictures, [1, 1, 1], single={0, 1, 2})
    assert len(found.glomeruli) == 3
    assert found.apart == found.surely == ((0,), (1,), (2,))


def test_slides_without_a_glomerulus_are_no_obstacle() -> None:
    centres, radii = tissue(10)
    found = identify([*pieces(level(0, centres, radii)), *pieces_of(1, [EDGE], [])], [1, 2])
    assert len(found.glomeruli) == 10
    assert found.apart == ((0,),)
    assert identify([], []).glomeruli == ()


def test_profiles_outside_all_tissue_are_kept() -> None:
    centres, radii = tissue(11)
    edge, profiles = level(0, centres, radii)
    (inside, stray) = pieces_of(0, [edge], [*profiles, Profile(0, 99, RING * 80 + 5000)])
    assert len(inside.profiles) == 10
    assert [one.id for one in stray.profiles] == [99]


def test_identity_f1_counts_profiles_that_keep_their_glomerulus() -> None:
    truth = {"a1": "a", "a2": "a", "a3": "a", "b1": "b", "b2": "b"}
    right = identity_counts([["a1", "a2", "a3"], ["b1", "b2"]], truth)
    assert (right.f1, right.count_error, right.double_share) == (1.0, 0.0, 0.0)
    split = identity_counts([["a1", "a2"], ["a3"], ["b1", "b2"]], truth)
    assert split.f1 == pytest.approx(0.8)
    assert split.count_error == pytest.approx(0.5)
    assert split.double_share == pytest.approx(0.5)
    mixed = identity_counts([["a1", "a2", "a3", "b1"], ["b2"], ["nothing"]], truth, missed=["c"])
    assert mixed.f1 == pytest.approx(2 * 4 / (6 + 6))
    assert mixed.true_glomeruli == 3
