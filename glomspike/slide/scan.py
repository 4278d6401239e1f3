"""Whole-slide scans of every vendor that OpenSlide knows."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openslide
from PIL import Image, ImageCms

from glomspike.errors import SlideError, UnreadableRegion
from glomspike.findings import RGB, Mpp
from glomspike.slide.levels import StoredLevel, fit_levels
from glomspike.slide.source import Bounds

TILE_CACHE_BYTES = 256 * 2**20
_shared = {"tile cache": openslide.OpenSlideCache(TILE_CACHE_BYTES)}  # by all slides of the process

_COPY_AGAIN = "copy the slide again, or scan it again if the original is damaged too"


def limit_tile_cache(capacity_bytes: int) -> None:
    """Lets all slides that are opened from now on keep so many bytes of decoded tiles together."""
    _shared["tile cache"] = openslide.OpenSlideCache(capacity_bytes)


class Scan:
    """The pixels of a scan. Raises SlideError where OpenSlide knows the format but cannot open the file,
    and openslide.OpenSlideUnsupportedFormatError where it does not know it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._handle: openslide.OpenSlide | None = _open(path)
            properties = self._handle.properties
            self.vendor: str = properties[openslide.PROPERTY_NAME_VENDOR]
            self.mpp = _mpp(properties)
            self.profile = _profile(self._handle)
            self._stored = _stored_levels(self._handle)
            self.bounds = _bounds(properties, self._stored[0])
            lacks_level0 = properties.get("dicom.ImageType[3]") == "RESAMPLED"
        except openslide.OpenSlideUnsupportedFormatError:
            raise
        except openslide.OpenSlideError as error:
            raise SlideError(path, f"cannot be opened as a slide ({error})", _cure(error)) from error
        if lacks_level0:
            cure = "copy all files of the series into one folder"
            raise SlideError(path, "is a DICOM series without its finest level", cure)
        pyramid = fit_levels(self._stored, self._read_level)
        self.levels, self._numbers, self.notes = pyramid.levels, pyramid.numbers, pyramid.notes

    def crop(self, level: int, corner_x0: int, corner_y0: int, width_px: int, height_px: int) -> Image.Image:
        """See `PixelSource.crop`."""
        pixels = self._region((corner_x0, corner_y0), self._numbers[level], (width_px, height_px))
        if pixels.getchannel("A").getextrema()[0] == 255:
            return self._without_padding(pixels.convert("RGB"), level, corner_x0, corner_y0)
        if self.vendor == "aperio" and self._misses_tiles(pixels, level, corner_x0, corner_y0):
            cause = f"has no pixels at level-0 pixel {corner_x0}, {corner_y0} (tiles of length zero)"
            raise UnreadableRegion(self._path, cause, _COPY_AGAIN)
        return self._without_padding(_on_white(pixels), level, corner_x0, corner_y0)

    def _without_padding(
        self, pixels: Image.Image, level: int, corner_x0: int, corner_y0: int
    ) -> Image.Image:
        """The same, white where tiles go on beyond the level."""
        of = self.levels[level]
        right_px = math.ceil(of.width_px - corner_x0 / of.step0)
        lower_px = math.ceil(of.height_px - corner_y0 / of.step0)
        if right_px < pixels.width:
            pixels.paste("white", (max(0, right_px), 0, pixels.width, pixels.height))
        if lower_px < pixels.height:
            pixels.paste("white", (0, max(0, lower_px), pixels.width, pixels.height))
        return pixels

    def _misses_tiles(self, pixels: Image.Image, level: int, corner_x0: int, corner_y0: int) -> bool:
        """Whether a crop is transparent inside the level; scans of other vendors have gaps between fields."""
        of = self.levels[level]
        right_px, lower_px = of.width_px - corner_x0 / of.step0, of.height_px - corner_y0 / of.step0
        inside = 0, 0, min(pixels.width, int(right_px) - 1), min(pixels.height, int(lower_px) - 1)
        if inside[2] <= 0 or inside[3] <= 0:
            return False
        return pixels.getchannel("A").crop(inside).getextrema()[0] == 0

    def _region(self, corner0: tuple[int, int], number: int, size_px: tuple[int, int]) -> Image.Image:
        """A region of a level of the file in RGBA."""
        if self._handle is None:
            raise ValueError(f"{self._path} is closed")
        try:
            return self._handle.read_region(corner0, number, size_px)
        except openslide.OpenSlideError:
            return self._region_afresh(corner0, number, size_px)

    def _region_afresh(self, corner0: tuple[int, int], number: int, size_px: tuple[int, int]) -> Image.Image:
        # A handle stays broken after its first error, and any thread may have broken the shared one:
        # only a fresh handle shows whether this region is at fault.
        try:
            handle = _open(self._path)
            pixels = handle.read_region(corner0, number, size_px)
        except openslide.OpenSlideError as error:
            cause = f"cannot be decoded at level-0 pixel {corner0[0]}, {corner0[1]} ({error})"
            raise UnreadableRegion(self._path, cause, _COPY_AGAIN) from error
        self._handle = handle
        return pixels

    def _read_level(self, number: int, x: int, y: int, width_px: int, height_px: int) -> RGB | None:
        """A part of a level of the file, in its pixels; None where it cannot be decoded."""
        step0 = self._stored[number].step0
        try:
            pixels = self._region((round(x * step0), round(y * step0)), number, (width_px, height_px))
        except UnreadableRegion:
            return None
        return np.asarray(_on_white(pixels))

    def close(self) -> None:
        """Let go of the file. A handle closes with its last user: other threads may still be reading."""
        self._handle = None


def _profile(handle: openslide.OpenSlide) -> bytes | None:
    try:
        profile = handle.color_profile
    except ImageCms.PyCMSError:
        return b""  # none that can be used
    return None if profile is None else profile.tobytes()


def _cure(error: openslide.OpenSlideError) -> str:
    """What to do about a slide that OpenSlide cannot open: not all that it refuses is damaged."""
    if any(word in str(error) for word in ("nsupported", "ompression", "Attribute")):
        return "save it again as a JPEG-compressed TIFF"
    return _COPY_AGAIN


def _open(path: Path) -> openslide.OpenSlide:
    handle = openslide.OpenSlide(path)
    handle.set_cache(_shared["tile cache"])
    return handle


def _stored_levels(handle: openslide.OpenSlide) -> list[StoredLevel]:
    sizes_px = zip(handle.level_dimensions, handle.level_downsamples, strict=True)
    return [
        StoredLevel(*size_px, *_tile_size_px(handle.properties, number), downsample)
        for number, (size_px, downsample) in enumerate(sizes_px)
    ]


def _tile_size_px(properties: Mapping[str, str], level: int) -> tuple[int, int]:
    """Width and height of a level's tiles, 0 where it has none."""
    name = f"openslide.level[{level}].tile"
    return int(properties.get(f"{name}-width", 0)), int(properties.get(f"{name}-height", 0))


def _on_white(pixels: Image.Image) -> Image.Image:
    white = Image.new("RGB", pixels.size, "white")
    white.paste(pixels, mask=pixels)
    return white


def _mpp(properties: Mapping[str, str]) -> Mpp | None:
    try:
        return Mpp(
            float(properties[openslide.PROPERTY_NAME_MPP_X]), float(properties[openslide.PROPERTY_NAME_MPP_Y])
        )
    except (KeyError, ValueError):
        return None


def _bounds(properties: Mapping[str, str], level0: StoredLevel) -> Bounds:
    try:
        return Bounds(
            int(properties[openslide.PROPERTY_NAME_BOUNDS_X]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_Y]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_WIDTH]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_HEIGHT]),
        )
    except KeyError:
        return Bounds(0, 0, level0.width_px, level0.height_px)
