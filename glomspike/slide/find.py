"""Which slides a folder holds, and the folder that the results of each go to."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import openslide

from glomspike.errors import SlideError
from glomspike.findings import StainName
from glomspike.slide.dicom import is_damaged, slide_series
from glomspike.slide.fingerprint import companions
from glomspike.slide.unread import MAKERS

# Files of these names are slides even where OpenSlide does not know them: they are damaged, and it is said.
SLIDE_SUFFIXES = {".svs", ".ndpi", ".scn", ".mrxs", ".vms", ".vmu", ".bif", ".svslide", ".czi", *MAKERS}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}
OWN_NAMES = {"summary.csv", "index.html"}
SYSTEM_NAMES = {"lost+found", "System Volume Information", "$RECYCLE.BIN"}  # folders that nobody may enter
# What is in folders that glomspike wrote: results of a slide, of a case, samples of a slide, a training.
WRITTEN = (
    ("run.json",),
    ("case.json", "report.html"),
    ("fingerprint.txt", "images", "masks", "annotations"),
    ("metrics.csv", "curves.png", "examples"),
)
SEVERAL_FILES = {".vms", ".vmu"}  # whose other files lie beside them, pictures among them


@dataclass(frozen=True)
class FoundSlide:
    """A slide below the input folder.

    `name` is its path relative to that folder, `folder` that of its results relative to OUT, both with
    forward slashes. `is_picture` where it is a plain picture among slides, which may be a slide or anything.
    `mpp` and `stain` are its µm/px and stain where they are known from elsewhere than the file.
    """

    path: Path
    name: str
    folder: str
    is_picture: bool = False
    mpp: float | None = None
    stain: StainName | None = None


def find_pictures(folder: Path, out: Path) -> tuple[FoundSlide, ...]:
    """The PNG, JPEG and TIFF pictures in a folder and below, as `find_slides` gives slides."""
    found = _found(folder, out, _is_picture, lambda _: False)
    if not found:
        raise SlideError(folder, "holds no PNG, JPEG or TIFF picture", "give a picture, or a folder of them")
    return found


def find_slides(folder: Path, out: Path) -> tuple[FoundSlide, ...]:
    """The slides and plain pictures in a folder and all folders below it, sorted by name.

    The results' tree mirrors theirs. Results go to a folder named after the slide's stem, or after its whole
    name where the stem would meet another name; slides go before pictures. Passed over are hidden files and
    folders, `out` where it lies inside, folders that glomspike wrote wherever they lie, and the pictures that
    other slides consist of. A folder that cannot be listed is among the slides, so that it fails as one and
    is not forgotten. Raises SlideError where there is no slide at all.
    """
    found = _found(folder, out, _is_slide, _is_picture)
    if not found:
        raise SlideError(folder, "holds no slide and no picture", "give a slide, or a folder of slides")
    return found


def _found(
    folder: Path, out: Path, is_slide: Callable[[Path], bool], is_picture: Callable[[Path], bool]
) -> tuple[FoundSlide, ...]:
    found: list[FoundSlide] = []
    shut: list[OSError] = []
    for place, below, files in _walk(folder, out, shut.append):
        paths = [place / name for name in files]
        slides = _without_repeats([path for path in paths if is_slide(path)])
        # Where results are written beside the slides, no folder of theirs can have the name of a file.
        in_the_way = files if out.exists() and out.samefile(folder) else []
        names = _folder_names([path.name for path in slides], OWN_NAMES.union(below), in_the_way)
        parts = {part for path in slides for part in _pictures_of(path)}
        others = [path for path in paths if path not in {*slides, *parts} and is_picture(path)]
        taken = OWN_NAMES.union(below, names, (path.stem for path in slides))
        names += _folder_names([path.name for path in others], taken, in_the_way)
        for path, name in zip([*slides, *others], names, strict=True):
            inside = place.relative_to(folder)
            relative = (inside / path.name).as_posix(), (inside / name).as_posix()
            found.append(FoundSlide(path, *relative, is_picture=path in others))
    for error in shut:
        if Path(error.filename) == folder:
            raise SlideError(folder, f"cannot be listed ({error.strerror})", "make it readable for you")
        name = Path(error.filename).relative_to(folder).as_posix()
        found.append(FoundSlide(Path(error.filename), name, name))
    return tuple(sorted(found, key=lambda slide: slide.name))


def _walk(
    folder: Path, out: Path, tell: Callable[[OSError], None]
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder once, however it is linked, with the names of its folders and files that may be slides.

    `tell` is called for each folder that cannot be listed.
    """
    visited: set[tuple[int, int]] = set()
    for place, below, files in os.walk(folder, onerror=tell, followlinks=True):
        status = Path(place).stat()
        identity = status.st_dev, status.st_ino
        is_out = Path(place) != folder and out.exists() and out.samefile(place)
        if identity in visited or is_out:
            below.clear()
            continue
        visited.add(identity)
        below[:] = [name for name in below if _may_hold_slides(Path(place, name))]
        yield Path(place), below, [name for name in sorted(files) if not name.startswith(".")]


def _may_hold_slides(folder: Path) -> bool:
    """Whether a folder is neither hidden, nor the system's, nor one that glomspike wrote."""
    if folder.name.startswith(".") or folder.name in SYSTEM_NAMES:
        return False
    try:
        return not any(all((folder / name).exists() for name in names) for names in WRITTEN)
    except OSError:  # a folder that may not be entered
        return True


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may not be entered: it fails as a slide
        return True


def _is_slide(path: Path) -> bool:
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return _is_file(path) or path.is_symlink()  # a link to nothing is a slide that is missing
    return _is_file(path) and (openslide.OpenSlide.detect_format(path) is not None or is_damaged(path))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and (_is_file(path) or path.is_symlink())


def _pictures_of(slide: Path) -> list[Path]:
    """The pictures that a slide consists of, such as those beside Hamamatsu's VMS."""
    if slide.suffix.lower() not in SEVERAL_FILES:
        return []
    return [path for path in companions(slide) if path.suffix.lower() in PICTURE_SUFFIXES]


def _without_repeats(paths: Sequence[Path]) -> list[Path]:
    """One file of each slide: a DICOM slide is several, each of which OpenSlide opens as the whole."""
    chosen: dict[str, Path] = {}
    for path in paths:
        chosen.setdefault(slide_series(path) or path.name, path)
    return list(chosen.values())


def _folder_names(names: Sequence[str], taken: set[str], in_the_way: Sequence[str]) -> list[str]:
    """A folder's name for each slide of one folder: its stem where no other slide has that name."""
    stems = Counter(Path(name).stem for name in names)
    occupied = taken.union(names)
    chosen = [
        Path(name).stem if stems[Path(name).stem] == 1 and Path(name).stem not in occupied else name
        for name in names
    ]
    return [f"{name}.results" if name in in_the_way else name for name in chosen]
