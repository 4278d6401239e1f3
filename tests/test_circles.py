"""How much circles overlap, and which of several on one glomerulus is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glomspike.geometry.circles import circle_iou, suppress

circles = st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(1, 40))


def iou(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    return float(circle_iou(np.array([first]), np.array([second]))[0, 0])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 10), (0, 0, 10), 1.0),
        ((0, 0, 10), (0, 0, 5), 0.25),
        ((0, 0, 10), (4, 0, 5), 0.25),
        ((0, 0, 10), (20, 0, 10), 0.0),
        ((0, 0, 10), (300, 0, 10), 0.0),
        # Each centre on the other's edge: the lens is (2/3 π - √3/2) r².
        ((0, 0, 1), (1, 0, 1), (2 * np.pi / 3 - 3**0.5 / 2) / (4 * np.pi / 3 + 3**0.5 / 2)),
    ],
)
def test_overlap_of_cases_worked_out_by_hand(first: tuple, second: tuple, expected: float) -> None:
    assert iou(first, second) == pytest.approx(expected, abs=1e-9)


@given(circles, circles)
def test_overlap_is_symmetric_between_0_and_1_and_of_no_unit(first: tuple, second: tuple) -> None:
    value = iou(first, second)
    assert 0 <= value <= 1 + 1e-12
    assert iou(second, first) == pytest.approx(value, abs=1e-9)
    larger = [tuple(3 * number for number in circle) for circle in (first, second)]
    assert iou(*larger) == pytest.approx(value, abs=1e-6)


def test_overlap_is_that_of_counted_points() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-30, 30, (100_000, 2))
    first = np.column_stack([rng.uniform(-8, 8, (6, 2)), rng.uniform(4, 20, 6)])
    inside = np.hypot(*(points[:, None] - first[None, :, :2]).T) <= first[:, 2, None]
    counted = (inside[:, None] & inside[None]).sum(axis=2) / (inside[:, None] | inside[None]).sum(axis=2)
    assert circle_iou(first, first) == pytest.approx(counted, abs=0.02)


def test_of_circles_on_one_glomerulus_the_best_is_kept() -> None:
    drawn = np.array([[0, 0, 10], [1, 0, 10], [40, 0, 10], [41, 0, 11]], dtype=float)
    assert suppress(drawn, np.array([0.6, 0.9, 0.8, 0.7]), 0.3).tolist() == [1, 2]


def test_a_dropped_circle_drops_no_other() -> None:
    chain = np.array([[0, 0, 10], [8, 0, 10], [16, 0, 10]], dtype=float)
    assert circle_iou(chain, chain)[0, 2] < 0.3 < circle_iou(chain, chain)[0, 1]
    assert suppress(chain, np.array([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]


def test_no_circle_is_no_circle() -> None:
    assert suppress(np.zeros((0, 3)), np.zeros(0), 0.3).tolist() == []


@given(st.lists(st.tuples(circles, st.floats(0, 1)), max_size=12))
def test_what_remains_does_not_overlap_and_explains_the_rest(
    drawn: list,
) -> None:
    shapes = np.array([circle for circle, _ in drawn]).reshape(-1, 3)
    scores = np.array([score for _, score in drawn])
    kept = suppress(shapes, scores, 0.3)
    overlaps = circle_iou(shapes, shapes) > 0.3
    among = overlaps[np.ix_(kept, kept)]
    assert not (among & ~np.eye(len(kept), dtype=bool)).any()
    for dropped in set(range(len(drawn))) - set(kept.tolist()):
        assert any(overlaps[dropped, k] and scores[k] >= scores[dropped] for k in kept)
