"""Plain pictures as slides: any usual kind becomes RGB on white, anything else is refused with a reason."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from glomspike.errors import SlideError
from glomspike.findings import Mpp
from glomspike.slide.reader import open_slide

COLOURS = np.array([[[200, 30, 60], [255, 255, 255]], [[0, 0, 0], [20, 180, 90]]], np.uint8)


def pixels_of(path, side_px=2):
    with open_slide(path, 0.5) as slide:
        return slide.read(0, 0, side_px, side_px, 0.5)


def test_a_picture_is_a_slide_of_one_level(tmp_path):
    path = tmp_path / "field.png"
    Image.fromarray(COLOURS).save(path)
    with open_slide(path, 0.5) as slide:
        facts = slide.facts
        assert (facts.vendor, facts.width0, facts.height0, facts.mpp) == ("picture", 2, 2, Mpp(0.5, 0.5))
        assert (facts.bounds_x0, facts.bounds_y0, facts.bounds_width0, facts.bounds_height0) == (0, 0, 2, 2)


@pytest.mark.parametrize("dots", [72, 300, 4800])
def test_a_printers_dots_per_inch_are_not_taken_for_a_scale(tmp_path, dots):
    path = tmp_path / "field.tif"
    Image.fromarray(COLOURS).save(path, dpi=(dots, dots))
    with pytest.raises(SlideError, match=r"field\.tif: has no µm/px; give it with --mpp"):
        open_slide(path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_are_kept(tmp_path, mode, suffix):
    path = tmp_path / f"field{suffix}"
    Image.fromarray(COLOURS).convert(mode, palette=Image.Palette.ADAPTIVE).save(path)
    assert np.array_equal(pixels_of(path), COLOURS)


def test_a_jpeg_of_printing_colours_is_not_inverted(tmp_path):
    path = tmp_path / "field.jpg"
    Image.new("RGB", (16, 16), (200, 60, 60)).convert("CMYK").save(path, quality=100)
    assert np.abs(pixels_of(path, 16).astype(int) - [200, 60, 60]).max() < 8


@pytest.mark.parametrize("mode", ["1", "L"])
def test_black_and_white_stay_so(tmp_path, mode):
    path = tmp_path / "field.png"
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert(mode).save(path)
    assert np.array_equal(pixels_of(path)[..., 0], [[0, 255], [255, 0]])


def test_sixteen_bits_are_scaled_by_their_whole_range(tmp_path):
    levels = np.array([[0, 32_768], [65_535, 257]], np.uint16)
    for path in (tmp_path / "grey.png", tmp_path / "grey.tif"):
        Image.fromarray(levels).save(path)
        assert np.array_equal(pixels_of(path)[..., 1], [[0, 128], [255, 1]])
    path = tmp_path / "colour.tif"
    tifffile.imwrite(path, np.dstack([levels] * 3), photometric="rgb")
    assert np.abs(pixels_of(path)[..., 1].astype(int) - [[0, 128], [255, 1]]).max() <= 1


def test_what_is_transparent_is_white(tmp_path):
    path = tmp_path / "field.png"
    clear = np.dstack([COLOURS, np.array([[0, 0], [128, 255]], np.uint8)])
    Image.fromarray(clear).save(path)
    pixels = pixels_of(path)
    assert (pixels[0] == 255).all()
    assert np.abs(pixels[1, 0].astype(int) - 127).max() <= 1
    assert np.array_equal(pixels[1, 1], COLOURS[1, 1])


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    path = tmp_path / "field.png"
    Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P").save(path, transparency=0)
    assert (pixels_of(path)[0, 0] == 255).all()


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    Image.new("1", (3000, 3000)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    with pytest.raises(SlideError, match=r"bomb\.png: has too many pixels"):
        open_slide(path, 0.5)


@pytest.mark.filterwarnings("error")
def test_a_large_picture_within_bounds_opens_without_a_warning(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    Image.new("L", (1500, 1000)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    assert pixels_of(path).shape == (2, 2, 3)


def test_a_damaged_picture_is_refused(tmp_path):
    path = tmp_path / "cut.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(SlideError, match=r"cut\.png: cannot be decoded as a picture"):
        open_slide(path, 0.5)


def test_numbers_without_a_known_white_are_refused(tmp_path):
    path = tmp_path / "numbers.tif"
    Image.fromarray(np.ones((4, 4), np.float32)).save(path)
    with pytest.raises(SlideError, match="32-bit pixels have no known white"):
        open_slide(path, 0.5)


def test_a_stack_of_pictures_is_refused(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((3, 32, 32, 3), np.uint8), photometric="rgb")
    with pytest.raises(SlideError, match="holds several pictures"):
        open_slide(path, 0.5)
