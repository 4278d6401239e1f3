"""PNG files, written fast: ISA-L compresses them in a quarter of zlib's time, and no worse."""

import struct
import zlib
from pathlib import Path

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from glomspike.findings import RGB

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2  # colour types
UP = 2  # the filter by which each row is stored as its difference from the one above
LEVEL = 1
METRES = 1  # the unit of a scale
UM_PER_M = 1e6


def write_rgb(path: Path, picture: RGB, mpp: float | None = None) -> None:
    """A colour picture as PNG, with its scale where `mpp` is given; OSError where it cannot be written."""
    path.write_bytes(_encoded(picture, COLOUR, mpp))


def write_grey(path: Path, picture: NDArray[np.uint8]) -> None:
    """A grey picture (height, width) as PNG; OSError where it cannot be written."""
    path.write_bytes(_encoded(picture, GREY))


def _encoded(picture: NDArray[np.uint8], colour: int, mpp: float | None = None) -> bytes:
    height_px, width_px = picture.shape[:2]
    rows = picture.reshape(height_px, -1)
    filtered = np.empty((height_px, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, colour, 0, 0, 0)
    scale = [] if mpp is None else [(b"pHYs", struct.pack(">IIB", *[round(UM_PER_M / mpp)] * 2, METRES))]
    chunks = (b"IHDR", header), *scale, (b"IDAT", isal_zlib.compress(filtered, LEVEL)), (b"IEND", b"")
    return SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
