"""FID, KID, precision and recall on distributions whose values are known."""

import numpy as np
import pytest

from glomspike.metrics.likeness import covered, frechet_distance, kernel_distance, likeness


def gaussian(mean: list[float], deviation: list[float], count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, deviation, (count, len(mean)))


def test_a_set_is_at_no_distance_from_itself_and_wholly_covered() -> None:
    features = gaussian([0, 1, 2], [1, 2, 0.5], 300, 0)
    found = likeness(features, features)
    assert found.fid == pytest.approx(0, abs=1e-6)
    assert found.kid <= 0  # unbiased: within a set pictures are not compared with themselves
    assert (found.precision, found.recall, found.n) == (1, 1, 300)


def test_gaussians_are_at_the_distance_of_the_closed_form() -> None:
    one = gaussian([0, 0, 0], [1, 2, 3], 200_000, 0)
    other = gaussian([1, -2, 0], [2, 2, 1], 200_000, 1)
    closed = 1 + 4 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2
    assert frechet_distance(one, other) == pytest.approx(closed, rel=0.01)


def test_gaussians_with_unlike_axes_are_too() -> None:
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    one = gaussian([0, 0], [1, 3], 200_000, 0)
    other = gaussian([0, 0], [1, 3], 200_000, 1) @ turn.T
    first, second = np.diag([1.0, 9.0]), turn @ np.diag([1.0, 9.0]) @ turn.T
    # For two by two matrices, the trace of a root is that of M + 2 sqrt(det M), rooted.
    product = first @ second
    closed = 20 - 2 * np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    assert frechet_distance(one, other) == pytest.approx(closed, rel=0.02)


def test_fid_of_one_distribution_falls_with_the_number_of_pictures_and_kid_is_about_zero() -> None:
    def apart(count: int) -> tuple[float, float]:
        one, other = gaussian([0] * 20, [1] * 20, count, 0), gaussian([0] * 20, [1] * 20, count, 1)
        return frechet_distance(one, other), kernel_distance(one, other)

    (few, _), (many, kid) = apart(60), apart(600)
    assert few > 4 * many > 0
    assert abs(kid) < 0.02


def test_kid_is_the_discrepancy_of_the_cubic_kernel() -> None:
    one, other = gaussian([0, 0], [1, 1], 7, 0), gaussian([1, 0], [1, 1], 9, 1)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 2 + 1) ** 3)

    within_one = np.mean([kernel(x, y) for i, x in enumerate(one) for j, y in enumerate(one) if i != j])
    within_other = np.mean([kernel(x, y) for i, x in enumerate(other) for j, y in enumerate(other) if i != j])
    between = np.mean([kernel(x, y) for x in one for y in other])
    assert kernel_distance(one, other) == pytest.approx(within_one + within_other - 2 * between)


def test_far_sets_do_not_cover_each_other() -> None:
    found = likeness(gaussian([0, 0], [1, 1], 50, 0), gaussian([100, 0], [1, 1], 50, 1))
    assert (found.precision, found.recall) == (0, 0)


def test_a_narrow_set_is_precise_and_recalls_little() -> None:
    wide, narrow = gaussian([0, 0], [1, 1], 400, 0), gaussian([0, 0], [0.1, 0.1], 400, 1)
    found = likeness(wide, narrow)
    assert found.precision > 0.95
    assert found.recall < 0.2


def test_a_point_is_covered_within_the_third_neighbour() -> None:
    by = np.array([[0.0], [1.0], [2.0], [4.0]])
    assert covered(np.array([[-4.0]]), by) == 1  # 0 reaches as far as 4, its third neighbour
    assert covered(np.array([[-4.1]]), by) == 0
