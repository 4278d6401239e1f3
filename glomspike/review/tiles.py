"""A slide as a pyramid of square tiles for the browser, and its tiles as JPEG.

Tiles cover the slide's bounds, in square pixels, whatever those of the slide: zoom 0 shows all of it in one
tile, and each further zoom halves the µm/px, down to that of the slide.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import product
from threading import Lock

import cv2
import numpy as np

from glomspike.findings import RGB, SlideFacts
from glomspike.slide.field import read_field
from glomspike.slide.reader import Slide

TILE_PX = 256
MOST_SHRINKING = 2  # of the pixels that a tile is read from; a stored tile is then decoded for few tiles
JPEG_QUALITY = 85
CACHE_BYTES = 32 * 2**20
UNREADABLE = (200, 200, 200)


@dataclass(frozen=True)
class Pyramid:
    """The tiles of a slide: µm/px at each zoom, coarsest first, and the bounds' size in µm."""

    mpps: tuple[float, ...]
    width_um: float
    height_um: float

    @classmethod
    def of(cls, slide: SlideFacts) -> "Pyramid":
        """The pyramid of a slide, whose finest tiles have the µm/px of the slide's finer axis."""
        finest_mpp = min(slide.mpp.x, slide.mpp.y)
        width_um, height_um = slide.bounds_width0 * slide.mpp.x, slide.bounds_height0 * slide.mpp.y
        side_px = max(width_um, height_um) / finest_mpp
        zooms = max(0, math.ceil(math.log2(side_px / TILE_PX)))
        mpps = tuple(finest_mpp * 2**step for step in range(zooms, -1, -1))
        return cls(mpps, width_um, height_um)

    def holds(self, zoom: int, column: int, row: int) -> bool:
        """Whether there is such a tile."""
        if not 0 <= zoom < len(self.mpps):
            return False
        side_um = TILE_PX * self.mpps[zoom]
        return 0 <= column * side_um < self.width_um and 0 <= row * side_um < self.height_um


def read_tile(slide: Slide, pyramid: Pyramid, zoom: int, column: int, row: int) -> RGB:
    """A tile (TILE_PX, TILE_PX, 3), white beyond the slide's end and grey where it cannot be decoded.

    Where whole pixels of a level make up one of the tile, they are averaged: resampling would decode the
    stored tiles around them as well. Where they are much finer, it is made of the four of the next zoom,
    so that no read is large.
    """
    facts, mpp = slide.facts, pyramid.mpps[zoom]
    ratio = mpp / slide.level_mpp_for(mpp)
    if ratio > MOST_SHRINKING and zoom + 1 < len(pyramid.mpps):
        return _composed(slide, pyramid, zoom, column, row)
    times = int(ratio) if ratio.is_integer() else 1
    corner_x0 = facts.bounds_x0 + column * TILE_PX * (mpp / facts.mpp.x)
    corner_y0 = facts.bounds_y0 + row * TILE_PX * (mpp / facts.mpp.y)
    field = read_field(slide, corner_x0, corner_y0, times * TILE_PX, times * TILE_PX, mpp / times)
    field.pixels[~field.readable] = UNREADABLE
    return field.pixels if times == 1 else _shrunk(field.pixels)


def _composed(slide: Slide, pyramid: Pyramid, zoom: int, column: int, row: int) -> RGB:
    """A tile made of the four of the next zoom."""
    pixels = np.full((2 * TILE_PX, 2 * TILE_PX, 3), 255, np.uint8)
    for down, across in product((0, 1), repeat=2):
        place = zoom + 1, 2 * column + across, 2 * row + down
        if pyramid.holds(*place):
            top, left = down * TILE_PX, across * TILE_PX
            pixels[top : top + TILE_PX, left : left + TILE_PX] = read_tile(slide, pyramid, *place)
    return _shrunk(pixels)


def _shrunk(pixels: RGB) -> RGB:
    """A square picture as a tile (TILE_PX, TILE_PX, 3), each pixel the mean of those that it stands for."""
    return np.asarray(cv2.resize(pixels, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def jpeg(pixels: RGB) -> bytes:
    """A picture (height, width, 3) as JPEG."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1].tobytes()


class PictureCache:
    """The encoded pictures used last, as many as fit into a number of bytes. Any thread may use it."""

    def __init__(self, capacity_bytes: int = CACHE_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._held: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: tuple[object, ...]) -> bytes | None:
        """The picture of a key, None where it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: tuple[object, ...], picture: bytes) -> None:
        """Hold a picture, at the cost of those that were not used for longest."""
        with self._lock:
            self._bytes += len(picture) - len(self._held.pop(key, b""))
            self._held[key] = picture
            while self._bytes > self._capacity_bytes:
                _, oldest = self._held.popitem(last=False)
                self._bytes -= len(oldest)
