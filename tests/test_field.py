"""Fields: pixels in their frame, and only what is damaged is missing from them."""

import numpy as np
import pytest
from pyramids import TILE_PX, break_tiles, waves, write_aperio

from glomspike.geometry.frames import FieldFrame
from glomspike.slide.field import SMALLEST_SPLIT_PX, read_field
from glomspike.slide.reader import open_slide

SIDE0 = 640


@pytest.fixture
def damaged(tmp_path):
    """A slide with one tile of level 0 destroyed: the one at column 5, row 4."""
    path = write_aperio(tmp_path / "damaged.svs", waves(SIDE0, SIDE0), (4,), compression="jpeg")
    break_tiles(path, page=0, tiles=[4 * SIDE0 // TILE_PX + 5])
    with open_slide(path) as slide:
        yield slide


def test_a_sound_field_is_one_read_in_its_frame(tmp_path):
    with open_slide(write_aperio(tmp_path / "sound.svs", waves(SIDE0, SIDE0))) as slide:
        field = read_field(slide, 12.5, 20.25, 120, 90, 0.4)
        assert np.array_equal(field.pixels, slide.read(12.5, 20.25, 120 * 1.6, 90 * 1.6, 0.4))
    assert field.readable.all()
    assert field.readable.shape == (90, 120)
    assert field.frame == FieldFrame(12.5, 20.25, 1.6, 1.6)
    assert field.mpp == 0.4


def test_only_what_touches_a_damaged_tile_is_lost(damaged):
    field = read_field(damaged, 0, 0, SIDE0, SIDE0, 0.25)
    rows, columns = np.nonzero(~field.readable)
    tile_x0, tile_y0 = 5 * TILE_PX, 4 * TILE_PX
    assert not field.readable[tile_y0 : tile_y0 + TILE_PX, tile_x0 : tile_x0 + TILE_PX].any()
    reach_px = SMALLEST_SPLIT_PX + 8
    assert tile_x0 - reach_px <= columns.min()
    assert columns.max() < tile_x0 + TILE_PX + reach_px
    assert tile_y0 - reach_px <= rows.min()
    assert rows.max() < tile_y0 + TILE_PX + reach_px
    assert (field.pixels[~field.readable] == 255).all()
    error = field.pixels[field.readable].astype(int) - waves(SIDE0, SIDE0)[field.readable]
    assert np.abs(error).max() < 12  # JPEG, and no white in what is called readable


def test_a_coarser_level_is_not_touched_by_damage_to_the_finest(damaged):
    assert read_field(damaged, 0, 0, 160, 160, 1.0).readable.all()
    pixels, _ = damaged.thumbnail(100)
    assert (pixels < 255).any(axis=2).all()


def test_a_slide_broken_all_over_is_white_and_unreadable(tmp_path):
    path = write_aperio(tmp_path / "broken.svs", waves(256, 256), compression="jpeg")
    break_tiles(path, page=0, tiles=range(16))
    with open_slide(path) as slide:
        field = read_field(slide, 0, 0, 256, 256, 0.25)
    assert not field.readable.any()
    assert (field.pixels == 255).all()
