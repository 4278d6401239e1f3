"""A slide as a pyramid of square tiles for the browser, and its tiles as JPEG.

Tiles cover the slide's bounds, in square pixels, whatever those of the slide: zoom 0 shows all of it in one
tile, and each further zoom halves the µm/px, down to that of the slide.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import cv2

from glomspike.findings import RGB, SlideFacts
from glomspike.slide.field import read_field
from glomspike.slide.reader import Slide

TILE_PX = 256
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


def read_tile(slide: Slide, pyramid: Pyramid, zoom: int, column: int, row: int) -> bytes:
    """A tile of a slide as JPEG, white beyond the slide's end and grey where it cannot be decoded."""
    facts, mpp = slide.facts, pyramid.mpps[zoom]
    side_um = TILE_PX * mpp
    corner_x0 = facts.bounds_x0 + column * side_um / facts.mpp.x
    corner_y0 = facts.bounds_y0 + row * side_um / facts.mpp.y
    field = read_field(slide, corner_x0, corner_y0, TILE_PX, TILE_PX, mpp)
    field.pixels[~field.readable] = UNREADABLE
    return jpeg(field.pixels)


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
