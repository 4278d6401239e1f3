"""Which tiles a glomerulus is cut into."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glomspike.classify.tiles import COVERAGE, STRIDE_PX, TILE_PX, grid_of


def test_a_field_of_1100_pixels_has_1849_tiles() -> None:
    whole = np.ones((1100, 1100), dtype=bool)
    grid = grid_of(np.full((1100, 1100, 3), 9, np.uint8), whole, whole)
    assert len(grid.corners_px) == 43 * 43


@given(st.integers(0, 2**32 - 1), st.integers(60, 260), st.integers(60, 260))
def test_tiles_are_those_at_least_half_inside_and_blank_outside(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) < rng.uniform(20, 150)
    grid = grid_of(np.full((height, width, 3), 200, np.uint8), inside, np.ones_like(inside))
    expected = [
        (left, top)
        for top in range(0, height - TILE_PX + 1, STRIDE_PX)
        for left in range(0, width - TILE_PX + 1, STRIDE_PX)
        if inside[top : top + TILE_PX, left : left + TILE_PX].mean() >= COVERAGE
    ]
    assert [tuple(corner) for corner in grid.corners_px.tolist()] == expected
    for tile, (left, top) in zip(grid.cut(), expected, strict=True):
        own = inside[top : top + TILE_PX, left : left + TILE_PX]
        assert ((tile == 200).all(axis=2) == own).all()
        assert (tile[~own] == 0).all()


def test_tiles_on_undecodable_pixels_are_counted_and_left_out() -> None:
    inside = np.ones((200, 200), dtype=bool)
    readable = inside.copy()
    readable[60, 60] = False
    whole = grid_of(np.zeros((200, 200, 3), np.uint8), inside, inside)
    damaged = grid_of(np.zeros((200, 200, 3), np.uint8), inside, readable)
    assert damaged.unreadable == 4
    assert len(damaged.corners_px) == len(whole.corners_px) - 4


def test_a_field_smaller_than_a_tile_has_none() -> None:
    small = np.ones((30, 200), dtype=bool)
    grid = grid_of(np.zeros((30, 200, 3), np.uint8), small, small)
    assert grid.cut().shape == (0, TILE_PX, TILE_PX, 3)
