"""What CircleNet is to answer for known circles, and that decoding the answer gives them back."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glomspike.detect.decode import decode
from glomspike.detect.model import STRIDE, Maps
from glomspike.detect.targets import UNCERTAIN, Targets, circle_loss, gaussian_radius, targets_of

SIDE_PX = 128
CERTAIN = np.array([0])


def perfect_answer(targets: Targets) -> Maps:
    """Maps that say just what the targets do."""
    logits = torch.logit(torch.from_numpy(targets.centre).clamp(1e-6, 1 - 1e-6))
    return Maps(
        logits[None],
        torch.from_numpy(targets.radius)[None, None],
        torch.from_numpy(targets.offset)[None],
    )


def batch_of(targets: Targets) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values)[None] for name, values in vars(targets).items()}


@given(st.floats(0, SIDE_PX - 0.01), st.floats(0, SIDE_PX - 0.01), st.floats(8, 60))
def test_decoding_perfect_answers_gives_the_circle_back(x: float, y: float, radius: float) -> None:
    targets = targets_of(np.array([[x, y, radius]]), CERTAIN, SIDE_PX, SIDE_PX)
    found = decode(perfect_answer(targets))[0, 0].numpy()
    assert found == pytest.approx([x, y, radius, 1.0], abs=1e-3)


def test_two_circles_are_two_peaks_best_first() -> None:
    circles = np.array([[20, 20, 12], [100, 90, 20]], dtype=float)
    targets = targets_of(circles, np.array([0, 0]), SIDE_PX, SIDE_PX)
    maps = perfect_answer(targets)
    maps.centre[0, 0, 5, 5] -= 8
    found = decode(maps)[0].numpy()
    assert found[:2, :3] == pytest.approx(circles[::-1], abs=1e-3)
    assert found[0, 3] > found[1, 3] > 0.5
    assert (found[2:, 3] < 0.01).all()


def test_bumps_meet_by_their_maximum_and_widen_with_the_radius() -> None:
    near = np.array([[60, 64, 24], [68, 64, 24]], dtype=float)
    centre = targets_of(near, np.array([0, 0]), SIDE_PX, SIDE_PX).centre
    assert centre[0, 16, 15] == centre[0, 16, 17] == 1
    assert centre.max() == 1
    wide = targets_of(np.array([[64, 64, 50]]), CERTAIN, SIDE_PX, SIDE_PX).centre
    narrow = targets_of(np.array([[64, 64, 10]]), CERTAIN, SIDE_PX, SIDE_PX).centre
    assert wide.sum() > narrow.sum()


def test_a_centre_beyond_the_picture_asks_for_nothing() -> None:
    targets = targets_of(np.array([[-3.0, 40.0, 20.0]]), CERTAIN, SIDE_PX, SIDE_PX)
    assert targets.is_centre.sum() == targets.centre.sum() == 0
    assert targets.counts.all()


def test_an_uncertain_circle_is_neither_asked_for_nor_forbidden() -> None:
    circles = np.array([[30, 30, 16], [90, 90, 16]], dtype=float)
    targets = targets_of(circles, np.array([UNCERTAIN, 0]), SIDE_PX, SIDE_PX)
    assert targets.counts[7, 7] == 0
    assert targets.is_centre.sum() == 1
    quiet, loud = perfect_answer(targets), perfect_answer(targets)
    loud.centre[0, 0, 7, 7] = 9.0
    assert circle_loss(loud, batch_of(targets)) == circle_loss(quiet, batch_of(targets))


@pytest.mark.parametrize("radius", [3.0, 10.0, 25.0])
def test_boxes_off_by_the_gaussian_radius_keep_an_overlap_of_seven_tenths(radius: float) -> None:
    off, side = gaussian_radius(radius), 2 * radius
    inwards = (side - 2 * off) ** 2 / side**2
    outwards = side**2 / (side + 2 * off) ** 2
    shared = (side - off) ** 2
    shifted = shared / (2 * side**2 - shared)
    assert min(inwards, outwards, shifted) == pytest.approx(0.7, abs=1e-6)


def test_the_loss_falls_as_the_answer_nears_the_truth() -> None:
    targets = targets_of(np.array([[64, 64, 20]], dtype=float), CERTAIN, SIDE_PX, SIDE_PX)
    batch, right = batch_of(targets), perfect_answer(targets)
    answers = (
        right,
        right._replace(radius=right.radius + 1),
        right._replace(offset=right.offset + 1),
        right._replace(centre=-right.centre),
    )
    losses = [float(circle_loss(answer, batch)) for answer in answers]
    assert losses[0] < 0.01
    assert losses[1] == pytest.approx(losses[0] + 0.1, abs=1e-4)
    assert losses[2] == pytest.approx(losses[0] + 2, abs=1e-4)
    assert losses[3] > 1


def test_a_picture_without_circles_has_a_finite_loss_that_rewards_silence() -> None:
    targets = targets_of(np.zeros((0, 3)), np.zeros(0, dtype=int), SIDE_PX, SIDE_PX)
    side = SIDE_PX // STRIDE
    zeros = torch.zeros(1, 1, side, side)
    silent, loud = (Maps(zeros + level, zeros, zeros.repeat(1, 2, 1, 1)) for level in (-8.0, 2.0))
    assert 0 <= circle_loss(silent, batch_of(targets)) < circle_loss(loud, batch_of(targets)) < np.inf
