"""Plain pictures as slides: any usual kind becomes RGB on white, anything else is refused with a reason."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from glomspike.errors import SlideError, UnreadableRegion
from glomspike.findings import Mpp
from glomspike.slide.reader import open_slide, read_picture

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


def test_a_slide_is_not_read_whole_as_a_picture(tmp_path, monkeypatch):
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, np.zeros((300, 300, 3), np.uint8), tile=(64, 64), photometric="rgb")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    with pytest.raises(SlideError, match="has too many pixels for a picture, 300 x 300"):
        read_picture(path)


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


def tiff_pixels(path, picture, **options):
    tifffile.imwrite(path, picture, metadata=None, **options)
    with open_slide(path, 0.5) as slide:
        return slide.read(0, 0, 2, 2, 0.5), slide.notes


TILED = {"tile": (16, 16)}


@pytest.mark.parametrize("layout", [{}, TILED])
def test_a_tiff_of_grey_that_counts_from_white_is_turned_over(tmp_path, layout):
    grey = np.array([[0, 255], [100, 30]], np.uint8)
    pixels, notes = tiff_pixels(tmp_path / "a.tif", grey, photometric="miniswhite", **layout)
    assert np.array_equal(pixels[..., 0], 255 - grey)
    assert notes == ()


@pytest.mark.parametrize("layout", [{}, TILED])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_values_of_fewer_bits_than_they_have_room_for_are_scaled_by_these(tmp_path, layout, bits):
    values = np.rint(COLOURS / 255 * (2**bits - 1)).astype(np.uint16)
    pixels, notes = tiff_pixels(tmp_path / "a.tif", values, photometric="rgb", **layout)
    assert np.array_equal(pixels, COLOURS)
    assert notes == (f"16-bit values use only {bits} bits, and are shown on that scale",)


def test_a_file_that_says_how_high_its_values_go_is_believed(tmp_path):
    values = np.full((2, 2, 3), 2000, np.uint16)
    largest = [(281, "H", 3, (4095, 4095, 4095), True)]
    pixels, _ = tiff_pixels(tmp_path / "a.tif", values, photometric="rgb", extratags=largest)
    assert (pixels == round(2000 / 4095 * 255)).all()


@pytest.mark.parametrize("layout", [{}, TILED])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_tiff_that_wants_to_be_turned_is_read_as_stored_and_says_so(tmp_path, layout, orientation):
    tag = [(274, "H", 1, orientation, True)]
    pixels, notes = tiff_pixels(tmp_path / "a.tif", COLOURS, photometric="rgb", extratags=tag, **layout)
    assert np.array_equal(pixels, COLOURS)
    assert f"TIFF orientation {orientation}" in notes[0]


def test_inks_of_a_tiff_become_rgb(tmp_path):
    inks = np.dstack([255 - COLOURS, np.zeros((2, 2), np.uint8)])
    assert np.array_equal(tiff_pixels(tmp_path / "a.tif", inks, photometric="separated")[0], COLOURS)


@pytest.mark.parametrize(("alpha", "shown"), [("unassalpha", 77), ("assocalpha", 227)])
def test_what_shines_through_a_tiff_is_white(tmp_path, alpha, shown):
    half = np.full((2, 2, 4), (0, 0, 0, 178), np.uint8)
    half[..., :3] = 0 if alpha == "unassalpha" else 150
    pixels, _ = tiff_pixels(tmp_path / "a.tif", half, photometric="rgb", extrasamples=[alpha])
    assert (pixels == shown).all()


def test_a_tiff_cut_short_is_refused(tmp_path):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, np.zeros((640, 640, 3), np.uint8), photometric="rgb")
    path.write_bytes(path.read_bytes()[:900_000])
    with pytest.raises(SlideError, match=r"cut\.tif: ends before its pixels do; copy the slide again"):
        open_slide(path, 0.5)


@pytest.mark.parametrize(
    ("unit", "per_pixel"), [("nm", 250), ("um", 0.25), ("\\u00B5m", 0.25), ("mm", 2.5e-4)]
)
def test_imagejs_pixel_sizes_are_read(tmp_path, unit, per_pixel):
    path = tmp_path / "a.tif"
    resolution = (1 / per_pixel, 1 / per_pixel)
    tifffile.imwrite(path, COLOURS, imagej=True, resolution=resolution, metadata={"unit": unit})
    with open_slide(path) as slide:
        assert slide.facts.mpp.mean == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("layout", [{}, TILED])
@pytest.mark.parametrize(("unit", "size"), [("nm", 250), ("µm", 0.25), ("mm", 2.5e-4), (None, 0.25)])
def test_omes_pixel_sizes_are_read(tmp_path, layout, unit, size):
    path = tmp_path / "a.ome.tif"
    said = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeY": size}
    said |= {} if unit is None else {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(path, COLOURS, photometric="rgb", metadata=said, **layout)
    with open_slide(path) as slide:
        assert slide.facts.mpp.mean == pytest.approx(0.25)
        assert slide.facts.vendor == "ome-tiff"


def test_pixels_counted_in_pixels_have_no_scale(tmp_path):
    path = tmp_path / "a.ome.tif"
    said = {"axes": "YXS", "PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}
    tifffile.imwrite(path, COLOURS, photometric="rgb", metadata=said)
    with pytest.raises(SlideError, match="has no µm/px"):
        open_slide(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("picture", [COLOURS, COLOURS[..., 1]], ids=["colour", "grey"])
def test_a_cameras_twelve_bits_in_sixteen_are_not_black(tmp_path, picture, suffix):
    path = tmp_path / f"field{suffix}"
    values = np.rint(picture / 255 * 4095).astype(np.uint16)
    if suffix == ".png":
        cv2.imwrite(str(path), values[..., ::-1] if values.ndim == 3 else values)
    else:
        tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else "minisblack")
    with open_slide(path, 0.5) as slide:
        shown = picture if picture.ndim == 3 else np.dstack([picture] * 3)
        assert np.array_equal(slide.read(0, 0, 2, 2, 0.5), shown)
        assert slide.notes == ("16-bit values use only 12 bits, and are shown on that scale",)


@pytest.mark.parametrize("lost", [(0,), (0, 1, 2)])
def test_tiles_that_are_damaged_do_not_keep_sixteen_bits_from_being_read(tmp_path, lost):
    path, values = tmp_path / "a.tif", np.full((64, 64, 3), 2000, np.uint16)
    tifffile.imwrite(path, values, photometric="rgb", tile=(32, 32), compression="deflate")
    with tifffile.TiffFile(path) as file:
        offsets = [file.pages[0].dataoffsets[tile] for tile in lost]
    content = bytearray(path.read_bytes())
    for offset in offsets:
        content[offset : offset + 4] = b"lost"
    path.write_bytes(content)
    with open_slide(path, 0.5) as slide:
        grey = round(2000 / 4095 * 255)
        assert np.abs(slide.read(40, 40, 20, 20, 0.5).astype(int) - grey).max() <= 1
        with pytest.raises(UnreadableRegion):
            slide.read(4, 4, 20, 20, 0.5)


def test_what_is_transparent_in_sixteen_bits_is_white(tmp_path):
    clear = np.dstack([COLOURS.astype(np.uint16) * 257, np.array([[0, 0], [32_896, 65_535]], np.uint16)])
    cv2.imwrite(str(tmp_path / "field.png"), clear[..., [2, 1, 0, 3]])
    pixels = pixels_of(tmp_path / "field.png")
    assert (pixels[0] == 255).all()
    assert np.abs(pixels[1, 0].astype(int) - 127).max() <= 1
    assert np.array_equal(pixels[1, 1], COLOURS[1, 1])


def test_a_file_that_says_its_values_are_lower_than_they_are_is_not_believed(tmp_path):
    values = COLOURS.astype(np.uint16) * 257
    said = [(281, "H", 3, (255, 255, 255), True)]
    pixels, notes = tiff_pixels(tmp_path / "a.tif", values, photometric="rgb", extratags=said)
    assert np.array_equal(pixels, COLOURS)
    assert notes == ()
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values, photometric="rgb", metadata={"axes": "YXS", "SignificantBits": 8})
    assert np.array_equal(pixels_of(path), COLOURS)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_that_wants_to_be_turned_is_read_as_stored_and_says_so(tmp_path, suffix):
    path, exif = tmp_path / f"field{suffix}", Image.Exif()
    exif[274] = 6
    Image.new("RGB", (30, 20)).save(path, exif=exif)
    with open_slide(path, 0.5) as slide:
        assert (slide.facts.width0, slide.facts.height0) == (30, 20)
        assert "tagged to be shown turned (EXIF orientation 6)" in slide.notes[0]


def test_pixels_that_are_not_square_are_said_and_a_scale_that_is_typed_makes_them_so(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOURS, photometric="rgb", resolution=(40_000, 20_000), resolutionunit=3)
    with open_slide(path) as slide:
        assert slide.facts.mpp == Mpp(pytest.approx(0.25), pytest.approx(0.5))
        assert "0.25 x 0.5 µm large, as the file says" in slide.notes[0]
    with open_slide(path, 0.25) as slide:
        assert "taken to be" not in " ".join(slide.notes)


@pytest.mark.parametrize(("mpp", "is_odd"), [(0.25, False), (2.5, True)])
def test_a_slide_longer_than_any_glass_has_another_scale(tmp_path, mpp, is_odd):
    Image.new("L", (50_000, 2)).save(tmp_path / "long.png")
    with open_slide(tmp_path / "long.png", mpp) as slide:
        assert ("the slide would be 125 mm long: check its µm/px" in " ".join(slide.notes)) == is_odd


def test_a_pixel_size_that_is_no_number_is_none(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, COLOURS, photometric="rgb", metadata={"axes": "YXS", "PhysicalSizeX": 0.25})
    with tifffile.TiffFile(path) as file:
        xml = file.pages.first.description
    tifffile.tiffcomment(path, xml.replace('PhysicalSizeX="0.25"', 'PhysicalSizeX="0,25"').encode())
    with pytest.raises(SlideError, match="has no µm/px; give it with --mpp"):
        open_slide(path)
    with open_slide(path, 0.25) as slide:
        assert slide.facts.mpp.mean == 0.25
