"""Opens any slide and reads its regions at any scale: the only way to pixels in this program."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import openslide
from PIL import Image

from glomspike.errors import NoScaleError, SlideError
from glomspike.findings import RGB, Mpp, SlideFacts
from glomspike.geometry.frames import FieldFrame
from glomspike.names import as_text
from glomspike.slide.dicom import check_tiles
from glomspike.slide.field import read_field
from glomspike.slide.picture import Picture
from glomspike.slide.profile import ColourProfile
from glomspike.slide.readable import check_readable
from glomspike.slide.scan import Scan
from glomspike.slide.source import Level, PixelSource
from glomspike.slide.unread import refuse_unread

MIN_MPP = 0.05
MAX_MPP = 5.0
SQUARE = 1.05  # how much longer than wide a microscope's pixels may be
WIDEST_MM = 100.0  # of what is on a glass of 75 mm
ROUNDED = 0.02  # by how much a typed scale may differ from the file's and mean the same

# The largest side that OpenSlide reads in one piece: beyond it, corners of its pieces are cut to whole
# level-0 pixels. It also bounds the memory of a read from a slide without lower levels.
BLOCK_PX = 4096

# A level this little coarser than what is wanted is still taken for it.
LEVEL_TOLERANCE = 1.01

_FILTER = Image.Resampling.BICUBIC
_FILTER_RADIUS_PX = 2  # of the filter above, in the coarser of its two grids


def open_slide(path: str | os.PathLike[str], mpp: float | None = None) -> "Slide":
    """A slide of any vendor that OpenSlide knows, or a PNG, JPEG or TIFF picture.

    `mpp` is µm/px as the user knows it: for slides that have no usable value, and in place of a wrong one.
    Raises SlideError for a path that is not a readable slide, and for a scale that is missing or outside
    0.05 to 5 µm/px.
    """
    path = Path(path)
    return Slide(path, open_source(path), mpp)


def read_picture(path: Path) -> RGB:
    """Return a plain picture (height, width, 3) as sRGB on white, the pixels that a slide of it has.

    It needs no µm/px. Raises SlideError as `open_slide` does, but for the scale, and where it is as large as
    a slide.
    """
    source = open_source(path)
    try:
        level = source.levels[0]
        if Image.MAX_IMAGE_PIXELS and level.width_px * level.height_px > 2 * Image.MAX_IMAGE_PIXELS:
            cause = f"has too many pixels for a picture, {level.width_px} x {level.height_px}"
            raise SlideError(path, cause, "cut out the field that is meant")
        stored = source.crop(0, 0, 0, level.width_px, level.height_px)
        return np.array(ColourProfile(source.profile).in_srgb(stored))
    finally:
        source.close()


def open_source(path: Path) -> PixelSource:
    """OpenSlide where it knows the file as some vendor's, or as a TIFF that it reads as it should.

    Raises SlideError for a path that is not a readable slide.
    """
    check_readable(path)
    vendor = openslide.OpenSlide.detect_format(path)
    refuse_unread(path, is_known=vendor is not None)
    if vendor == "dicom":
        check_tiles(path)
    if vendor not in (None, "generic-tiff"):
        return Scan(path)
    from glomspike.slide.tiff import open_tiff

    try:
        return open_tiff(path, openslide_knows=vendor is not None) or Scan(path)
    except ValueError:  # no TIFF
        return Scan(path) if vendor else Picture(path)


class Slide:
    """An open slide; any number of threads may read from it at once. Close it, or use it in `with`."""

    def __init__(self, path: Path, source: PixelSource, mpp: float | None = None) -> None:
        self.path = path
        self._source = source
        self._profile = ColourProfile(source.profile)
        level0, bounds = source.levels[0], source.bounds
        self.facts = SlideFacts(
            name=as_text(path.name),
            vendor=source.vendor,
            width0=level0.width_px,
            height0=level0.height_px,
            mpp=_usable_mpp(path, source.mpp, mpp),
            file_mpp=source.mpp,
            bounds_x0=bounds.x0,
            bounds_y0=bounds.y0,
            bounds_width0=bounds.width0,
            bounds_height0=bounds.height0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; reading is over."""
        self._source.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know of the file, one sentence each."""
        return (*_scale_notes(self.facts), *self._source.notes, *self._profile.notes)

    @property
    def level_mpps(self) -> tuple[float, ...]:
        """µm/px of each level, finest first; of the coarser axis where the two differ."""
        return tuple(self._level_mpp(level) for level in self._source.levels)

    def level_mpp_for(self, mpp: float) -> float:
        """µm/px of the level that `read` takes for `mpp` µm/px."""
        return self.level_mpps[self._level_for(mpp)]

    def read(self, x0: float, y0: float, width0: float, height0: float, mpp: float) -> RGB:
        """The region as sRGB on white, (round(height), round(width)) square pixels of `mpp` µm.

        The corner `x0`, `y0` and the size are level-0 pixels, fractions included, and the corner of the
        first pixel lies exactly there. Read from the nearest finer level, or level 0, and resampled with
        antialiasing; what is outside the slide is white. Raises UnreadableRegion where a part of it cannot
        be decoded.
        """
        slide_mpp = self.facts.mpp
        width_px = max(1, round(width0 * slide_mpp.x / mpp))
        height_px = max(1, round(height0 * slide_mpp.y / mpp))
        index = self._level_for(mpp)
        level = self._source.levels[index]
        columns = _pieces(x0 / level.scale_x0, width_px, mpp / slide_mpp.x / level.scale_x0, level.step0)
        rows = _pieces(y0 / level.scale_y0, height_px, mpp / slide_mpp.y / level.scale_y0, level.step0)
        pixels = np.empty((height_px, width_px, 3), dtype=np.uint8)
        for down in rows:
            for across in columns:
                crop = self._crop(index, across, down)
                picture = self._profile.in_srgb(_resampled(crop, across, down))
                pixels[down.place, across.place] = np.asarray(picture)
        return pixels

    def thumbnail(self, longest_px: int) -> tuple[RGB, FieldFrame]:
        """The slide's bounds as a picture with a longer side of `longest_px`, and its frame; never enlarged.

        Parts that cannot be decoded are white.
        """
        facts = self.facts
        width_um, height_um = facts.bounds_width0 * facts.mpp.x, facts.bounds_height0 * facts.mpp.y
        mpp = max(max(width_um, height_um) / longest_px, min(facts.mpp.x, facts.mpp.y))
        size_px = max(1, round(width_um / mpp)), max(1, round(height_um / mpp))
        field = read_field(self, facts.bounds_x0, facts.bounds_y0, *size_px, mpp)
        return field.pixels, field.frame

    def _crop(self, index: int, across: "_Piece", down: "_Piece") -> Image.Image:
        width_px, height_px = across.length_px - across.pad_px, down.length_px - down.pad_px
        if across.pad_px == 0 and down.pad_px == 0:
            return self._source.crop(index, across.corner0, down.corner0, width_px, height_px)
        crop = Image.new("RGB", (across.length_px, down.length_px), "white")
        if width_px > 0 and height_px > 0:
            inside = self._source.crop(index, across.corner0, down.corner0, width_px, height_px)
            crop.paste(inside, (across.pad_px, down.pad_px))
        return crop

    def _level_mpp(self, level: Level) -> float:
        return max(level.scale_x0 * self.facts.mpp.x, level.scale_y0 * self.facts.mpp.y)

    def _level_for(self, mpp: float) -> int:
        """The coarsest level that is not coarser than `mpp`, else level 0."""
        limit_mpp = mpp * LEVEL_TOLERANCE
        return max((i for i, level_mpp in enumerate(self.level_mpps) if level_mpp <= limit_mpp), default=0)


@dataclass(frozen=True)
class _Piece:
    """One axis of a part of a picture, and the crop of a level that it is resampled from.

    `place` is in picture pixels. The crop is `length_px` level pixels long: `pad_px` white ones that lie
    before the slide, then those from level-0 pixel `corner0` on. The part spans its pixels `start_px` to
    `stop_px`.
    """

    place: slice
    corner0: int
    pad_px: int
    length_px: int
    start_px: float
    stop_px: float

    @property
    def size(self) -> int:
        return int(self.place.stop - self.place.start)

    @property
    def is_copy(self) -> bool:
        """Whether the part has the level's pixels as they are."""
        return self.start_px.is_integer() and self.stop_px - self.start_px == self.size


def _pieces(corner_px: float, length_px: int, ratio: float, step0: float) -> list[_Piece]:
    """Cuts one axis of a picture so that no crop is longer than BLOCK_PX.

    The picture begins at level pixel `corner_px` and has `ratio` level pixels to each of its pixels.
    """
    # Pixels that are copied need none beside them, which would be decoded from up to eight tiles more.
    # With a margin as wide as the filter, neighbouring pieces meet without a seam. One pixel more, because
    # a crop begins at a whole level pixel, and that at a whole level-0 pixel.
    is_copied = ratio == 1 and float(corner_px).is_integer() and float(step0).is_integer()
    margin_px = 0 if is_copied else math.ceil(_FILTER_RADIUS_PX * max(ratio, 1.0)) + 1
    side = max(1, int((BLOCK_PX - 2 * margin_px - 2) / ratio))
    pieces = []
    for first in range(0, length_px, side):
        place = slice(first, min(first + side, length_px))
        begin_px = corner_px + place.start * ratio
        crop_px = math.floor(begin_px - margin_px)
        # OpenSlide rounds negative corners to whole level pixels, so it is never given one.
        pad_px = max(0, -crop_px)
        corner0 = math.floor(max(0, crop_px) * step0)
        start_px = begin_px - corner0 / step0 + pad_px
        stop_px = start_px + (place.stop - place.start) * ratio
        pieces.append(_Piece(place, corner0, pad_px, math.ceil(stop_px) + margin_px, start_px, stop_px))
    return pieces


def _resampled(crop: Image.Image, across: _Piece, down: _Piece) -> Image.Image:
    """The part of a picture that two pieces span, from their crop of a level."""
    box = across.start_px, down.start_px, across.stop_px, down.stop_px
    if across.is_copy and down.is_copy:
        left, top, right, bottom = map(int, box)
        return crop.crop((left, top, right, bottom))
    return crop.resize((across.size, down.size), _FILTER, box)


def _usable_mpp(path: Path, file_mpp: Mpp | None, option: float | None) -> Mpp:
    """The option's scale where there is one, else the slide's. Raises SlideError for neither."""
    allowed = f"{MIN_MPP} to {MAX_MPP:g} µm/px"
    if option is not None:
        if not _is_sane(option):
            raise SlideError(path, f"--mpp {option:g} is outside {allowed}", "give the slide's true µm/px")
        return Mpp(option, option)
    if file_mpp is None:
        raise NoScaleError(path, "has no µm/px", "give it with --mpp")
    if _is_sane(file_mpp.x) and _is_sane(file_mpp.y):
        return file_mpp
    cause = f"says {file_mpp.x:g} x {file_mpp.y:g} µm/px, outside {allowed}"
    raise SlideError(path, cause, "give the true value with --mpp")


def _scale_notes(facts: SlideFacts) -> tuple[str, ...]:
    """Where the scale is not what the file says, beyond a rounding, or not what a microscope has."""
    return (*_typed_notes(facts), *_odd_notes(facts))


def _odd_notes(facts: SlideFacts) -> Iterator[str]:
    x, y = facts.mpp.x, facts.mpp.y
    if max(x, y) > SQUARE * min(x, y):
        size = f"{x:.4g} x {y:.4g} µm"
        yield f"its pixels are taken to be {size} large, as the file says: give --mpp if they are square"
    wide_mm = max(facts.bounds_width0 * x, facts.bounds_height0 * y) / 1000
    if wide_mm > WIDEST_MM:
        yield f"at {max(x, y):.4g} µm/px the slide would be {wide_mm:.0f} mm long: check its µm/px"


def _typed_notes(facts: SlideFacts) -> tuple[str, ...]:
    used, in_file = facts.mpp, facts.file_mpp
    if in_file is None or all(
        math.isclose(*pair, rel_tol=ROUNDED) for pair in ((used.x, in_file.x), (used.y, in_file.y))
    ):
        return ()
    file = f"{in_file.x:.4g}" if in_file.x == in_file.y else f"{in_file.x:.4g} x {in_file.y:.4g}"
    return (f"{used.x:g} µm/px is used as given, although the slide records {file} µm/px",)


def _is_sane(mpp: float) -> bool:
    return MIN_MPP <= mpp <= MAX_MPP
