"""Average precision of circles, against a plain computation that follows COCO's description word by word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glomspike.geometry.circles import circle_iou
from glomspike.metrics.circle_ap import ap_of_images, best_threshold, circle_ap, matched

TRUTH = np.array([[50, 50, 20], [150, 60, 25]], dtype=float)

places = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(8, 20))
images = st.tuples(
    st.lists(st.tuples(places, st.integers(1, 1000)), max_size=6, unique_by=lambda pair: pair[1]),
    st.lists(places, max_size=5),
)


def scored(circles: np.ndarray, *scores: float) -> np.ndarray:
    return np.column_stack([circles[: len(scores)], scores])


def annotated(drawn: list) -> tuple[list, list]:
    """Found and true circles whose scores differ: among equal ones, COCO leaves open which comes first."""
    found, truth = [], []
    for image, (detections, circles) in enumerate(drawn):
        rows = [(*circle, (score * 3 + image) / 4000) for circle, score in detections]
        found.append(np.array(rows, dtype=float).reshape(-1, 4))
        truth.append(np.array(circles, dtype=float).reshape(-1, 3))
    return found, truth


def plain_ap(found: list, truth: list, threshold: float) -> float:
    """Average precision at one IoU, one detection after another and one recall level after another."""
    detections = sorted(
        ((score, image, circle) for image, own in enumerate(found) for *circle, score in own),
        key=lambda detection: -detection[0],
    )
    free = {(image, number) for image, own in enumerate(truth) for number in range(len(own))}
    total, right, curve = len(free), 0, []
    for rank, (_, image, circle) in enumerate(detections, start=1):
        overlaps = {
            number: circle_iou(np.array([circle]), truth[image][number : number + 1])[0, 0]
            for own, number in free
            if own == image
        }
        best = max(sorted(overlaps), key=lambda number: overlaps[number], default=None)
        if best is not None and overlaps[best] >= threshold:
            free.discard((image, best))
            right += 1
        curve.append((right / max(total, 1), right / rank))
    levels = [max((p for r, p in curve if r >= level), default=0.0) for level in np.linspace(0, 1, 101)]
    return float(np.mean(levels)) if total else 0.0


@given(st.lists(images, min_size=1, max_size=3))
def test_average_precision_is_cocos(drawn: list) -> None:
    found, truth = annotated(drawn)
    measured = circle_ap(found, truth)
    assert measured.ap50 == pytest.approx(plain_ap(found, truth, 0.5))
    assert measured.ap75 == pytest.approx(plain_ap(found, truth, 0.75))
    assert measured.n_truth == sum(map(len, truth))
    assert measured.n_images == len(drawn)


@given(st.lists(images, min_size=3, max_size=3), st.lists(st.integers(0, 2), min_size=1, max_size=5))
def test_images_drawn_several_times_or_never_count_as_often(drawn: list, chosen: list) -> None:
    found, truth = annotated(drawn)
    measured = ap_of_images(matched(found, truth), np.array(chosen))
    found, truth = [found[image] for image in chosen], [truth[image] for image in chosen]
    assert measured.ap50 == pytest.approx(plain_ap(found, truth, 0.5))
    assert measured.ap75 == pytest.approx(plain_ap(found, truth, 0.75))
    assert measured.recall50 == pytest.approx(circle_ap(found, truth).recall50)
    assert (measured.n_truth, measured.n_images) == (sum(map(len, truth)), len(chosen))


def test_perfect_circles_are_perfect() -> None:
    measured = circle_ap([scored(TRUTH, 0.9, 0.8)], [TRUTH])
    assert (measured.ap, measured.ap50, measured.ap75, measured.recall50) == (1, 1, 1, 1)


def test_a_second_circle_on_one_glomerulus_is_wrong() -> None:
    twice = np.vstack([scored(TRUTH, 0.9, 0.7), [[50, 50, 20, 0.8]]])
    assert circle_ap([twice], [TRUTH]).ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_circles_of_another_image_do_not_count() -> None:
    empty = np.zeros((0, 4))
    assert circle_ap([empty, scored(TRUTH, 0.9, 0.8)], [TRUTH, np.zeros((0, 3))]).ap50 == 0


def test_without_any_truth_nothing_is_precise() -> None:
    measured = circle_ap([scored(TRUTH, 0.9)], [np.zeros((0, 3))])
    assert (measured.ap, measured.recall50, measured.n_truth) == (0, 0, 0)


def test_the_best_threshold_parts_right_from_wrong() -> None:
    found = np.vstack([scored(TRUTH, 0.9, 0.6), [[300, 300, 20, 0.4], [400, 300, 20, 0.3]]])
    assert best_threshold([found], [TRUTH]) == pytest.approx(0.5)
    assert best_threshold([np.zeros((0, 4))], [TRUTH]) == 0.5
