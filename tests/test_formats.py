"""Every container that docs/formats.md names, read or refused as the page says."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.reliability.containers import padded, shrunk, write_tiff
from benchmarks.reliability.formats import EXAMPLE, FACTORS, Case, example, table
from glomspike.cli import main
from glomspike.slide.light import is_dark_field
from glomspike.slide.reader import open_slide

PAGE = Path(__file__).parents[1] / "docs" / "formats.md"


def test_the_page_says_what_becomes_of_every_container(tmp_path):
    text, wrong = table(tmp_path)
    assert wrong == []
    assert text in PAGE.read_text(encoding="utf-8")


def test_what_is_misread_does_not_pass(tmp_path):
    def displaced(folder, picture):
        return write_tiff(folder / "slide.tif", [np.roll(picture, 3, axis=1)])

    text, wrong = table(tmp_path, (Case("TIFF", "displaced", displaced, "read"),))
    assert "misread: -3.0, 0.0 px off at 0.25 µm/px" in text.replace("-0.0", "0.0")
    assert len(wrong) == 1


@pytest.fixture(scope="module")
def tissue():
    return example()


def levels_of(path):
    with open_slide(path, 0.25) as slide:
        return [round(mpp / 0.25, 3) for mpp in slide.level_mpps], slide.notes


def test_levels_filled_up_to_whole_tiles_are_known_by_their_pixels(tmp_path, tissue):
    levels = [tissue, *(padded(shrunk(tissue, factor, "up")) for factor in FACTORS[1:])]
    assert levels_of(write_tiff(tmp_path / "a.tif", levels)) == ([1, 4, 16], ())


def test_what_fills_a_level_up_is_white(tmp_path, tissue):
    coarse = padded(shrunk(tissue, 4, "up"), shade=0)
    with open_slide(write_tiff(tmp_path / "a.tif", [tissue, coarse], compression="zlib")) as slide:
        beyond = slide.read(tissue.shape[1] + 8, 0, 40, 400, 1.0)
    assert (beyond == 255).all()


def test_a_level_of_a_scale_that_is_not_whole_is_used_where_it_shows_the_slide(tmp_path, tissue):
    size = round(tissue.shape[1] / 2.6), round(tissue.shape[0] / 2.6)
    level = cv2.resize(tissue, size, interpolation=cv2.INTER_AREA)
    scales, notes = levels_of(write_tiff(tmp_path / "a.tif", [tissue, level]))
    assert scales == pytest.approx([1, 2.6], abs=0.01)
    assert notes == ()


def test_another_picture_of_a_levels_shape_is_none(tmp_path, tissue):
    level = shrunk(tissue, 3)[::-1, ::-1]
    size = round(tissue.shape[1] / 2.6), round(tissue.shape[0] / 2.6)
    scales, notes = levels_of(write_tiff(tmp_path / "a.tif", [tissue, cv2.resize(level, size)]))
    assert scales == [1]
    assert f"{size[0]} x {size[1]} px" in notes[0]


def test_a_blank_slide_keeps_its_levels(tmp_path):
    blank = np.full((1000, 1300, 3), 240, np.uint8)
    levels = [blank, padded(blank[::4, ::4])]
    assert levels_of(write_tiff(tmp_path / "a.tif", levels)) == ([1, 4], ())


def test_a_level_0_that_is_damaged_does_not_keep_a_slide_from_opening(tmp_path, tissue):
    path = write_tiff(tmp_path / "a.tif", [tissue, padded(shrunk(tissue, 4, "up"))])
    content = bytearray(path.read_bytes())
    content[2_000:200_000:3] = bytes(len(content[2_000:200_000:3]))
    path.write_bytes(content)
    assert levels_of(path)[0][0] == 1


@pytest.mark.parametrize(("shade", "is_dark"), [(1, False), (-1, True)])
def test_a_slide_in_dark_field_is_noticed(tissue, shade, is_dark):
    small = cv2.resize(tissue[..., ::shade], (600, 400), interpolation=cv2.INTER_AREA)
    assert is_dark_field(255 - small if is_dark else small) == is_dark


@pytest.mark.slow
def test_glomeruli_of_a_slide_with_filled_up_levels_are_those_of_the_example(tmp_path):
    with open_slide(EXAMPLE) as slide:
        whole = slide.read(0, 0, slide.facts.width0, slide.facts.height0, 0.25)
    levels = [whole, *(padded(shrunk(whole, factor, "up")) for factor in FACTORS[1:])]
    write_tiff(tmp_path / "slide.tif", levels)
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "slide.tif"), str(tmp_path / "out"), "--device", "cpu"])
    assert end.value.code == 0
    with (tmp_path / "out" / "slide" / "glomeruli.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert sum(row["spiked"] == "1" for row in rows) == 3


def test_a_picture_that_is_nearly_black_all_over_is_noticed(tissue):
    assert is_dark_field(cv2.resize(tissue, (600, 400), interpolation=cv2.INTER_AREA) // 16)
