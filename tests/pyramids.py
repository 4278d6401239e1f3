"""Small slides for the tests: Aperio pyramids, and pictures whose every point is known."""

import numpy as np
import tifffile

from glomspike.slide.picture import Picture
from glomspike.slide.reader import Slide

TILE_PX = 64
PERIOD0 = 100.0  # of the waves below, in level-0 pixels


def wave(x0, y0):
    """Colours at level-0 points: red waves along x, green along y, blue stays."""
    red = 128 + 100 * np.sin(2 * np.pi * x0 / PERIOD0)
    green = 128 + 100 * np.sin(2 * np.pi * y0 / PERIOD0)
    return np.stack(np.broadcast_arrays(red, green, 90.0), axis=-1)


def waves(width, height):
    """A picture of waves; pixel 0 spans 0 to 1. Rounded at random, so that its averages are not rounded."""
    x0, y0 = np.arange(width) + 0.5, np.arange(height) + 0.5
    dither = np.random.default_rng(0).random((height, width, 1))
    return np.floor(wave(x0[None, :], y0[:, None]) + dither).astype(np.uint8)


def shrunk(picture, factor):
    """The average of whole blocks, as scanners do it: what is left over on the far sides is dropped."""
    height, width = (side // factor for side in picture.shape[:2])
    blocks = picture[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def write_aperio(path, picture, factors=(), mpp=0.25, compression="zlib"):
    """A tiled pyramid that OpenSlide takes for Aperio's: level 0, a thumbnail in strips, coarser levels.

    Without `mpp` it has no scale.
    """
    height, width = picture.shape[:2]
    scale = "" if mpp is None else f"|AppMag = 40|MPP = {mpp}"
    options = {"photometric": "rgb", "metadata": None, "software": None}
    tiled = options | {"tile": (TILE_PX, TILE_PX), "compression": compression}
    description = f"Aperio Image Library v12.0.0\n{width}x{height} ({TILE_PX}x{TILE_PX}){scale}"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(picture, description=description, **tiled)
        tiff.write(picture[::8, ::8], description=description, rowsperstrip=16, **options)
        for factor in factors:
            tiff.write(shrunk(picture, factor), description=description, **tiled)
    return path


def break_tiles(path, page, tiles):
    """Overwrites the first bytes of some tiles, so that they cannot be decoded."""
    with tifffile.TiffFile(path) as tiff:
        offsets = [tiff.pages[page].dataoffsets[tile] for tile in tiles]
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(b"\0" * 16)


def empty_tile(path, page, tile):
    """Sets the length of a tile to zero, as interrupted scanners leave it."""
    with tifffile.TiffFile(path) as tiff:
        counts = tiff.pages[page].tags["TileByteCounts"]
        place = counts.valueoffset + tile * (counts.valuebytecount // counts.count)
        size = counts.valuebytecount // counts.count
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes(size))


class ScannedPicture(Picture):
    """A picture with a scale along each axis and bounds, as only some vendors' slides have them."""

    vendor = "leica"

    def __init__(self, path, mpp, bounds):
        super().__init__(path)
        self.mpp = mpp
        self.bounds = bounds or self.bounds


def scanned_slide(path, mpp, bounds=None):
    """A slide of one level from a picture's file; its bounds are the whole of it where none are given."""
    return Slide(path, ScannedPicture(path, mpp, bounds))
