"""Which slides a folder holds, and where their results go."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyramids import write_aperio

from glomspike.errors import SlideError
from glomspike.slide.find import find_slides
from glomspike.slide.reader import open_slide


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


def test_hidden_files_and_sidecars_are_passed_over(slides: Path) -> None:
    put(slides / "a.svs")
    put(slides / ".a.svs")
    put(slides / ".trash" / "b.svs")
    for name in ("a.xml", "a.geojson", "samples.csv", "notes.txt"):
        (slides / name).write_bytes(b"not a slide")
    assert list(found(slides)) == ["a.svs"]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), "white").save(path)
    return path


def test_plain_pictures_are_found_too_and_slides_keep_their_names_beside_them(slides: Path) -> None:
    put(slides / "a.svs")
    for name in ("a.jpg", "b.png", "c.TIF", "c.jpeg", "deep/d.tiff"):
        picture(slides / name)
    assert found(slides) == {
        "a.jpg": "a.jpg", "a.svs": "a", "b.png": "b", "c.TIF": "c.TIF", "c.jpeg": "c.jpeg",
        "deep/d.tiff": "deep/d",
    }  # fmt: skip
    pictures = [slide.name for slide in find_slides(slides, slides / "out") if slide.is_picture]
    assert pictures == ["a.jpg", "b.png", "c.TIF", "c.jpeg", "deep/d.tiff"]


def test_pictures_that_a_slide_consists_of_are_no_slides(slides: Path) -> None:
    (slides / "a.vms").write_text("[Virtual Microscope Specimen]")
    for name in ("a.jpg", "a_map2.jpg", "a(1,0).jpg", "other.jpg"):
        picture(slides / name)
    assert list(found(slides)) == ["a.vms", "other.jpg"]


def test_folders_that_glomspike_wrote_are_passed_over_and_take_no_name(slides: Path) -> None:
    put(slides / "a.svs")
    picture(slides / "a" / "images" / "0001.png")
    (slides / "a" / "run.json").touch()
    picture(slides / "old" / "deep" / "b" / "overview.png")
    (slides / "old" / "deep" / "b" / "run.json").touch()
    for kind in ("images", "masks", "annotations"):
        picture(slides / "ours" / "a" / kind / "0001.png")
    (slides / "ours" / "a" / "fingerprint.txt").touch()
    assert found(slides) == {"a.svs": "a"}


def test_results_beside_the_slides_never_have_the_name_of_a_file(slides: Path) -> None:
    for name in ("a.svs", "a.tif", "b.svs", "c.svs", "deep/a.svs", "deep/a.tif"):
        put(slides / name)
    picture(slides / "b.jpg")
    (slides / "c").write_text("mine")
    beside = found(slides, slides)
    assert beside == {
        "a.svs": "a.svs.results", "a.tif": "a.tif.results", "b.jpg": "b.jpg.results", "b.svs": "b",
        "c.svs": "c.results", "deep/a.svs": "deep/a.svs.results", "deep/a.tif": "deep/a.tif.results",
    }  # fmt: skip
    for folder in beside.values():
        (slides / folder).mkdir()
        (slides / folder / "run.json").touch()
    assert found(slides, slides) == beside


names = st.text("ab.é\udce9 ", min_size=1, max_size=6).filter(lambda name: not name.startswith("."))


@given(st.sets(st.tuples(names, st.sampled_from([".svs", ".png", ".jpg", ".TIF"])), min_size=1, max_size=8))
def test_every_file_has_a_folder_of_its_own_that_is_no_file(
    tmp_path_factory: pytest.TempPathFactory, files: set[tuple[str, str]]
) -> None:
    slides = tmp_path_factory.mktemp("slides")
    for stem, suffix in files:
        (slides / f"{stem}{suffix}").touch()
    for out in (slides, slides / "out"):
        folders = found(slides, out)
        assert len(folders) == len({stem + suffix for stem, suffix in files}) == len(set(folders.values()))
        for folder in folders.values():
            assert not (out / folder).exists()


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


def test_a_folder_that_cannot_be_listed_fails_and_is_not_forgotten(
    slides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(slides / "a.svs")
    for name in ("shut", "lost+found"):
        put(slides / name / "b.svs")
    list_folder = os.scandir

    def refuse(path: object) -> object:
        if str(path).endswith(("shut", "lost+found")):
            raise PermissionError(13, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(slides) == {"a.svs": "a", "shut": "shut"}
    with pytest.raises(SlideError, match="shut: may not be read by this user"):
        open_slide(slides / "shut")
    with pytest.raises(SlideError, match=r"shut: cannot be listed \(Permission denied\)"):
        find_slides(slides / "shut", slides / "out")


def test_slides_that_are_not_read_are_listed_and_not_forgotten(slides: Path) -> None:
    put(slides / "a.svs")
    for name in ("b.isyntax", "c.vsi"):
        (slides / name).write_bytes(b"a maker's own")
    assert list(found(slides)) == ["a.svs", "b.isyntax", "c.vsi"]


def test_pictures_of_cases_and_trainings_are_no_slides(slides: Path) -> None:
    put(slides / "a.svs")
    for folder, names in (("case 1", ("case.json", "report.html")), ("model", ("metrics.csv", "curves.png"))):
        picture(slides / folder / "disease" / "0.png")
        picture(slides / folder / "examples" / "0.png")
        for name in names:
            (slides / folder / name).touch()
    assert list(found(slides)) == ["a.svs"]
