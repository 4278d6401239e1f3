"""Tells whether a slide is still the one that an earlier run saw, without reading gigabytes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

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
