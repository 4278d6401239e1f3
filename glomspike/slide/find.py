"""Which slides a folder holds, and the folder that the results of each go to."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import openslide

from glomspike.errors import SlideError
from glomspike.slide.dicom import slide_series

# Files of these names are slides even where OpenSlide does not know them: they are damaged, and it is said.
SLIDE_SUFFIXES = {".svs", ".ndpi", ".scn", ".mrxs", ".vms", ".vmu", ".bif", ".svslide", ".czi"}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}
OWN_NAMES = {"summary.csv", "index.html"}


@dataclass(frozen=True)
class FoundSlide:
    """A slide below the input folder.

    `name` is its path relative to that folder, `folder` that of its results relative to OUT, both with
    forward slashes.
    """

    path: Path
    name: str
    folder: str


def find_pictures(folder: Path, out: Path) -> tuple[FoundSlide, ...]:
    """The PNG, JPEG and TIFF pictures in a folder and below, as `find_slides` gives slides."""
    found = _found(folder, out, lambda path: path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise SlideError(folder, "holds no PNG, JPEG or TIFF picture", "give a picture, or a folder of them")
    return found


def find_slides(folder: Path, out: Path) -> tuple[FoundSlide, ...]:
    """The slides in a folder and all folders below it, sorted by name; the results' tree mirrors theirs.

    Results go to a folder named after the slide's stem, or after its whole name where the stem would meet
    another name. Hidden files and folders are passed over, and so is `out` where it lies inside. Raises
    SlideError where there is no slide at all.
    """
    found = _found(folder, out, _is_slide)
    if not found:
        raise SlideError(folder, "holds no slide that OpenSlide knows", "give a slide, or a folder of slides")
    return found


def _found(folder: Path, out: Path, is_wanted: Callable[[Path], bool]) -> tuple[FoundSlide, ...]:
    found: list[FoundSlide] = []
    for place, below, files in _walk(folder, out):
        slides = _without_repeats([place / name for name in files if is_wanted(place / name)])
        names = _folder_names([path.name for path in slides], taken=OWN_NAMES.union(below))
        for path, name in zip(slides, names, strict=True):
            inside = place.relative_to(folder)
            found.append(FoundSlide(path, (inside / path.name).as_posix(), (inside / name).as_posix()))
    return tuple(sorted(found, key=lambda slide: slide.name))


def _walk(folder: Path, out: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder once, however it is linked, with the names of its folders and files that are not hidden."""
    seen: set[tuple[int, int]] = set()
    for place, below, files in os.walk(folder, followlinks=True):
        status = Path(place).stat()
        own = status.st_dev, status.st_ino
        is_out = Path(place) != folder and out.exists() and out.samefile(place)
        if own in seen or is_out:
            below.clear()
            continue
        seen.add(own)
        below[:] = [name for name in below if not name.startswith(".")]
        yield Path(place), below, [name for name in sorted(files) if not name.startswith(".")]


def _is_slide(path: Path) -> bool:
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return path.is_file() or path.is_symlink()  # a link to nothing is a slide that is missing
    return path.is_file() and openslide.OpenSlide.detect_format(path) is not None


def _without_repeats(paths: Sequence[Path]) -> list[Path]:
    """One file of each slide: a DICOM slide is several, each of which OpenSlide opens as the whole."""
    chosen: dict[str, Path] = {}
    for path in paths:
        chosen.setdefault(slide_series(path) or path.name, path)
    return list(chosen.values())


def _folder_names(names: Sequence[str], taken: set[str]) -> list[str]:
    """A folder's name for each slide of one folder: its stem where that is nobody else's name."""
    stems = Counter(Path(name).stem for name in names)
    occupied = taken.union(names)
    return [
        Path(name).stem if stems[Path(name).stem] == 1 and Path(name).stem not in occupied else name
        for name in names
    ]
