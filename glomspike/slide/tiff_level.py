"""One page of a TIFF file, decoded tile by tile or strip by strip where it is read."""

import math
from contextlib import suppress
from functools import lru_cache
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from glomspike.errors import SlideError, UnreadableRegion
from glomspike.findings import RGB
from glomspike.slide.colours import Colours
from glomspike.slide.levels import StoredLevel

CACHE_BYTES = 128 * 2**20  # of decoded tiles, for each level
PROBED_TILES = 24  # of a level, to see how high its values go
ANY_VALUE = 2**16 - 1
SEPARATE_PLANES = 2  # TIFF's code for samples that are stored apart

COPY_AGAIN = "copy the slide again, or save it again as a JPEG-compressed TIFF"

# What tifffile and its codecs raise for damaged files; codecs' errors are RuntimeErrors.
DAMAGE = (OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError, EOFError, AttributeError,
          MemoryError, ZeroDivisionError, OverflowError)  # fmt: skip

_Samples = NDArray[Any]  # (height, width, samples)


class TiffLevel:
    """The pixels of a page; any number of threads may read them. `lock` is held while the file is read.

    A strip is a tile as wide as the page. Tiles without place and length were omitted, as scanners and
    programs do where there is nothing to see, and are white.
    Raises SlideError where a tile is too large to be decoded safely.
    """

    def __init__(self, path: Path, file: tifffile.TiffFile, page: Any, colours: Colours, lock: Lock) -> None:
        self._path, self._file, self._page, self._colours, self._lock = path, file, page, colours, lock
        self._width_px, self._height_px = int(page.imagewidth), int(page.imagelength)
        self._tile_width_px = int(page.tilewidth) or self._width_px
        self._tile_height_px = int(page.tilelength) or min(int(page.rowsperstrip), self._height_px)
        self._across = math.ceil(self._width_px / self._tile_width_px)
        self._down = math.ceil(self._height_px / self._tile_height_px)
        self._omitted = np.add(page.dataoffsets, page.databytecounts) == 0
        tile_px = self._tile_width_px * self._tile_height_px
        if Image.MAX_IMAGE_PIXELS is not None and tile_px > 2 * Image.MAX_IMAGE_PIXELS:
            cure = "save it as a tiled pyramidal TIFF"
            raise SlideError(path, "has too many pixels for a plain picture", cure)
        self._tile = lru_cache(max(1, CACHE_BYTES // (3 * tile_px)))(self._decoded)

    @property
    def stored(self) -> StoredLevel:
        """What levels are laid on each other by. Strips are no tiles, and corners come in its pixels."""
        tile_px = (self._tile_width_px, self._tile_height_px) if self._page.is_tiled else (0, 0)
        return StoredLevel(self._width_px, self._height_px, *tile_px, step0=1.0)

    @property
    def omitted(self) -> float:
        """The share of its tiles that were omitted."""
        return float(self._omitted[: self._across * self._down].mean())

    def read(self, left: int, top: int, width_px: int, height_px: int) -> RGB:
        """A region (height_px, width_px, 3) in this level's pixels, white outside.

        Raises UnreadableRegion.
        """
        pixels = np.full((height_px, width_px, 3), 255, np.uint8)
        right, lower = min(left + width_px, self._width_px), min(top + height_px, self._height_px)
        columns = _tiles(left, right, self._tile_width_px)
        rows = _tiles(top, lower, self._tile_height_px)
        for row, column in product(rows, columns):
            tile = self._tile(column, row)
            x, y = column * self._tile_width_px, row * self._tile_height_px
            x_from, x_to = max(left, x), min(right, x + tile.shape[1])
            y_from, y_to = max(top, y), min(lower, y + tile.shape[0])
            part = tile[y_from - y : y_to - y, x_from - x : x_to - x]
            pixels[y_from - top : y_to - top, x_from - left : x_to - left] = part
        return pixels

    def highest_value(self) -> int:
        """The highest value in those of some tiles, spread over the level, that can be decoded; else any."""
        count, highest = self._across * self._down, []
        for tile in np.unique(np.linspace(0, count - 1, min(count, PROBED_TILES)).astype(int)).tolist():
            with suppress(*DAMAGE):
                highest.append(int(self._samples(tile % self._across, tile // self._across).max()))
        return max(highest, default=ANY_VALUE)

    def _decoded(self, column: int, row: int) -> RGB:
        try:
            if self._omitted[row * self._across + column]:
                return np.full((self._tile_height_px, self._tile_width_px, 3), 255, np.uint8)
            return self._colours.rgb(self._samples(column, row))
        except DAMAGE as error:
            corner = f"{column * self._tile_width_px}, {row * self._tile_height_px}"
            cause = f"cannot be decoded at pixel {corner} of a level ({error})"
            raise UnreadableRegion(self._path, cause, COPY_AGAIN) from error

    def _samples(self, column: int, row: int) -> _Samples:
        """A tile's samples as they are stored."""
        planes = self._page.samplesperpixel if self._page.planarconfig == SEPARATE_PLANES else 1
        place, count = row * self._across + column, self._across * self._down
        return np.concatenate([self._segment(place + plane * count) for plane in range(planes)], axis=-1)

    def _segment(self, index: int) -> _Samples:
        offset, size = self._page.dataoffsets[index], self._page.databytecounts[index]
        if size == 0:
            raise ValueError("a tile of length zero")
        with self._lock:
            self._file.filehandle.seek(offset)
            content = self._file.filehandle.read(size)
        samples, _, _ = self._page.decode(content, index, jpegtables=self._page.jpegtables)
        return np.asarray(samples[0])


def _tiles(first_px: int, end_px: int, side_px: int) -> range:
    """The numbers of the tiles along one axis that a stretch of pixels touches."""
    return range(max(0, first_px) // side_px, math.ceil(max(0, end_px) / side_px))
