"""Which DICOM files belong together, by what their headers say, and whether they lead to their tiles."""

import re
import struct
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glomspike.errors import SlideError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

WHOLE_SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
SERIES_TAG = 0x0020000E
UID = re.compile(r"[0-9.]+")
PREAMBLE_BYTES = 128
# Where compressed tiles begin: pixel data of unknown length, and in them the table of where each tile lies.
PIXEL_DATA = bytes.fromhex("e07f1000") + b"OB\0\0" + bytes.fromhex("ffffffff feff00e0")
SPARSE, PLACES_TAG = b"TILED_SPARSE", bytes.fromhex("00523092")  # tiles' places are given one by one
LONGEST_HEADER_BYTES = 2**28
# Offsets are of four bytes; larger files have no table, or one that starts again.
LONGEST_TABLED_BYTES = 2**32


class _Header(NamedTuple):
    """What kind of object a file holds, and the series that it belongs to."""

    sop_class: str
    series: str


def slide_series(path: Path) -> str | None:
    """The series that a file of a whole-slide image belongs to; None for every other file."""
    header = _header_of(path)
    return header.series if header and header.sop_class == WHOLE_SLIDE_IMAGE else None


def is_damaged(path: Path) -> bool:
    """Whether a file is DICOM by its name and has no header that can be read."""
    return path.suffix.lower() == ".dcm" and _header_of(path) is None


def files_of_series(path: Path, series: str) -> list[Path]:
    """The files of a series in the folder of one of them, that one included."""
    return [file for file in path.parent.iterdir() if file.is_file() and slide_series(file) == series]


def check_tiles(path: Path) -> None:
    """Raise SlideError where a file of a slide does not lead to its tiles: libdicom would crash."""
    series = slide_series(path)
    for file in files_of_series(path, series) if series else []:
        if not _leads_to_its_tiles(file):
            cure = "copy the slide again, or scan it again if the original is damaged too"
            raise SlideError(path, f"has a damaged table of tiles in {file.name}", cure)


def _leads_to_its_tiles(path: Path) -> bool:
    """Whether a file has the places of its tiles where it must, and its table of them is in order."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        found = content.find(PIXEL_DATA, 0, LONGEST_HEADER_BYTES)
        start = found + len(PIXEL_DATA)
        if found < 0 or len(content) >= LONGEST_TABLED_BYTES or start + 4 > len(content):
            return True
        if content.find(SPARSE, 0, found) >= 0 > content.find(PLACES_TAG, 0, found):
            return False
        (size_bytes,) = struct.unpack_from("<I", content, start)
        table = content[start + 4 : start + 4 + size_bytes]
        length_bytes = len(content) - start - 4 - size_bytes
    if len(table) < size_bytes or size_bytes % 4:
        return False
    offsets = np.frombuffer(table, "<u4").astype(np.int64)
    return bool((np.diff(offsets, prepend=-1, append=length_bytes) > 0).all())


def _header_of(path: Path) -> _Header | None:
    try:
        status = path.stat()
        return _read_header(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=2**16)  # each slide of a folder looks at the files of all others
def _read_header(path: Path, _size_bytes: int, _time_ns: int) -> _Header | None:
    with path.open("rb") as file:
        file.seek(PREAMBLE_BYTES)
        if file.read(4) != b"DICM":
            return None
        file.seek(0)
        from pydicom.config import disable_value_validation
        from pydicom.filereader import read_partial

        try:
            # Validating prints. What follows may be long: a place on the slide for each of its tiles.
            with disable_value_validation():
                header = read_partial(file, stop_when=lambda tag, _vr, _length: tag > SERIES_TAG)
            return _Header(_uid(header, "SOPClassUID"), _uid(header, "SeriesInstanceUID"))
        except Exception:  # noqa: BLE001  (a damaged header fails in many ways)
            return None


def _uid(header: "Dataset", keyword: str) -> str:
    """An identifier as stored, about which pydicom prints nothing. Raises ValueError for a damaged one."""
    item = header.get_item(keyword)
    uid = bytes(item.value).decode("ascii").rstrip("\0 ") if item is not None else ""
    if not UID.fullmatch(uid):
        raise ValueError(f"{keyword} is damaged or missing")
    return uid
