"""The mean of the tiles over each pixel."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glomspike.classify.heatmap import spike_heat
from glomspike.findings import Mpp, Outline, TileScores
from glomspike.geometry.frames import FieldFrame
from glomspike.slide.field import Field

MPP = Mpp(0.25, 0.25)


def field_of(height, width, slide_mpp=MPP, mpp=0.25, corner0=(1_000.0, 2_000.0)):
    frame = FieldFrame.at(*corner0, slide_mpp, mpp)
    return Field(np.zeros((height, width, 3), np.uint8), np.ones((height, width), bool), frame, mpp)


def rectangle(field, left, top, right, bottom):
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)
    return Outline(field.frame.to_level0(corners), 1.0, False)


def scores(field, corners_px, probabilities, side_px):
    corners0 = field.frame.to_level0(np.array(corners_px, dtype=float).reshape(-1, 2))
    probability = np.array(probabilities, dtype=float)
    return TileScores(corners0, side_px * field.mpp, probability, 0, np.ones(len(probability), bool))


corner = st.tuples(st.integers(-10, 40), st.integers(-10, 40))
tiles = st.lists(st.tuples(corner, st.floats(0, 1)), min_size=1, max_size=25)


@given(tiles, st.integers(1, 15))
def test_each_pixel_has_the_mean_of_the_tiles_over_it(found, side_px):
    field = field_of(30, 36)
    heat = spike_heat(
        scores(field, [c for c, _ in found], [p for _, p in found], side_px),
        rectangle(field, -5, -5, 50, 50),
        field,
    )
    for y, x in [(0, 0), (3, 7), (12, 20), (29, 35), (15, 15)]:
        over = [p for (cx, cy), p in found if cx <= x < cx + side_px and cy <= y < cy + side_px]
        if over:
            np.testing.assert_allclose(heat[y, x], np.mean(over), atol=1e-6)
        else:
            assert np.isnan(heat[y, x])


def test_there_is_no_heat_outside_the_outline():
    field = field_of(40, 40)
    heat = spike_heat(scores(field, [(0, 0)], [0.7], 40), rectangle(field, 10, 12, 30, 25), field)
    rows, columns = np.where(~np.isnan(heat))
    assert (rows.min(), columns.min()) == (12, 10)
    assert abs(rows.max() - 24) <= 1
    assert abs(columns.max() - 29) <= 1
    assert heat.dtype == np.float32


def test_heat_follows_the_slide_where_axes_differ_and_the_field_is_resampled():
    field = field_of(40, 40, slide_mpp=Mpp(0.2, 0.4), mpp=0.5)
    tile = TileScores(np.array([[1_025.0, 2_025.0]]), 5.0, np.array([1.0]), 0, np.ones(1, bool))
    heat = spike_heat(tile, rectangle(field, -1, -1, 41, 41), field)
    rows, columns = np.where(heat == 1.0)
    # 25 level-0 pixels are 5 µm = 10 px along x, and 10 µm = 20 px along y; 5 µm are 10 px.
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 19, 20, 29)


def test_no_tiles_give_no_heat():
    field = field_of(20, 20)
    assert np.isnan(spike_heat(scores(field, [], [], 5), rectangle(field, 0, 0, 20, 20), field)).all()
