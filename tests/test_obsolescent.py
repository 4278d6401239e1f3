"""Obsolescent glomeruli drawn for the detector's training: where they are said to be, and of which look."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glomspike.detect.cut import KnownGlomerulus
from glomspike.detect.obsolescent import DIAMETER_UM, LESION, with_obsolescent

MPP, SIDE_PX = 4.0, 160
TURN = np.linspace(0, 2 * np.pi, 90, endpoint=False)
RING = np.stack([np.cos(TURN), np.sin(TURN)], axis=1)


def tissue(seed: int = 0) -> np.ndarray:
    """Pink stroma with blue nuclei."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal((215, 150, 190), 6, (SIDE_PX, SIDE_PX, 3))
    pixels[rng.random((SIDE_PX, SIDE_PX)) < 0.2] = (80, 60, 130)
    return pixels.clip(0, 235).astype(np.uint8)


@given(st.integers(0, 2**32))
def test_they_lie_clear_of_others_and_of_the_size_that_they_are_to_have(seed: int) -> None:
    there = KnownGlomerulus(np.array([80.0, 80.0]) + 25 * RING)
    drawn, known = with_obsolescent(tissue(), [there], MPP, np.random.default_rng(seed))
    assert drawn.shape == (SIDE_PX, SIDE_PX, 3)
    assert drawn.dtype == np.uint8
    assert known[0] is there
    circles = np.array([one.circle_px for one in known])
    apart = np.linalg.norm(circles[:, None, :2] - circles[None, :, :2], axis=-1)
    assert (apart[np.triu_indices(len(known), 1)] > 0).all()
    assert all(np.hypot(x - 80, y - 80) > 25 + 0.6 * r for x, y, r in circles[1:])
    assert (2 * circles[1:, 2] * MPP < 1.6 * DIAMETER_UM[1]).all()
    assert {one.lesion for one in known[1:]} <= {LESION}


def test_they_are_more_even_than_tissue_and_have_fewer_nuclei() -> None:
    inside, outside, reds = [], [], []
    for seed in range(30):
        ground = tissue(seed)
        drawn, known = with_obsolescent(ground, [], MPP, np.random.default_rng(seed))
        for one in known:
            x, y, radius = one.circle_px
            rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
            core = np.hypot(columns - x, rows - y) < 0.4 * radius
            if core.sum() > 20:
                inside.append(drawn[core].std(axis=0).mean())
                outside.append(ground[core].std(axis=0).mean())
                reds.append(drawn[core][:, 0].mean() - ground[core][:, 0].mean())
    assert len(inside) > 30
    assert np.median(inside) < 0.5 * np.median(outside)
    assert np.median(reds) > 0


def test_on_glass_there_are_none() -> None:
    glass = np.full((SIDE_PX, SIDE_PX, 3), 245, np.uint8)
    drawn, known = with_obsolescent(glass, [], MPP, np.random.default_rng(1))
    assert not known
    assert np.abs(drawn.astype(int) - glass).max() <= 1


def test_the_same_draw_gives_the_same_picture() -> None:
    one, other = (with_obsolescent(tissue(), [], MPP, np.random.default_rng(4))[0] for _ in "ab")
    assert np.array_equal(one, other)
