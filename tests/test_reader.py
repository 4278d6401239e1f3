"""Slides: opened or refused with a reason, and read where and at the scale one asked for."""

import os
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from openslide import OpenSlide
from outside import outside
from PIL import Image
from pyramids import (
    PERIOD0,
    break_tiles,
    empty_tile,
    scanned_slide,
    shrunk,
    waves,
    write_aperio,
)

from benchmarks.reliability.containers import write_sparse_tiff, write_tiff
from glomspike.errors import SlideError, UnreadableRegion
from glomspike.findings import Mpp
from glomspike.slide import reader, scan
from glomspike.slide.reader import open_slide
from glomspike.slide.source import Bounds

WIDTH0, HEIGHT0 = 1403, 1101  # odd, so that levels of 4 and 16 are not quite a fourth and a sixteenth


@pytest.fixture(scope="module")
def waved(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "waves.svs"
    with open_slide(write_aperio(path, waves(WIDTH0, HEIGHT0), (4, 16))) as slide:
        yield slide


def save(picture, path):
    Image.fromarray(picture).save(path)
    return path


def shift0(pixels, x0, y0, scale_x0, scale_y0):
    """How far, in level-0 pixels, a picture of the waves is off its place along x and y."""
    x0 = x0 + (np.arange(pixels.shape[1]) + 0.5) * scale_x0
    y0 = y0 + (np.arange(pixels.shape[0]) + 0.5) * scale_y0
    return shift_along0(pixels[..., 0].mean(axis=0), x0), shift_along0(pixels[..., 1].mean(axis=1), y0)


def shift_along0(profile, along0):
    phase = 2 * np.pi * along0 / PERIOD0
    # Averaging pixels flattens a wave but does not move it, so both are fitted.
    parts = np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], axis=1)
    sine, cosine, _ = np.linalg.lstsq(parts, profile, rcond=None)[0]
    return -np.arctan2(cosine, sine) * PERIOD0 / (2 * np.pi)


def test_facts_of_an_aperio_slide(waved):
    facts = waved.facts
    assert (facts.name, facts.vendor, facts.width0, facts.height0) == ("waves.svs", "aperio", WIDTH0, HEIGHT0)
    assert facts.mpp == Mpp(0.25, 0.25)
    assert (facts.bounds_x0, facts.bounds_y0) == (0, 0)
    assert (facts.bounds_width0, facts.bounds_height0) == (WIDTH0, HEIGHT0)
    assert waved.level_mpps == (0.25, 1.0, 4.0)


def test_a_whole_level_is_read_as_it_is_stored(waved):
    picture = waves(WIDTH0, HEIGHT0)
    assert np.array_equal(waved.read(30, 70, 200, 100, 0.25), picture[70:170, 30:230])
    level1 = waved.read(0, 0, 1400, 1100, 1.0).astype(int)
    # OpenSlide interpolates by a fraction of a pixel where level sizes don't divide: a grey level at most.
    assert np.abs(level1 - shrunk(picture, 4)).max() <= 1


@settings(max_examples=40, deadline=None)
@given(x0=st.floats(40, 400), y0=st.floats(40, 100), mpp=st.floats(0.15, 4.5))
def test_every_scale_shows_the_same_place(waved, x0, y0, mpp):
    pixels = waved.read(x0, y0, 900, 900, mpp)
    assert pixels.shape[:2] == (round(900 * 0.25 / mpp), round(900 * 0.25 / mpp))
    scale0 = mpp / 0.25
    assert max(np.abs(shift0(pixels, x0, y0, scale0, scale0))) < 0.05 * max(1.0, scale0)


def test_axes_of_different_scale_become_square_pixels(tmp_path):
    path = save(waves(800, 600), tmp_path / "waves.png")
    with scanned_slide(path, Mpp(0.25, 0.5)) as slide:
        pixels = slide.read(60.5, 80.25, 640, 400, 1.0)
    assert pixels.shape == (200, 160, 3)
    assert max(np.abs(shift0(pixels, 60.5, 80.25, 4.0, 2.0))) < 0.1


def test_a_read_in_pieces_has_no_seams(waved, monkeypatch):
    whole = waved.read(10.3, 20.7, 1300, 1000, 0.7)
    monkeypatch.setattr(reader, "BLOCK_PX", 128)
    pieces = waved.read(10.3, 20.7, 1300, 1000, 0.7)
    assert np.abs(whole.astype(int) - pieces).max() <= 1


def test_detail_too_fine_for_the_scale_becomes_grey(tmp_path):
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    with open_slide(write_aperio(tmp_path / "stripes.svs", stripes)) as slide:
        assert np.abs(slide.read(50, 50, 300, 300, 1.7).astype(int) - 100).max() <= 3


def test_outside_the_slide_is_white(waved):
    pixels = waved.read(-50, -50, 100, 100, 0.25)
    assert (pixels[:50] == 255).all()
    assert (pixels[:, :50] == 255).all()
    assert np.array_equal(pixels[50:, 50:], waves(WIDTH0, HEIGHT0)[:50, :50])
    assert (waved.read(WIDTH0 + 500, -900, 64, 64, 1.0) == 255).all()


def test_a_region_of_next_to_nothing_is_one_pixel(waved):
    assert waved.read(10, 10, 0.1, 0.1, 0.25).shape == (1, 1, 3)


def test_many_threads_read_the_same_as_one(waved):
    corners0 = [(x0, y0) for x0 in (0, 333) for y0 in (5, 444)]
    regions = [(*corner0, 150, 150, mpp) for corner0 in corners0 for mpp in (0.25, 0.9)]
    alone = [waved.read(*region) for region in regions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda region: waved.read(*region), regions * 8))
    assert all(np.array_equal(together[i], alone[i % len(alone)]) for i in range(len(together)))


def test_damage_is_said_and_harms_no_other_read(tmp_path):
    path = write_aperio(tmp_path / "damaged.svs", waves(512, 512), compression="jpeg")
    with open_slide(path) as slide:
        sound = slide.read(300, 300, 128, 128, 0.25)
    break_tiles(path, page=0, tiles=[0])
    with open_slide(path) as slide, ThreadPoolExecutor(4) as pool:
        with pytest.raises(UnreadableRegion, match=r"damaged\.svs: cannot be decoded"):
            slide.read(0, 0, 64, 64, 0.25)
        corners = [0, 300] * 20
        reads = [pool.submit(slide.read, corner, corner, 128, 128, 0.25) for corner in corners]
        for corner, read in zip(corners, reads, strict=True):
            if corner == 0:
                assert isinstance(read.exception(), UnreadableRegion)
            else:
                assert np.array_equal(read.result(), sound)


def test_a_tile_of_length_zero_is_damage_and_not_white_glass(tmp_path):
    path = write_aperio(tmp_path / "gap.svs", waves(300, 300))
    empty_tile(path, page=0, tile=6)  # in a row of five, 64 pixels each
    with open_slide(path) as slide:
        with pytest.raises(UnreadableRegion, match="length zero"):
            slide.read(0, 0, 300, 300, 0.25)
        assert slide.read(0, 0, 60, 60, 0.25).min() < 200
        assert slide.read(200, 200, 150, 150, 0.25).shape == (150, 150, 3)


def test_after_damage_a_slide_is_opened_once_more_and_not_for_every_read(tmp_path, monkeypatch):
    path = write_aperio(tmp_path / "damaged.svs", waves(512, 512), compression="jpeg")
    break_tiles(path, page=0, tiles=[0])
    opened = []

    class CountingOpenSlide(OpenSlide):
        def __init__(self, path):
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(scan.openslide, "OpenSlide", CountingOpenSlide)
    with open_slide(path) as slide:
        with pytest.raises(UnreadableRegion):
            slide.read(0, 0, 64, 64, 0.25)
        before = len(opened)
        for _ in range(5):
            slide.read(300, 300, 64, 64, 0.25)
    assert len(opened) == before + 1


def test_a_thumbnail_shows_the_bounds(tmp_path):
    path = save(waves(900, 700), tmp_path / "waves.png")
    with scanned_slide(path, Mpp(0.25, 0.25), Bounds(100, 50, 600, 400)) as slide:
        pixels, frame = slide.thumbnail(300)
    assert pixels.shape == (200, 300, 3)
    assert (frame.corner_x0, frame.corner_y0) == (100, 50)
    assert max(np.abs(shift0(pixels, 100, 50, frame.scale_x0, frame.scale_y0))) < 0.1


def test_a_thumbnail_is_never_larger_than_the_slide(tmp_path):
    with open_slide(write_aperio(tmp_path / "small.svs", waves(300, 200))) as slide:
        pixels, frame = slide.thumbnail(2000)
    assert pixels.shape == (200, 300, 3)
    assert (frame.scale_x0, frame.scale_y0) == (1, 1)


def test_a_slide_without_scale_needs_the_option(tmp_path):
    path = write_aperio(tmp_path / "scaleless.svs", waves(200, 200), mpp=None)
    with pytest.raises(SlideError, match=r"scaleless\.svs: has no µm/px; give it with --mpp"):
        open_slide(path)
    with open_slide(path, 0.5) as slide:
        assert slide.facts.mpp == Mpp(0.5, 0.5)


def test_what_is_typed_goes_before_what_the_file_says_and_a_note_names_both(waved):
    with open_slide(waved.path, 0.5) as slide:
        assert (slide.facts.mpp, slide.facts.file_mpp) == (Mpp(0.5, 0.5), Mpp(0.25, 0.25))
        assert slide.notes == ("0.5 µm/px is used as given, although the slide records 0.25 µm/px",)
        assert slide.level_mpps == (0.5, 2.0, 8.0)


@pytest.mark.parametrize("mpp", [None, 0.25, 0.252])
def test_a_rounding_of_what_the_file_says_needs_no_note(waved, mpp):
    with open_slide(waved.path, mpp) as slide:
        assert slide.facts.mpp.x == (mpp or 0.25)
        assert slide.notes == ()


@pytest.mark.parametrize("mpp", [0.0, 0.049, 5.1, 25.0, -1.0, float("nan"), float("inf")])
def test_an_absurd_option_is_refused(waved, mpp):
    with pytest.raises(SlideError, match=r"outside 0\.05 to 5 µm/px"):
        open_slide(waved.path, mpp)


def test_an_absurd_scale_of_the_slides_own_is_refused_or_replaced(tmp_path):
    path = write_aperio(tmp_path / "absurd.svs", waves(200, 200), mpp=25)
    with pytest.raises(SlideError, match=r"says 25 x 25 µm/px, .*--mpp"):
        open_slide(path)
    with open_slide(path, 0.25) as slide:
        assert slide.facts.mpp == Mpp(0.25, 0.25)


def test_a_path_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("GLOMSPIKE_CONTAINER", raising=False)
    with pytest.raises(SlideError, match=r"gone\.svs: does not exist"):
        open_slide(tmp_path / "gone.svs")


def test_a_path_that_is_not_in_the_container_says_how_to_mount_it(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOMSPIKE_CONTAINER", "1")
    folder = tmp_path / "my slides"
    with pytest.raises(SlideError, match=r"not mounted.*-v '.*my slides':'.*my slides' to docker run"):
        open_slide(folder / "gone.svs")


def test_a_folder_is_not_a_slide(tmp_path):
    with pytest.raises(SlideError, match="is a folder"):
        open_slide(tmp_path)


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.svs").touch()
    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(SlideError, match="may not be read by this user"):
        open_slide(tmp_path / "secret.svs")


@pytest.mark.parametrize("content", [b"", b"not a slide", b"II*\0" + b"\0" * 900])
def test_what_is_no_slide_is_refused(tmp_path, content):
    path = tmp_path / "letter.svs"
    path.write_bytes(content)
    with pytest.raises(SlideError, match=r"letter\.svs: is neither a slide"):
        open_slide(path, 0.25)


def test_a_slide_cut_short_is_refused_or_unreadable(tmp_path):
    whole = write_aperio(tmp_path / "whole.svs", waves(512, 512), (4,), compression="jpeg").read_bytes()
    path = tmp_path / "short.svs"
    for part in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(SlideError), open_slide(path) as slide:
            slide.read(0, 0, 512, 512, 0.25)


def test_real_slides_open_or_say_why_not():
    folder = outside("slides")
    with open_slide(folder / "cmu-1-small-region.svs") as slide:
        assert slide.facts.mpp == Mpp(0.499, 0.499)
        assert slide.read(900, 1200, 256, 256, 0.499).std() > 5
    with open_slide(folder / "hamamatsu-fluorescence.ndpi") as slide:
        assert slide.facts.vendor == "hamamatsu"
        assert slide.thumbnail(400)[0].shape == (400, 326, 3)
    with pytest.raises(SlideError, match="has no µm/px"):
        open_slide(folder / "tcga-cr-7395-01a-01-ts1.svs")
    with pytest.raises(SlideError, match="is neither a slide"):
        open_slide(folder / "broken.svs")


def test_levels_of_a_real_slide_lie_on_each_other():
    """Its sizes are odd: were OpenSlide's downsample of 2.0005 true, the far side would move by a pixel."""
    with open_slide(outside("slides/tcga-cr-7395-01a-01-ts1.svs"), 0.25) as slide:
        fine = slide.read(3500, 2500, 800, 800, 0.25).mean(axis=2)
        coarse = slide.read(3500, 2500, 800, 800, 0.5).mean(axis=2)
    averaged = fine.reshape(400, 2, 400, 2).mean(axis=(1, 3))
    slope_y, slope_x = np.gradient(averaged)
    slopes = np.stack([slope_x.ravel(), slope_y.ravel()], axis=1)
    shift_px = np.linalg.lstsq(slopes, (averaged - coarse).ravel(), rcond=None)[0]
    assert np.abs(shift_px).max() < 0.1


def test_a_tile_of_length_zero_in_plain_tiff_is_damage_too(tmp_path):
    path = tmp_path / "gap.tif"
    tifffile.imwrite(
        path, waves(300, 300), tile=(64, 64), compression="zlib", photometric="rgb", metadata=None
    )
    empty_tile(path, page=0, tile=6)
    with open_slide(path, 0.25) as slide:
        with pytest.raises(UnreadableRegion, match="length zero"):
            slide.read(0, 0, 300, 300, 0.25)
        assert slide.read(0, 0, 60, 60, 0.25).min() < 200


def test_tiles_that_a_plain_tiff_omits_are_empty_glass_and_a_note_says_so(tmp_path):
    picture = waves(600, 600)
    with open_slide(write_sparse_tiff(tmp_path / "sparse.tif", picture, {0, 4})) as slide:
        assert slide.notes == (
            "22 % of its tiles are not in the file, and count as the empty glass that programs omit",
        )
        pixels = slide.read(0, 0, 600, 600, 0.25)
    truth = picture.copy()
    truth[:256, :256] = truth[256:512, 256:512] = 255
    assert np.array_equal(pixels, truth)


def test_a_table_of_tiles_that_is_too_short_is_damage(tmp_path):
    path = write_tiff(tmp_path / "short.tif", [waves(600, 600)], compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        tags = [tiff.pages[0].tags[name] for name in ("TileOffsets", "TileByteCounts")]
        entries = [tag.offset for tag in tags]
        assert tiff.byteorder == "<"
        assert not tiff.is_bigtiff
        few = tags[0].count - 3
    with path.open("r+b") as file:
        for entry in entries:
            file.seek(entry + 4)
            file.write(struct.pack("<I", few))
    with open_slide(path) as slide:
        assert slide.read(0, 0, 200, 200, 0.25).min() < 200
        with pytest.raises(UnreadableRegion):
            slide.read(0, 0, 600, 600, 0.25)


def test_a_level_that_omits_what_the_finest_has_is_not_used(tmp_path):
    picture = waves(1024, 1024)
    path = write_tiff(tmp_path / "a.tif", [picture, picture[::2, ::2].copy()], compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        tags = [tiff.pages[1].tags[name] for name in ("TileOffsets", "TileByteCounts")]
        places = [(tag.valueoffset, tag.valuebytecount // tag.count) for tag in tags]
    with path.open("r+b") as file:
        for place, size in places:
            file.seek(place)
            file.write(bytes(size))
    with open_slide(path) as slide:
        assert slide.level_mpps == pytest.approx([0.25])
        assert slide.read(0, 0, 1024, 1024, 0.5).mean() == pytest.approx(picture.mean(), abs=1)


def test_a_pipe_is_no_slide_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.svs")
    with pytest.raises(SlideError, match="is a pipe or device, not a file"):
        open_slide(tmp_path / "pipe.svs", 0.25)


def test_a_mirax_slide_without_its_folder_is_not_taken_for_the_small_picture_that_is_left(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "case.mrxs", "JPEG")
    with pytest.raises(SlideError, match=r"lacks the folder 'case' with its pixels.*; copy that folder too"):
        open_slide(tmp_path / "case.mrxs", 0.25)


@pytest.mark.parametrize("name", ["a.isyntax", "a.VSI", "a.kfb"])
def test_makers_formats_that_are_not_read_are_named(tmp_path, name):
    tifffile.imwrite(tmp_path / name, waves(64, 48))  # an Olympus file is a TIFF of the overview
    with pytest.raises(SlideError, match="which is not read; export it as DICOM or TIFF"):
        open_slide(tmp_path / name, 0.25)
