"""Fields that end in the midst of a glomerulus: what is left of it, and what is too little to judge."""

import numpy as np
import pytest

from glomspike.detect.border import bordered, is_small_piece, left_of
from glomspike.learn.truth import outlined

SIDE_PX = 128
TURN = np.linspace(0, 2 * np.pi, 90, endpoint=False)
GREY = np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)


def round_outline(x: float, y: float, radius: float) -> np.ndarray:
    return np.stack([x + radius * np.cos(TURN), y + radius * np.sin(TURN)], axis=1)


@pytest.mark.parametrize("seed", range(8))
def test_the_larger_part_of_a_picture_is_left_and_one_colour_lies_beyond(seed: int) -> None:
    ended, (left, top, right, bottom) = bordered(GREY, [], np.random.default_rng(seed))
    inside = ended[int(top) : int(bottom), int(left) : int(right)]
    assert (inside == 90).all()
    assert inside.shape[0] * inside.shape[1] >= SIDE_PX**2 / 2
    beyond = ended.astype(int).sum() - inside.astype(int).sum()
    outside_px = SIDE_PX**2 - inside.shape[0] * inside.shape[1]
    assert outside_px > 0
    assert beyond % (3 * outside_px) == 0


def test_borders_run_through_glomeruli_more_often_than_not() -> None:
    outline = round_outline(64, 64, 15)
    boxes = [bordered(GREY, [outline], np.random.default_rng(seed))[1] for seed in range(100)]
    cut = [not np.array_equal(left_of(outline, box), outline) for box in boxes]
    assert np.mean(cut) > 0.5


def test_what_is_left_of_a_glomerulus_has_a_circle_of_its_own() -> None:
    piece = left_of(round_outline(20, 64, 30), (40.0, 0.0, 128.0, 128.0))
    assert piece is not None
    circle = outlined(piece)
    half_chord = np.sqrt(30**2 - 20**2)
    assert (circle.x_px, circle.y_px) == pytest.approx((40, 64), abs=0.2)
    assert circle.radius_px == pytest.approx(half_chord, abs=0.2)


def test_nothing_is_left_of_a_glomerulus_beyond_the_border() -> None:
    assert left_of(round_outline(20, 64, 15), (40.0, 0.0, 128.0, 128.0)) is None


@pytest.mark.parametrize(
    ("outline", "small"),
    [
        (round_outline(64, 64, 5), False),  # small, but whole
        (round_outline(128, 64, 5), True),
        (round_outline(128, 64, 20), False),  # cut, but large
    ],
)
def test_only_cut_and_small_pieces_are_not_judged(outline: np.ndarray, small: bool) -> None:
    box = (0.0, 0.0, 128.0, 128.0)
    assert is_small_piece(np.clip(outline, 0, 128), box, mpp=4.0) is small
