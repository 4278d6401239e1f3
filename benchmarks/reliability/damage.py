"""Damages slides in the ways that disks, networks and interrupted copies do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile

HEADER_BYTES = 1024
OFFSETS, COUNTS = (324, 273), (325, 279)  # TIFF tags of tiles, of strips
SIZES = (256, 257, 322, 323)  # width, height, tile width, tile height

Damage = Callable[[bytearray, Path, np.random.Generator], bytearray]


def damaged(path: Path, folder: Path, rng: np.random.Generator, count: int) -> Iterator[Path]:
    """So many damaged copies of a slide: a fifth cut short, the rest shared by the other ways.

    Tables are damaged in TIFF slides only. Of DICOM, where all copies are of one series, each has a folder.
    """
    is_tiff = path.read_bytes()[:2] in (b"II", b"MM")
    cuts, ways = count // 5, TIFF_WAYS if is_tiff else WAYS
    for number in range(count):
        if number < cuts:
            name, content = f"cut{number}", bytearray(_cut(path.read_bytes(), number / cuts))
        else:
            way, damage = ways[(number - cuts) % len(ways)]
            name, content = f"{way}{number - cuts}", damage(bytearray(path.read_bytes()), path, rng)
        yield _write(folder if is_tiff else folder / name, path, name, content)


def _write(folder: Path, path: Path, name: str, content: bytes | bytearray) -> Path:
    folder.mkdir(exist_ok=True)
    copy = folder / f"{path.stem}-{name}{path.suffix}"
    copy.write_bytes(content)
    return copy


def _cut(content: bytes, share: float) -> bytes:
    return content[: int(share * len(content))]


def _flip(content: bytearray, places: np.ndarray, rng: np.random.Generator) -> bytearray:
    for place in places:
        content[int(place)] ^= 1 << int(rng.integers(8))
    return content


def _flip_start(content: bytearray, _path: Path, rng: np.random.Generator) -> bytearray:
    """Bits of the first bytes."""
    return _flip(content, rng.integers(0, min(len(content), 4 * HEADER_BYTES), 8), rng)


def _flip_anywhere(content: bytearray, _path: Path, rng: np.random.Generator) -> bytearray:
    """Bits anywhere."""
    return _flip(content, rng.integers(0, len(content), 12), rng)


def _flip_header(content: bytearray, path: Path, rng: np.random.Generator) -> bytearray:
    """Bits of the first bytes, or of the first directory of pictures."""
    with tifffile.TiffFile(path) as tiff:
        start = int(rng.choice([0, int(tiff.pages[0].offset)]))
    end = min(len(content), start + HEADER_BYTES)
    return _flip(content, rng.integers(start, end, 8), rng)


def _flip_table(content: bytearray, path: Path, rng: np.random.Generator) -> bytearray:
    """Bits of where the tiles of level 0 are, or how long."""
    start, length = _values(path, OFFSETS if rng.random() < 0.5 else COUNTS)
    return _flip(content, rng.integers(start, start + length, 4), rng)


def _flip_data(content: bytearray, path: Path, rng: np.random.Generator) -> bytearray:
    """Bits of the compressed pixels of level 0."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        places = [
            offset + int(rng.integers(size))
            for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True)
            if size
        ]
    return _flip(content, rng.choice(places, min(len(places), 12), replace=False), rng)


def _empty_tiles(content: bytearray, path: Path, rng: np.random.Generator) -> bytearray:
    """Some tiles of level 0 with a length of zero."""
    start, length = _values(path, COUNTS)
    size = 4 if length % 4 == 0 else 2
    for entry in rng.integers(0, max(1, length // size), 4):
        place = start + int(entry) * size
        content[place : place + size] = bytes(size)
    return content


def _wrong_size(content: bytearray, path: Path, rng: np.random.Generator) -> bytearray:
    """Another width or height of level 0 or of its tiles, from none to absurd."""
    with tifffile.TiffFile(path) as tiff:
        tags = [tiff.pages.first.tags[tag] for tag in SIZES if tag in tiff.pages.first.tags]
        tag, order = tags[int(rng.integers(len(tags)))], tiff.byteorder
    wrong = int(rng.choice([0, 1, 17, 60_000]))
    content[tag.valueoffset : tag.valueoffset + 2] = wrong.to_bytes(2, "little" if order == "<" else "big")
    return content


def _values(path: Path, tags: tuple[int, int]) -> tuple[int, int]:
    """Where in the file a table of level 0 is, and its length in bytes."""
    with tifffile.TiffFile(path) as tiff:
        tag = next(tiff.pages.first.tags[tag] for tag in tags if tag in tiff.pages.first.tags)
        return int(tag.valueoffset), int(tag.valuebytecount)


WAYS: tuple[tuple[str, Damage], ...] = (("header", _flip_start), ("data", _flip_anywhere))
TIFF_WAYS: tuple[tuple[str, Damage], ...] = (
    ("header", _flip_header),
    ("table", _flip_table),
    ("data", _flip_data),
    ("empty", _empty_tiles),
    ("size", _wrong_size),
)
