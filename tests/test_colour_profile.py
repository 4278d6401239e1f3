"""Colours of slides that carry an ICC profile: sRGB, whatever the file and whoever reads it."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from benchmarks.quality.icc_profiles import SCANNERS, colour_changes, profile
from benchmarks.reliability.containers import new_series, write_dicom, write_tiff
from glomspike.slide.reader import open_slide, read_picture

SCANNER = SCANNERS[1]
TRUE = np.kron(
    np.random.default_rng(0).integers(0, 256, (8, 10, 3), np.uint8), np.ones((32, 32, 1), np.uint8)
)
STORED = colour_changes(SCANNER)[0](TRUE)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def svs(path, icc):
    said = "Aperio Image Library v12.0.0\n320x256|AppMag = 40|MPP = 0.25"
    return write_tiff(path / "a.svs", [STORED], compression="zlib", description=said, iccprofile=icc)


def tiled(path, icc):
    return write_tiff(path / "a.tif", [STORED], compression="zlib", iccprofile=icc)


def strips(path, icc):
    return write_tiff(path / "a.tif", [STORED], compression="zlib", tile_px=None, iccprofile=icc)


def png(path, icc):
    Image.fromarray(STORED).save(path / "a.png", icc_profile=icc)
    return path / "a.png"


def dicom(path, icc):
    series = new_series(syntax="uncompressed", icc_profile=icc)
    return write_dicom(path, "a", [STORED], (1,), series)[0]


CONTAINERS = pytest.mark.parametrize("write", [svs, tiled, strips, png, dicom])


def read(path):
    with open_slide(path, 0.25) as slide:
        return slide.read(0, 0, 320, 256, 0.25), slide.notes


@CONTAINERS
def test_colours_are_those_that_the_scanner_saw(tmp_path, write):
    pixels, notes = read(write(tmp_path, profile(SCANNER)))
    assert np.abs(pixels.astype(int) - TRUE).mean() < 0.5
    assert np.abs(STORED.astype(int) - TRUE).mean() > 20
    assert notes == ()


@CONTAINERS
def test_a_profile_of_srgb_changes_nothing(tmp_path, write):
    assert np.array_equal(read(write(tmp_path, SRGB))[0], STORED)


@CONTAINERS
def test_a_profile_that_is_none_is_said(tmp_path, write):
    pixels, notes = read(write(tmp_path, b"no profile at all" * 20))
    assert np.array_equal(pixels, STORED)
    assert notes == ("its colour profile cannot be used, and colours are as stored",)


def test_training_pictures_have_the_colours_of_slides(tmp_path):
    for write in (png, strips):
        path = write(tmp_path, profile(SCANNER))
        assert np.array_equal(read_picture(path), read(path)[0])


def test_grey_with_a_profile_of_grey_stays_as_it_is(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STORED[..., 0], photometric="minisblack", iccprofile=b"of grey" * 30)
    assert np.array_equal(read(path)[0][..., 0], STORED[..., 0])
    assert read(path)[1] == ()


def test_white_stays_white_and_what_is_outside_too(tmp_path):
    white = np.full((100, 100, 3), 255, np.uint8)
    path = write_tiff(tmp_path / "a.tif", [white], compression="zlib", iccprofile=profile(SCANNER))
    with open_slide(path) as slide:
        assert (slide.read(-50, -50, 300, 300, 0.25) == 255).all()
