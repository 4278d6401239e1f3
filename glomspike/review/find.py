"""Which results a folder holds, and where their slides are.

A run's record knows its slide by name and fingerprint, not by its place: results and slides are moved, to
other disks and into containers. A slide is searched for, and used only if its fingerprint is the record's.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from glomspike.errors import OutputError, SlideError
from glomspike.names import as_text
from glomspike.results.record import RECORD_NAME, RunRecord
from glomspike.review.summary import remembered_path
from glomspike.slide.fingerprint import fingerprint
from glomspike.slide.reader import Slide, open_slide

DEEPEST = 4  # folders below a given one that are searched for slides


def find_results(out: Path) -> tuple[Path, ...]:
    """The folders of results at or below a folder, by name. Raises OutputError where there is none."""
    if not out.is_dir():
        raise OutputError(out, "is not a folder", "give the folder that glomspike wrote its results to")
    found = tuple(results_below(out))
    if not found:
        raise OutputError(out, "holds no results of glomspike", "run glomspike on your slides first")
    return found


def results_below(out: Path) -> Iterator[Path]:
    """The folders of results at or below a folder, if any, by name.

    What a later run moved aside (`slide.previous-1`) and hidden folders are passed over.
    """
    for place, below, files in os.walk(out):
        below[:] = sorted(name for name in below if not name.startswith(".") and ".previous-" not in name)
        if RECORD_NAME in files:
            below.clear()
            yield Path(place)


def find_slide(record: RunRecord, folder: Path, given: Sequence[Path]) -> Slide | None:
    """The slide of a record, opened: one of `given`, in a folder given, beside the results, or where it was
    when they were reviewed before; else None.

    Raises SlideError where a file that was given is another slide, or cannot be opened.
    """
    for path in given:
        if path.is_file() and as_text(path.name) == record.slide.name:
            if fingerprint(path) != record.slide.fingerprint:
                raise SlideError(path, "is not the slide of these results", "give the slide that was run")
            return _opened(path, record)
    remembered = remembered_path(folder)
    near = (folder.resolve(), *list(folder.resolve().parents)[:2])
    beside = (place / record.slide.name for place in near)
    below = (path for place in given if place.is_dir() for path in _named(place, record.slide.name))
    for path in chain(below, beside, [] if remembered is None else [remembered]):
        if _is_it(path, record):
            return _opened(path, record)
    return None


def _named(place: Path, name: str) -> Iterator[Path]:
    """The files of a name in a folder and, to some depth, below it."""
    start = len(place.parts)
    for parent, below, files in os.walk(place):
        below[:] = sorted(part for part in below if not part.startswith("."))
        if len(Path(parent).parts) - start >= DEEPEST:
            below.clear()
        yield from (Path(parent, file) for file in files if as_text(file) == name)


def _is_it(path: Path, record: RunRecord) -> bool:
    try:
        return path.is_file() and fingerprint(path) == record.slide.fingerprint
    except OSError:
        return False


def _opened(path: Path, record: RunRecord) -> Slide:
    """The slide, at the scale of the run."""
    mpp = record.options.get("mpp")
    return open_slide(path, float(mpp) if isinstance(mpp, int | float) else None)
