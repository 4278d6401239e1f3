"""TIFF files that OpenSlide does not read, or not rightly: OME-TIFF, strips, 16 bits, WebP, JPEG 2000.

Pixels are as stored: an orientation that the file has is noted and not applied, since most slide viewers do
not apply it, and annotations must lie where they show the tissue.
"""

import logging
import math
from collections.abc import Sequence
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
from glomspike.findings import RGB, Mpp
from glomspike.slide.colours import Colours, colours_of
from glomspike.slide.levels import StoredLevel, fit_levels
from glomspike.slide.ome import AS_LARGE, OmeImage, choose_image, read_ome
from glomspike.slide.scale import UM_PER_INCH, mpp_of_dots, mpp_of_imagej
from glomspike.slide.source import Bounds

CACHE_BYTES = 128 * 2**20  # of decoded tiles, for each level
PROBED_TILES = 24  # of level 0, to see how many bits are used
MOST_LOST = 0.1  # of level 0's tiles
RGB_KINDS = (2, 3, 6)  # RGB, palettes, YCbCr
UPRIGHT = 1
ORIENTATION_TAG = 274
# What libtiff's simple way decodes as it should.
USUAL_COMPRESSIONS = (1, 5, 7, 8, 32773, 32946, 33003, 33005, 50000)

_COPY_AGAIN = "copy the slide again, or save it again as a JPEG-compressed TIFF"
_ONE = "save the one you want as a file of its own"

# What tifffile and its codecs raise for damaged files; codecs' errors are RuntimeErrors.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError, EOFError, AttributeError,
           MemoryError, ZeroDivisionError, OverflowError)  # fmt: skip

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters comes as an error

_Samples = NDArray[Any]  # (height, width, samples)


def open_tiff(path: Path, openslide_knows: bool) -> "Tiff | None":
    """The pixels of a TIFF file; None where OpenSlide knows it and reads it as it should.

    Raises ValueError where the file is no TIFF, and SlideError for one that cannot be read or holds several
    pictures of which none is known to be the slide.
    """
    try:
        file = tifffile.TiffFile(path)
        if not len(file.pages):
            raise ValueError("no pages")
    except _DAMAGE as error:
        raise ValueError(f"not a TIFF: {error}") from error
    try:
        image = _ome_image(path, file)
        pages = _pages_of_ome(file, image[0]) if image else _plain_pages(path, file)
        if image or not (openslide_knows and _is_usual(file, pages[0])):
            return Tiff(path, file, pages, image[1] if image else None)
    except SlideError:
        file.close()
        raise
    except _DAMAGE as error:
        file.close()
        raise SlideError(path, "cannot be decoded as a TIFF: its tables are damaged", _COPY_AGAIN) from error
    file.close()
    return None


class Tiff:
    """The pixels of the pages of a TIFF file, finest first, decoded tile by tile.

    `image` is what OME-XML says of them. Raises SlideError where they cannot be decoded.
    """

    def __init__(
        self, path: Path, file: tifffile.TiffFile, pages: Sequence[Any], image: OmeImage | None
    ) -> None:
        first = pages[0]
        self._path, self._file = path, file
        self._check_length(first)
        self.vendor = "ome-tiff" if image else "generic-tiff" if first.is_tiled else "picture"
        self.mpp = image.mpp if image and image.mpp else _mpp(file, first)
        self.profile = _profile(first)
        self.bounds = Bounds(0, 0, first.imagewidth, first.imagelength)
        lock = Lock()
        colours, bits_note = self._colours(first, image.bits if image else None, lock)
        self._stored = [_TiffLevel(path, file, page, colours, lock) for page in pages]
        pyramid = fit_levels([level.stored for level in self._stored], self._seen)
        self.levels, self._numbers = pyramid.levels, pyramid.numbers
        self.notes = (*pyramid.notes, *bits_note, *_orientation_note(first))

    def crop(self, level: int, corner_x0: int, corner_y0: int, width_px: int, height_px: int) -> Image.Image:
        """See `PixelSource.crop`."""
        of = self.levels[level]
        left, top = round(corner_x0 / of.step0), round(corner_y0 / of.step0)
        pixels = self._stored[self._numbers[level]].read(left, top, width_px, height_px)
        pixels[max(0, of.height_px - top) :] = 255
        pixels[:, max(0, of.width_px - left) :] = 255
        return Image.fromarray(pixels)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _seen(self, number: int, x: int, y: int, width_px: int, height_px: int) -> RGB | None:
        try:
            return self._stored[number].read(x, y, width_px, height_px)
        except UnreadableRegion:
            return None

    def _check_length(self, page: Any) -> None:
        """Refuses a file that was cut short. What single tiles have lost is counted while they are read."""
        ends = np.add(page.dataoffsets, page.databytecounts)
        if (ends > self._file.filehandle.size).mean() > MOST_LOST:
            raise SlideError(self._path, "ends before its pixels do", _COPY_AGAIN)

    def _colours(self, page: Any, bits: int | None, lock: Lock) -> tuple[Colours, tuple[str, ...]]:
        """How a page's samples become RGB; a note where its values use fewer bits than they have."""
        declared = colours_of(self._path, page)
        if declared.bits != 16:
            return declared, ()
        bits = bits or _declared_bits(page)
        if bits is None:
            highest = _TiffLevel(self._path, self._file, page, declared, lock).highest_value()
            bits = next(few for few in (8, 10, 12, 14, 16) if highest < 2**few)
        if bits == 16:
            return declared, ()
        note = f"values of 16 bits use only {bits}, and are shown as such"
        return declared.with_bits(bits), (note,)


class _TiffLevel:
    """One page of a file, read region by region from its tiles or strips."""

    def __init__(self, path: Path, file: tifffile.TiffFile, page: Any, colours: Colours, lock: Lock) -> None:
        self._path, self._file, self._page, self._colours, self._lock = path, file, page, colours, lock
        self._width_px, self._height_px = int(page.imagewidth), int(page.imagelength)
        self._tile_width_px = int(page.tilewidth) or self._width_px
        self._tile_height_px = int(page.tilelength) or min(int(page.rowsperstrip), self._height_px)
        self._across = math.ceil(self._width_px / self._tile_width_px)
        self._down = math.ceil(self._height_px / self._tile_height_px)
        tile_px = self._tile_width_px * self._tile_height_px
        _check_size(path, tile_px)
        self._tile = lru_cache(max(1, CACHE_BYTES // (3 * tile_px)))(self._decoded)

    @property
    def stored(self) -> StoredLevel:
        """What levels are laid on each other by; strips are no tiles."""
        is_tiled = bool(self._page.is_tiled)
        tile = (self._tile_width_px, self._tile_height_px) if is_tiled else (0, 0)
        return StoredLevel(self._width_px, self._height_px, *tile, step0=1.0)

    def read(self, left: int, top: int, width_px: int, height_px: int) -> RGB:
        """A region in this level's pixels, white outside. Raises UnreadableRegion."""
        pixels = np.full((height_px, width_px, 3), 255, np.uint8)
        right, lower = min(left + width_px, self._width_px), min(top + height_px, self._height_px)
        wide, high = self._tile_width_px, self._tile_height_px
        columns, rows = (
            range(max(0, left) // wide, _tiles(right, wide)),
            range(max(0, top) // high, _tiles(lower, high)),
        )
        for row, column in product(rows, columns):
            tile = self._tile(column, row)
            x, y = column * wide, row * high
            here = (
                slice(max(left, x), min(right, x + tile.shape[1])),
                slice(max(top, y), min(lower, y + tile.shape[0])),
            )
            across, down = here
            pixels[down.start - top : down.stop - top, across.start - left : across.stop - left] = tile[
                down.start - y : down.stop - y, across.start - x : across.stop - x
            ]
        return pixels

    def highest_value(self) -> int:
        """The highest value in some tiles spread over the level."""
        count = self._across * self._down
        tiles = np.unique(np.linspace(0, count - 1, min(count, PROBED_TILES)).astype(int))
        return max(
            int(self._samples(tile % self._across, tile // self._across).max()) for tile in tiles.tolist()
        )

    def _decoded(self, column: int, row: int) -> RGB:
        try:
            return self._colours.rgb(self._samples(column, row))
        except _DAMAGE as error:
            corner = f"{column * self._tile_width_px}, {row * self._tile_height_px}"
            cause = f"cannot be decoded at pixel {corner} of a level ({error})"
            raise UnreadableRegion(self._path, cause, _COPY_AGAIN) from error

    def _samples(self, column: int, row: int) -> _Samples:
        """A tile's samples as they are stored."""
        planes = self._page.samplesperpixel if self._page.planarconfig == 2 else 1
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


def _tiles(length_px: int, side_px: int) -> int:
    return -(-max(0, length_px) // side_px)


def _ome_image(path: Path, file: tifffile.TiffFile) -> tuple[int, OmeImage] | None:
    """The slide among an OME-TIFF's pictures and its place; None for other files."""
    xml = file.ome_metadata
    if xml is None:
        return None
    try:
        images = read_ome(xml)
    except ValueError as error:
        raise SlideError(path, str(error), "save it again as one RGB picture") from error
    if len(images) != len(file.series):
        raise SlideError(path, "does not hold the pictures that its OME-XML names", _COPY_AGAIN)
    place = choose_image(path, images)
    return place, images[place]


def _pages_of_ome(file: tifffile.TiffFile, place: int) -> list[Any]:
    """The levels of one of an OME-TIFF's pictures."""
    pages = [level.keyframe for level in file.series[place].levels]
    return sorted(pages, key=lambda page: -int(page.imagewidth))


def _plain_pages(path: Path, file: tifffile.TiffFile) -> list[Any]:
    """The pages of a file without OME-XML that are levels of its one large picture."""
    pages: list[Any] = list(file.pages)
    whole = [page for page in pages if not page.is_reduced] or pages[:1]
    size = {id(page): page.imagewidth * page.imagelength for page in pages}
    largest = max(whole, key=lambda page: size[id(page)])
    stacked = int((file.imagej_metadata or {}).get("images", 1)) if file.is_imagej else 1
    rivals = sum(size[id(page)] >= AS_LARGE * size[id(largest)] for page in whole)
    if max(rivals, stacked) > 1:
        raise SlideError(path, f"holds several pictures ({max(rivals, stacked)})", _ONE)
    below = [page for page in [*pages, *(largest.pages or ())] if page.is_reduced and page is not largest]
    return [largest, *sorted(below, key=lambda page: -int(page.imagewidth))]


def _is_usual(file: tifffile.TiffFile, first: Any) -> bool:
    """Whether OpenSlide reads a tiled TIFF as it should."""
    plain = first.index == 0 and not first.subifds and not file.is_imagej and _orientation(first) == UPRIGHT
    eight = first.bitspersample == 8 and int(first.sampleformat) == 1
    colours = int(first.photometric) in (1, 2, 6) and not first.extrasamples
    return plain and eight and colours and int(first.compression) in USUAL_COMPRESSIONS


def _orientation(page: Any) -> int:
    tag = page.tags.get(ORIENTATION_TAG)
    return UPRIGHT if tag is None else int(tag.value)


def _orientation_note(page: Any) -> tuple[str, ...]:
    if _orientation(page) in (0, UPRIGHT):
        return ()
    tag = f"TIFF orientation {_orientation(page)}"
    return (f"the file wants to be shown turned ({tag}) and was read as stored, as most slide viewers do",)


def _mpp(file: tifffile.TiffFile, page: Any) -> Mpp | None:
    x, y = page.resolution
    if file.is_imagej and (mpp := mpp_of_imagej(file.imagej_metadata or {}, (x, y))):
        return mpp
    unit = int(page.resolutionunit)
    inches = {2: 1.0, 3: UM_PER_INCH / 1e4}.get(unit)
    return mpp_of_dots((x * inches, y * inches)) if inches else None


def _profile(page: Any) -> bytes | None:
    """The profile of colours; those of grey and of inks are none of the RGB that these become."""
    return bytes(page.iccprofile) if page.iccprofile and int(page.photometric) in RGB_KINDS else None


def _declared_bits(page: Any) -> int | None:
    tag = page.tags.get("MaxSampleValue")
    highest = int(np.max(tag.value)) if tag is not None else 0
    return max(8, highest.bit_length()) if 0 < highest < 2**16 else None


def _check_size(path: Path, tile_px: int) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and tile_px > 2 * limit:
        raise SlideError(path, "has too many pixels for a plain picture", "save it as a tiled pyramidal TIFF")
