"""DICOM slides: files that belong together by their headers, whatever they are called."""

import numpy as np
import pytest

from benchmarks.reliability.containers import new_series, shrunk, write_dicom
from glomspike.batch.local_copy import local_copy
from glomspike.errors import SlideError
from glomspike.slide.dicom import PIXEL_DATA, slide_series
from glomspike.slide.find import find_slides
from glomspike.slide.fingerprint import companions, fingerprint
from glomspike.slide.reader import open_slide

FACTORS = (1, 4)


@pytest.fixture(scope="module")
def levels():
    picture = np.random.default_rng(0).integers(0, 255, (600, 700, 3), np.uint8)
    return [picture, shrunk(picture, 4)]


def write(folder, name, levels, factors=FACTORS, **options):
    return write_dicom(folder, name, levels, factors, new_series(**options))


@pytest.mark.parametrize("suffix", [".dcm", ".DCM", ""])
def test_companions_are_the_files_of_the_series_whatever_their_names(tmp_path, levels, suffix):
    first, second = write(tmp_path, "a", levels, suffix=suffix)
    write(tmp_path, "b", levels, suffix=".dcm")
    assert companions(first) == [second]
    assert companions(second) == [first]


def test_another_case_in_the_folder_changes_no_fingerprint(tmp_path, levels):
    path = write(tmp_path, "a", levels)[0]
    before = fingerprint(path)
    write(tmp_path, "b", levels)
    (tmp_path / "notes.txt").write_text("seen by AB")
    assert fingerprint(path) == before


def test_a_lost_or_added_level_changes_the_fingerprint(tmp_path, levels):
    path, coarse = write(tmp_path, "a", levels)
    before = fingerprint(path)
    coarse.unlink()
    assert fingerprint(path) != before


def test_a_flat_folder_holds_as_many_slides_as_series(tmp_path, levels):
    slides = tmp_path / "slides"
    for name, suffix in (("a", ".dcm"), ("b", ".DCM"), ("c", "")):
        write(slides, name, levels, suffix=suffix)
    assert [slide.name for slide in find_slides(slides, tmp_path / "out")] == ["a-0.dcm", "b-0.DCM", "c-0"]


@pytest.mark.filterwarnings("error")
def test_an_identifier_that_is_none_is_damage_and_said_once(tmp_path, levels):
    path = write(tmp_path / "slides", "a", levels[:1], factors=(1,))[0]
    content = path.read_bytes().replace(b"1.4.1.1.77.1.6", b"1.4.1.1.77\x11.6")
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.1000:.1.2.4.50"))
    assert [slide.path for slide in find_slides(tmp_path / "slides", tmp_path / "out")] == [path]


def test_no_slide_is_what_is_dicom_but_no_slide_image(tmp_path, levels):
    path, other = write(tmp_path, "a", levels)
    content = other.read_bytes()
    other.write_bytes(content.replace(b"5.1.4.1.1.77.1.6", b"5.1.4.1.1.77.1.5"))
    assert slide_series(path) is not None
    assert slide_series(other) is None


@pytest.mark.parametrize("length", [0, 100, 150, 400])
def test_a_damaged_header_belongs_to_no_series_and_is_not_passed_over(tmp_path, levels, length):
    path, other = write(tmp_path / "slides", "a", levels)
    other.unlink()
    path.write_bytes(path.read_bytes()[:length])
    assert slide_series(path) is None
    assert [slide.path for slide in find_slides(tmp_path / "slides", tmp_path / "out")] == [path]
    with pytest.raises(SlideError, match=r"was copied whole|copy the slide again"):
        open_slide(path)


def test_a_copy_on_a_fast_disk_has_all_levels_and_nothing_else(tmp_path, levels):
    path = write(tmp_path / "slides", "a", levels, suffix="")[1]
    write(tmp_path / "slides", "b", levels, suffix="")
    (tmp_path / "stage").mkdir()
    with local_copy(path, tmp_path / "stage") as near:
        assert {file.name for file in near.path.parent.iterdir()} == {"a-0", "a-1"}
        with open_slide(near.path) as slide:
            assert (slide.facts.width0, slide.facts.height0) == (700, 600)


def test_a_series_without_its_finest_level_is_refused(tmp_path, levels):
    finest, coarse = write(tmp_path, "a", levels)
    finest.unlink()
    with pytest.raises(SlideError, match="is a DICOM series without its finest level; copy all files"):
        open_slide(coarse)


@pytest.mark.parametrize("offset", [0, 0x7F00_0000])
def test_a_damaged_table_of_tiles_is_refused_and_does_not_crash(tmp_path, levels, offset):
    path = write(tmp_path, "a", levels)[0]
    content = bytearray(path.read_bytes())
    second = content.find(PIXEL_DATA) + len(PIXEL_DATA) + 4 + 4
    content[second : second + 4] = offset.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(SlideError, match=r"has a damaged table of tiles in a-0\.dcm; copy the slide again"):
        open_slide(path)


def test_tiles_that_are_to_be_placed_one_by_one_and_are_not_are_refused(tmp_path, levels):
    path = write(tmp_path, "a", levels)[0]
    path.write_bytes(path.read_bytes().replace(b"CS\x0a\0TILED_FULL", b"CS\x0c\0TILED_SPARSE"))
    with pytest.raises(SlideError, match="has a damaged table of tiles"):
        open_slide(path)
