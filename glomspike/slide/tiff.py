"""TIFF files that OpenSlide does not read, or not rightly: OME-TIFF, strips, 16 bits, WebP, JPEG 2000.

Pixels are as stored: an orientation that the file has is noted and not applied, since most slide viewers do
not apply it, and annotations must lie where they show the tissue.
"""

import logging
from collections.abc import Sequence
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from glomspike.errors import SlideError, UnreadableRegion
from glomspike.findings import RGB, Mpp
from glomspike.slide.colours import Colours, bits_notes, bits_of, colours_of
from glomspike.slide.levels import fit_levels
from glomspike.slide.ome import AS_LARGE, OmeImage, choose_image, read_ome
from glomspike.slide.orientation import UPRIGHT, turned_notes
from glomspike.slide.scale import UM_PER_INCH, mpp_of_dots, mpp_of_imagej
from glomspike.slide.source import Bounds
from glomspike.slide.tiff_level import COPY_AGAIN, DAMAGE, TiffLevel

MOST_LOST = 0.1  # of level 0's tiles
RGB_KINDS = (2, 3, 6)  # RGB, palettes, YCbCr
ORIENTATION_TAG = 274
MOST_OMITTED_MORE = 0.02  # share of tiles
# None, LZW, JPEG, Deflate, PackBits and Zstandard: what OpenSlide decodes in TIFF of no vendor.
USUAL_COMPRESSIONS = (1, 5, 7, 8, 32773, 32946, 50000)

_ONE = "save the one you want as a separate file"

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters comes as an error


def open_tiff(path: Path, openslide_knows: bool) -> "Tiff | None":
    """The pixels of a TIFF file; None where OpenSlide knows it and reads it as it should.

    Raises ValueError where the file is no TIFF, and SlideError for one that cannot be read or holds several
    pictures of which none is known to be the slide.
    """
    try:
        file = tifffile.TiffFile(path)
        if not len(file.pages):
            raise ValueError("no pages")
    except DAMAGE as error:
        raise ValueError(f"not a TIFF: {error}") from error
    try:
        image = _ome_image(path, file)
        pages = _pages_of_ome(file, image[0]) if image else _plain_pages(path, file)
        if image or not (openslide_knows and _is_usual(file, pages)):
            return Tiff(path, file, pages, image[1] if image else None)
    except SlideError:
        file.close()
        raise
    except DAMAGE as error:
        file.close()
        raise SlideError(path, "cannot be decoded as a TIFF: its tables are damaged", COPY_AGAIN) from error
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
        levels = [TiffLevel(path, file, page, colours, lock) for page in pages]
        omitted = levels[0].omitted
        # A level that omits more than the finest is unfinished.
        self._stored = [level for level in levels if level.omitted <= omitted + MOST_OMITTED_MORE]
        pyramid = fit_levels([level.stored for level in self._stored], self._read_level)
        self.levels, self._numbers = pyramid.levels, pyramid.numbers
        self.notes = (*pyramid.notes, *bits_note, *_orientation_note(first), *_omitted_note(omitted))

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

    def _read_level(self, number: int, x: int, y: int, width_px: int, height_px: int) -> RGB | None:
        try:
            return self._stored[number].read(x, y, width_px, height_px)
        except UnreadableRegion:
            return None

    def _check_length(self, page: Any) -> None:
        """Refuses a file that was cut short. What single tiles have lost is counted while they are read."""
        ends = np.add(page.dataoffsets, page.databytecounts)
        if (ends > self._file.filehandle.size).mean() > MOST_LOST:
            raise SlideError(self._path, "ends before its pixels do", COPY_AGAIN)

    def _colours(self, page: Any, bits: int | None, lock: Lock) -> tuple[Colours, tuple[str, ...]]:
        """How a page's samples become RGB; a note where its values use fewer bits than they have."""
        declared = colours_of(self._path, page)
        if declared.bits != 16:
            return declared, ()
        bits = bits or _declared_bits(page)
        if bits != 16:  # a file may say fewer than it has
            used = bits_of(TiffLevel(self._path, self._file, page, declared, lock).highest_value())
            bits = max(bits or used, used)
        return declared.with_bits(bits), bits_notes(bits)


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
        raise SlideError(path, "lacks the images that its OME-XML names", COPY_AGAIN)
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


def _is_usual(file: tifffile.TiffFile, pages: Sequence[Any]) -> bool:
    """Whether OpenSlide reads a tiled TIFF as it should."""
    first = pages[0]
    # OpenSlide shows a tile of length zero, or one that is in no table, as white glass, without a word.
    complete = all(all(page.databytecounts) and _lists_all(page) for page in pages)
    whole = first.index == 0 and not first.subifds and complete
    plain = whole and not file.is_imagej and _orientation(first) == UPRIGHT
    eight = first.bitspersample == 8 and int(first.sampleformat) == 1
    colours = int(first.photometric) in (1, 2, 6) and not first.extrasamples
    return plain and eight and colours and int(first.compression) in USUAL_COMPRESSIONS


def _lists_all(page: Any) -> bool:
    """Whether the tables of a page have an entry for each of its tiles."""
    return bool(len(page.databytecounts) >= prod(page.chunked))


def _orientation(page: Any) -> int:
    tag = page.tags.get(ORIENTATION_TAG)
    return UPRIGHT if tag is None else int(tag.value)


def _omitted_note(share: float) -> tuple[str, ...]:
    if not share:
        return ()
    percent = "less than 1" if share < 0.01 else f"{100 * share:.0f}"
    return (f"{percent} % of its tiles are not in the file, and count as the empty glass that programs omit",)


def _orientation_note(page: Any) -> tuple[str, ...]:
    return turned_notes("TIFF", _orientation(page))


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
