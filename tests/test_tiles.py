"""Which tiles a glomerulus is cut into."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glomspike.classify.tiles import PAPERS, Tiling, grid_of


def test_a_field_of_1100_pixels_has_1849_tiles() -> None:
    whole = np.ones((1100, 1100), dtype=bool)
    grid = grid_of(np.full((1100, 1100, 3), 9, np.uint8), whole, whole, PAPERS)
    assert len(grid.corners_px) == 43 * 43


tilings = st.builds(Tiling, st.integers(10, 70), st.integers(5, 40), st.floats(0.1, 1))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 260), st.integers(20, 260), tilings)
def test_tiles_are_those_that_lie_enough_inside_and_blank_outside(
    seed: int, height: int, width: int, tiling: Tiling
) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) < rng.uniform(20, 150)
    grid = grid_of(np.full((height, width, 3), 200, np.uint8), inside, np.ones_like(inside), tiling)
    side = tiling.tile_px
    expected = [
        (left, top)
        for top in range(0, height - side + 1, tiling.stride_px)
        for left in range(0, width - side + 1, tiling.stride_px)
        if inside[top : top + side, left : left + side].sum() >= tiling.coverage * side**2
    ]
    assert [tuple(corner) for corner in grid.corners_px.tolist()] == expected
    assert (grid.middles_px == np.array(expected).reshape(-1, 2) + side / 2).all()
    assert ((grid.pixels == 200).all(axis=2) == inside).all()
    assert (grid.pixels[~inside] == 0).all()


def test_tiles_on_undecodable_pixels_are_counted_and_left_out() -> None:
    inside = np.ones((200, 200), dtype=bool)
    readable = inside.copy()
    readable[60, 60] = False
    whole = grid_of(np.zeros((200, 200, 3), np.uint8), inside, inside, PAPERS)
    damaged = grid_of(np.zeros((200, 200, 3), np.uint8), inside, readable, PAPERS)
    assert damaged.unreadable == 4
    assert len(damaged.corners_px) == len(whole.corners_px) - 4


def test_a_card_without_a_tiling_is_of_the_papers() -> None:
    assert Tiling.of({}) == PAPERS == Tiling(50, 25, 0.5)
    assert Tiling.of({"tile_px": 30, "coverage": 0.7, "k_pos": 3}) == Tiling(30, 25, 0.7)
