"""Which slides a folder holds, and where their results go."""

from pathlib import Path

import numpy as np
import pytest
from pyramids import write_aperio

from glomspike.errors import SlideError
from glomspike.slide.find import find_slides


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    folder = tmp_path / "slides"
    folder.mkdir()
    return folder


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_aperio(path, np.full((128, 128, 3), 240, np.uint8))


def found(slides: Path, out: Path | None = None) -> dict[str, str]:
    return {slide.name: slide.folder for slide in find_slides(slides, out or slides.parent / "out")}


def test_slides_are_found_below_the_folder_and_their_tree_is_mirrored(slides: Path) -> None:
    for name in ("b.svs", "a/z.svs", "a/deep er/c.tif", "B.svs"):
        put(slides / name)
    assert found(slides) == {"B.svs": "B", "a/deep er/c.tif": "a/deep er/c", "a/z.svs": "a/z", "b.svs": "b"}
    assert list(found(slides)) == sorted(found(slides))


def test_hidden_files_sidecars_and_pictures_are_passed_over(slides: Path) -> None:
    put(slides / "a.svs")
    put(slides / ".a.svs")
    put(slides / ".trash" / "b.svs")
    for name in ("a.xml", "a.geojson", "samples.csv", "notes.txt", "label.jpg", "mask.tif"):
        (slides / name).write_bytes(b"not a slide")
    assert list(found(slides)) == ["a.svs"]


def test_a_slide_too_damaged_to_be_known_is_not_passed_over(slides: Path) -> None:
    (slides / "empty.svs").touch()
    (slides / "cut.NDPI").write_bytes(b"II*\0")
    assert list(found(slides)) == ["cut.NDPI", "empty.svs"]


def test_slides_of_one_stem_keep_their_suffix(slides: Path) -> None:
    for name in ("a.svs", "a.tif", "b.svs", "sub/a.svs"):
        put(slides / name)
    assert found(slides) == {"a.svs": "a.svs", "a.tif": "a.tif", "b.svs": "b", "sub/a.svs": "sub/a"}


def test_no_two_slides_share_a_folder_however_they_are_named(slides: Path) -> None:
    for name in ("a.svs", "a.tif", "a.svs.tif", "case.svs", "case/1.svs", "summary.csv.svs"):
        put(slides / name)
    folders = found(slides)
    assert len(set(folders.values())) == len(folders)
    assert folders["case.svs"] == "case.svs"
    assert folders["summary.csv.svs"] == "summary.csv.svs"


def test_out_within_the_folder_is_not_searched(slides: Path) -> None:
    put(slides / "a.svs")
    put(slides / "out" / "b.svs")
    assert list(found(slides, slides / "out")) == ["a.svs"]
    assert list(found(slides, slides)) == ["a.svs", "out/b.svs"]


def test_links_are_followed_but_not_in_circles(slides: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "a.svs")
    (slides / "link").symlink_to(tmp_path / "elsewhere")
    (slides / "link.svs").symlink_to(tmp_path / "elsewhere" / "a.svs")
    (tmp_path / "elsewhere" / "up").symlink_to(slides)
    assert list(found(slides)) == ["link.svs", "link/a.svs"]


def test_a_folder_without_slides_is_told(slides: Path) -> None:
    (slides / "notes.txt").touch()
    with pytest.raises(SlideError, match="holds no slide"):
        find_slides(slides, slides / "out")
