"""Trainers get a picture's pixels as the main job does, whatever its kind; only `slide` decodes files."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from glomspike.errors import SlideError
from glomspike.learn.samples import Sample
from glomspike.learn.truth import load_picture
from glomspike.slide.mask import read_mask
from glomspike.slide.reader import open_slide

ORIENTATION = 0x0112
ROOT = Path(__file__).parents[1]
# Flat blocks of JPEG's size in different colours: each turn shows, and compression leaves them as they are.
COLOURS = [[[200, 40, 40], [40, 160, 40], [60, 60, 180]], [[230, 230, 230], [20, 20, 20], [180, 90, 160]]]
BLOCKS = np.kron(np.array(COLOURS, np.uint8), np.ones((16, 16, 1), np.uint8))
GREY16 = np.array([[0, 32_768, 65_535], [257, 300, 12_345]], np.uint16)


def for_the_main_job(path):
    with open_slide(path, 0.25) as slide:
        return slide.read(0, 0, slide.facts.width0, slide.facts.height0, 0.25)


def for_trainers(path, mpp=0.25):
    return load_picture(Sample(path.parent / "t.csv", path, mpp, None, None, None, "p", "train")).pixels


def turned_by_exif(path, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(BLOCKS).save(
        path, exif=exif, **({"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {})
    )
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_picture_is_as_stored_whatever_turn_exif_asks_for(tmp_path, suffix, orientation):
    path = turned_by_exif(tmp_path / f"a{suffix}", orientation)
    shown = for_the_main_job(path)
    assert shown.shape == BLOCKS.shape
    assert np.abs(shown.astype(int) - BLOCKS).max() <= (6 if suffix == ".jpg" else 0)
    assert np.array_equal(for_trainers(path), shown)


def picture(kind, path):
    """A file of this kind, and what of it is seen on white."""
    pixels = Image.fromarray(BLOCKS)
    match kind:
        case "alpha":
            clear = np.dstack([BLOCKS, np.full(BLOCKS.shape[:2], 255, np.uint8)])
            clear[:16, :16, 3], clear[16:, :16, 3] = 0, 128
            Image.fromarray(clear).save(path)
            expected = BLOCKS.copy()
            expected[:16, :16], expected[16:, :16] = 255, (230 * 128 + 255 * 127) // 255
            return expected
        case "grey":
            pixels.convert("L").save(path)
            return np.asarray(pixels.convert("L").convert("RGB"))
        case "grey with alpha":
            Image.fromarray(np.array([[[10, 255], [10, 0]]], np.uint8)).save(path)
            return np.array([[[10] * 3, [255] * 3]])
        case "16 bit":
            Image.fromarray(GREY16).save(path)
            return np.dstack([np.rint(GREY16 / 257)] * 3)
        case "16 bit colour":
            # 0 and the full range; Pillow keeps the high byte of what is between.
            wide = np.dstack([GREY16, GREY16[::-1], GREY16[:, ::-1]])
            cv2.imwrite(str(path), wide[..., ::-1])
            return wide / 257
        case "CMYK":
            pixels.convert("CMYK").save(path)
            return BLOCKS
        case _:
            pixels.convert("P", palette=Image.Palette.ADAPTIVE).save(path)
            return BLOCKS


KINDS = [
    *[(kind, ".png") for kind in ("alpha", "grey", "grey with alpha", "16 bit", "16 bit colour", "palette")],
    *[(kind, ".tif") for kind in ("alpha", "grey", "16 bit", "CMYK", "palette")],
    *[(kind, ".jpg") for kind in ("grey", "CMYK")],
]


@pytest.mark.parametrize(("kind", "suffix"), KINDS)
def test_every_kind_of_picture_is_the_same_for_trainers_and_the_main_job(tmp_path, kind, suffix):
    path = tmp_path / f"a{suffix}"
    expected = picture(kind, path)
    shown = for_the_main_job(path)
    assert np.abs(shown.astype(float) - expected).max() <= (8 if suffix == ".jpg" else 1)
    assert np.array_equal(for_trainers(path), shown)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_without_a_scale_is_read_all_the_same(tmp_path, suffix):
    path = turned_by_exif(tmp_path / f"a{suffix}", 6)
    assert np.array_equal(for_trainers(path, mpp=None), BLOCKS)


MARKED = np.array([[True, False, False], [False, False, True]])


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "RGB", "RGBA", "LA"])
def test_what_is_neither_black_nor_transparent_is_marked(tmp_path, mode):
    path = tmp_path / "m.png"
    match mode:
        case "I;16":
            Image.fromarray(MARKED.astype(np.uint16)).save(path)
        case "P":
            indices = Image.fromarray(MARKED.astype(np.uint8), "L").convert("P")
            indices.putpalette([0, 0, 0, 255, 0, 0])
            indices.save(path)
        case "RGBA" | "LA":
            white = Image.new(mode, (3, 2), "white")
            white.putalpha(Image.fromarray(MARKED.astype(np.uint8) * 255))
            white.save(path)
        case _:
            Image.fromarray(MARKED.astype(np.uint8)).point([0, *[255] * 255]).convert(mode).save(path)
    assert np.array_equal(read_mask(path), MARKED)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bits_are_as_stored(tmp_path, orientation):
    path = tmp_path / "a.tif"
    tag = (ORIENTATION, "H", 1, orientation, True)
    tifffile.imwrite(path, GREY16, photometric="minisblack", extratags=[tag])
    assert np.array_equal(for_trainers(path)[..., 0], np.rint(GREY16 / 257))


def test_a_tiff_mask_that_pillow_would_turn_is_refused(tmp_path):
    path = tmp_path / "m.tif"
    for orientation in (1, 6):
        tag = (ORIENTATION, "H", 1, orientation, True)
        tifffile.imwrite(path, MARKED.astype(np.uint8) * 255, photometric="minisblack", extratags=[tag])
        if orientation == 1:
            assert np.array_equal(read_mask(path), MARKED)
    with pytest.raises(SlideError, match=r"m\.tif: holds several pictures, or a turned one; save .* as PNG"):
        read_mask(path)


DECODING = re.compile(r"\b(?:imread|imdecode|Image\.open|imread_v2|OpenSlide\()")
EXCEPTIONS = {
    "glomspike/learn/augmentation.py": "compresses pixels as JPEG in memory, and takes them back",
    "benchmarks/quality/phantom_likeness.py": "the same, as a scanner would",
    "glomspike/doctor.py": "tries whether OpenSlide works, on a file that it made",
    "benchmarks/reliability/second_reader.py": "compares OpenSlide with another reader",
    "benchmarks/speed/trace.py": "measures OpenSlide alone",
}


def test_image_files_are_decoded_in_slide_alone():
    folders = [ROOT / name for name in ("glomspike", "datasets", "benchmarks")]
    files = [path for folder in folders for path in folder.rglob("*.py") if path.parent.name != "slide"]
    decoding = [path for path in files if DECODING.search(path.read_text("utf-8"))]
    assert {path.relative_to(ROOT).as_posix() for path in decoding} == EXCEPTIONS.keys()
