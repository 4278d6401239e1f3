"""Tissue drawn as of a scarred kidney, for the detector's training."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glomspike.detect.cut import KnownGlomerulus
from glomspike.detect.scars import scarred

MPP, SIDE_PX = 4.0, 160
GLASS = 245


def _tissue(seed=0):
    """Pink tissue with light lumens of 24 µm on its left half, glass on its right."""
    rng = np.random.default_rng(seed)
    pixels = np.full((SIDE_PX, SIDE_PX, 3), GLASS, np.uint8)
    pixels[:, :80] = rng.normal((200, 130, 170), 8, (SIDE_PX, 80, 3)).clip(0, 235)
    for x in range(6, 76, 14):
        pixels[6:150:14, x : x + 6] = 240
    return pixels


def _square(left, top, side):
    return np.array([[left, top], [left + side, top], [left + side, top + side], [left, top + side]], float)


@given(st.integers(0, 2**32))
def test_glass_and_glomeruli_stay_as_they_were(seed):
    tissue = _tissue()
    drawn = scarred(
        tissue, [KnownGlomerulus(_square(30, 60, 25), None, False)], MPP, np.random.default_rng(seed)
    )
    assert drawn.shape == tissue.shape
    assert drawn.dtype == np.uint8
    assert np.array_equal(drawn[:, 100:], tissue[:, 100:])
    assert np.abs(drawn[62:83, 32:53].astype(int) - tissue[62:83, 32:53]).max() <= 1


def test_lumens_are_filled():
    tissue, darker = _tissue(), []
    for seed in range(20):
        drawn = scarred(tissue, [], MPP, np.random.default_rng(seed))
        darker.append(np.mean(drawn[6:146:14, 20:26] < tissue[6:146:14, 20:26]))
    assert np.mean(darker) > 0.5


def test_the_same_draw_gives_the_same_picture():
    one, other = (scarred(_tissue(), [], MPP, np.random.default_rng(4)) for _ in "ab")
    assert np.array_equal(one, other)


def test_a_picture_without_tissue_is_given_back():
    blank = np.full((SIDE_PX, SIDE_PX, 3), GLASS, np.uint8)
    assert np.array_equal(scarred(blank, [], MPP, np.random.default_rng(1)), blank)
