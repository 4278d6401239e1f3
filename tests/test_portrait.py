"""The report's pictures of a glomerulus."""

import io

import numpy as np
import pytest
from PIL import Image
from results import MPP, glomerulus, spike_score

from glomspike.findings import Mpp
from glomspike.geometry.frames import FieldFrame
from glomspike.report.portrait import HEAT_SIDE_PX, SIDE_PX, TILE_MARGIN_PX, encode_jpeg, portray, shrunk
from glomspike.slide.field import Field

FIELD_PX = 1152  # twice the side of the report's image
TILE_PX = 50


@pytest.fixture
def field():
    """A grey field at 0.25 µm/px whose corner lies at level 0 (9000, 7000), with a white tile in it."""
    pixels = np.full((FIELD_PX, FIELD_PX, 3), 90, np.uint8)
    pixels[900:950, 800:850] = 255
    frame = FieldFrame.at(9_000.0, 7_000.0, Mpp(0.25, 0.25), 0.25)
    return Field(pixels, np.ones((FIELD_PX, FIELD_PX), bool), frame, 0.25)


def decoded(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded))).astype(int)


def scored(*corners0):
    return glomerulus(7, x0=9_576.0, y0=7_576.0, radius_um=100.0, spikes=spike_score(0.9, corners0), mpp=MPP)


def test_the_image_is_the_field_shrunk_with_its_outline_on_it(field):
    portrait = portray(scored(), field, None)
    image = decoded(portrait.jpeg)
    assert image.shape == (SIDE_PX, SIDE_PX, 3)
    assert (portrait.width_px, portrait.height_px, portrait.mpp) == (SIDE_PX, SIDE_PX, 0.5)
    assert image[462, 412].min() > 240
    assert image[100, 100].max() < 100
    # 90 µm about the middle of the field, at 0.5 µm/px
    radius_px = np.linalg.norm(portrait.outline_px - SIDE_PX / 2, axis=1)
    np.testing.assert_allclose(radius_px, 180, atol=0.01)


def test_a_tile_is_in_the_middle_of_its_picture_and_boxed_where_it_lies(field):
    (tile,) = portray(scored((9_800.0, 7_900.0)), field, None).tiles
    picture = decoded(tile.jpeg)
    assert picture.shape == (TILE_PX + 2 * TILE_MARGIN_PX,) * 2 + (3,)
    inside = picture[TILE_MARGIN_PX:-TILE_MARGIN_PX, TILE_MARGIN_PX:-TILE_MARGIN_PX]
    assert inside.mean() > 250
    assert picture[: TILE_MARGIN_PX - 3].mean() < 100
    assert (tile.x_px, tile.y_px, tile.side_px) == (400, 450, 25)
    assert tile.share == pytest.approx(50 / 74)


@pytest.mark.parametrize(
    "corner", [(0, 0), (FIELD_PX - TILE_PX, FIELD_PX - TILE_PX), (0, FIELD_PX - TILE_PX)]
)
def test_a_tile_at_the_border_keeps_its_size(field, corner):
    (tile,) = portray(scored((9_000.0 + corner[0], 7_000.0 + corner[1])), field, None).tiles
    assert decoded(tile.jpeg).shape == (74, 74, 3)


def test_heat_is_grey_where_there_is_some_and_transparent_elsewhere(field):
    heat = np.full((FIELD_PX, FIELD_PX), np.nan, np.float32)
    heat[:576, :576] = 0.0
    heat[:576, 576:] = 1.0
    heat[576:, 576:] = 0.5
    grey, alpha = np.moveaxis(decoded(portray(scored(), field, heat).heat), 2, 0)
    assert grey.shape == (HEAT_SIDE_PX, HEAT_SIDE_PX)
    corners = [(30, 30), (30, 200), (200, 200), (200, 30)]
    assert [alpha[at] for at in corners] == [255, 255, 255, 0]
    assert [grey[at] for at in corners[:3]] == [0, 255, 128]


def test_without_a_score_there_is_neither_heat_nor_tile(field):
    portrait = portray(glomerulus(3, x0=9_576.0, y0=7_576.0), field, None)
    assert (portrait.heat, portrait.tiles, portrait.glomerulus_id) == (None, (), 3)


def test_a_small_picture_is_not_enlarged():
    picture = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shrunk(picture, 100), picture)
    assert shrunk(picture, 20).shape == (20, 15, 3)


def test_jpeg_keeps_red_red():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    assert decoded(encode_jpeg(red, 90))[8, 8] == pytest.approx([250, 0, 0], abs=6)
