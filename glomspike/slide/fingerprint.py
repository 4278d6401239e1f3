"""Tells whether a slide is still the one that an earlier run saw, without reading gigabytes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from glomspike.errors import SlideError
from glomspike.slide.dicom import files_of_series, slide_series

CHUNKS = 16
CHUNK_BYTES = 256 * 2**10


def fingerprint(path: Path) -> str:
    """The SHA-256 (hex) of a slide's size and of sixteen chunks spread evenly over it, both ends included.

    Files up to 4 MB are hashed whole. For a slide of several files (MRXS, VMS, VMU, DICOM) the names and
    sizes of the others count too. Name, place and dates of the slide itself don't. What it cannot see: a
    change between the chunks of a larger file, or inside a companion file, that leaves the size as it was.
    """
    digest = hashlib.sha256()
    size_bytes = path.stat().st_size
    digest.update(f"{size_bytes}\n".encode())
    with path.open("rb") as file:
        if size_bytes <= CHUNKS * CHUNK_BYTES:
            digest.update(file.read())
        else:
            for chunk in range(CHUNKS):
                file.seek((size_bytes - CHUNK_BYTES) * chunk // (CHUNKS - 1))
                digest.update(file.read(CHUNK_BYTES))
    for companion in companions(path):
        digest.update(f"{companion.name}\n{companion.stat().st_size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def state(path: Path) -> tuple[tuple[str, int, int], ...] | None:
    """Name, size and time of the last change of each file of a slide; None where it is gone.

    It changes while a slide is still being copied to its place.
    """
    try:
        found = [(file, file.stat()) for file in (path, *companions(path))]
    except FileNotFoundError:
        return None
    return tuple((file.name, status.st_size, status.st_mtime_ns) for file, status in found)


def check_unchanged(path: Path, before: tuple[tuple[str, int, int], ...] | None) -> None:
    """Raises SlideError where a slide is in another state than before; one that is gone was read whole."""
    if state(path) not in (before, None):
        cure = "wait until it is copied whole, and run again"
        raise SlideError(path, "changed while it was read", cure)


def companions(path: Path) -> list[Path]:
    """The other files of a slide that consists of several (MRXS, VMS, VMU, DICOM), in a stable order."""
    found: Iterable[Path]
    match path.suffix.lower():
        case ".mrxs":
            found = path.with_suffix("").rglob("*")
        case ".vms" | ".vmu":
            found = (sibling for sibling in path.parent.iterdir() if sibling.name.startswith(path.stem))
        case _:
            series = slide_series(path)
            found = files_of_series(path, series) if series else ()
    return sorted(file for file in found if file.is_file() and file != path)
