"""Whole-slide scans of every vendor that OpenSlide knows."""

from collections.abc import Mapping
from pathlib import Path

import openslide
from PIL import Image

from glomspike.errors import SlideError, UnreadableRegion
from glomspike.findings import Mpp
from glomspike.slide.source import Bounds, Level

TILE_CACHE_BYTES = 256 * 2**20
_tile_cache = openslide.OpenSlideCache(TILE_CACHE_BYTES)  # shared by all slides of the process

_COPY_AGAIN = "copy the slide again, or scan it again if the original is damaged too"


class Scan:
    """The pixels of a scan. Raises SlideError where OpenSlide knows the format but cannot open the file,
    and openslide.OpenSlideUnsupportedFormatError where it does not know it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._handle: openslide.OpenSlide | None = _open(path)
            properties = self._handle.properties
            self.levels = _levels(self._handle)
        except openslide.OpenSlideUnsupportedFormatError:
            raise
        except openslide.OpenSlideError as error:
            raise SlideError(path, f"cannot be opened as a slide ({error})", _COPY_AGAIN) from error
        self.vendor: str = properties[openslide.PROPERTY_NAME_VENDOR]
        self.mpp = _mpp(properties)
        self.bounds = _bounds(properties, self.levels[0])

    def crop(self, level: int, corner_x0: int, corner_y0: int, width_px: int, height_px: int) -> Image.Image:
        """See `PixelSource.crop`."""
        region = (corner_x0, corner_y0), level, (width_px, height_px)
        if self._handle is None:
            raise ValueError(f"{self._path} is closed")
        try:
            pixels = self._handle.read_region(*region)
        except openslide.OpenSlideError:
            pixels = self._crop_afresh(*region)
        if pixels.getchannel("A").getextrema()[0] == 255:
            return pixels.convert("RGB")
        if self.vendor == "aperio" and self._misses_tiles(pixels, level, corner_x0, corner_y0):
            cause = f"has no pixels at level-0 pixel {corner_x0}, {corner_y0} (tiles of length zero)"
            raise UnreadableRegion(self._path, cause, _COPY_AGAIN)
        white = Image.new("RGB", pixels.size, "white")
        white.paste(pixels, mask=pixels)
        return white

    def _misses_tiles(self, pixels: Image.Image, level: int, corner_x0: int, corner_y0: int) -> bool:
        """Whether a crop is transparent inside the level; scans of other vendors have gaps between fields."""
        of = self.levels[level]
        right_px, lower_px = of.width_px - corner_x0 / of.step0, of.height_px - corner_y0 / of.step0
        inside = 0, 0, min(pixels.width, int(right_px) - 1), min(pixels.height, int(lower_px) - 1)
        if inside[2] <= 0 or inside[3] <= 0:
            return False
        return pixels.getchannel("A").crop(inside).getextrema()[0] == 0

    def _crop_afresh(self, corner0: tuple[int, int], level: int, size_px: tuple[int, int]) -> Image.Image:
        # A handle stays broken after its first error, and any thread may have broken the shared one:
        # only a handle that nobody else has seen tells whether this region is at fault.
        try:
            handle = _open(self._path)
            pixels = handle.read_region(corner0, level, size_px)
        except openslide.OpenSlideError as error:
            cause = f"cannot be decoded at level-0 pixel {corner0[0]}, {corner0[1]} ({error})"
            raise UnreadableRegion(self._path, cause, _COPY_AGAIN) from error
        self._handle = handle
        return pixels

    def close(self) -> None:
        """Let go of the file. A handle closes with its last user: other threads may still be reading."""
        self._handle = None


def _open(path: Path) -> openslide.OpenSlide:
    handle = openslide.OpenSlide(path)
    handle.set_cache(_tile_cache)
    return handle


def _levels(handle: openslide.OpenSlide) -> tuple[Level, ...]:
    sizes_px = handle.level_dimensions
    return tuple(
        Level(*size_px, *_true_scale0(sizes_px[0], size_px, downsample), downsample)
        for size_px, downsample in zip(sizes_px, handle.level_downsamples, strict=True)
    )


def _true_scale0(size0: tuple[int, int], size_px: tuple[int, int], downsample: float) -> tuple[float, float]:
    """Level-0 pixels per level pixel along x and y.

    Scanners halve and drop the odd pixel, so that the ratio of the sizes, which OpenSlide takes for the
    downsample, is a little above the whole number that it is.
    """
    whole = round(downsample)
    off_px = max(abs(full / whole - part) for full, part in zip(size0, size_px, strict=True))
    if downsample == whole or off_px <= 1:
        return float(whole), float(whole)
    return size0[0] / size_px[0], size0[1] / size_px[1]


def _mpp(properties: Mapping[str, str]) -> Mpp | None:
    try:
        return Mpp(
            float(properties[openslide.PROPERTY_NAME_MPP_X]), float(properties[openslide.PROPERTY_NAME_MPP_Y])
        )
    except (KeyError, ValueError):
        return None


def _bounds(properties: Mapping[str, str], level0: Level) -> Bounds:
    try:
        return Bounds(
            int(properties[openslide.PROPERTY_NAME_BOUNDS_X]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_Y]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_WIDTH]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_HEIGHT]),
        )
    except KeyError:
        return Bounds(0, 0, level0.width_px, level0.height_px)
