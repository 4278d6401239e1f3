"""A tiled pyramidal TIFF that OpenSlide opens as an Aperio slide, written tile by tile."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import tifffile

from glomspike.findings import RGB

TILE_PX = 256
BAND_PX = 1024  # height of what is painted at once
STEP = 4  # between levels
LAST_LEVEL_PX = 1024  # no level smaller than this is halved again
THUMBNAIL_PX = 768

Block = Callable[[int, int, int, int], RGB]  # x, y, width, height in pixels to pixels


@dataclass(frozen=True)
class File:
    """How a slide's file describes and compresses its pixels."""

    mpp: float
    objective: float
    quality: int  # of JPEG, 1 to 100
    compression: Literal["jpeg", "jpeg2000"] = "jpeg"

    def codec(self) -> dict[str, Any]:
        """Arguments for tifffile. JPEG 2000 takes its quality as a signal-to-noise ratio in decibels."""
        if self.compression == "jpeg":
            return {"compression": "jpeg", "compressionargs": {"level": self.quality}}
        return {"compression": "aperio_jp2000_rgb", "compressionargs": {"level": 22 + self.quality // 4}}


def write_pyramid(path: Path, block: Block, width_px: int, height_px: int, file: File) -> None:
    """Writes a slide whose pixels `block(x, y, width, height)` gives, compressed, with its levels.

    Level 0 is requested band by band, each pixel once; coarser levels are averages of it and wait on disk.
    """
    sizes = _level_sizes(width_px, height_px)
    description = (
        f"Aperio Image Library v12.0.0 (glomspike phantom)\n{width_px}x{height_px} "
        f"({TILE_PX}x{TILE_PX}) {'JPEG' if file.compression == 'jpeg' else 'J2K'}/RGB Q={file.quality}"
        f"|AppMag = {file.objective:g}|MPP = {file.mpp:g}"
    )
    big = width_px * height_px > 2**30
    with tempfile.TemporaryFile() as store, tifffile.TiffWriter(path, bigtiff=big) as tiff:
        wide, high = sizes[1] if len(sizes) > 1 else sizes[0]
        level1 = np.memmap(store, dtype=np.uint8, mode="w+", shape=(high, wide, 3))
        write = partial(
            tiff.write,
            photometric="rgb",
            metadata=None,
            software="glomspike",
            description=description,
        )
        write_tiled = partial(write, tile=(TILE_PX, TILE_PX), dtype=np.uint8, **file.codec())
        tiles = _tiles_of_blocks(block, width_px, height_px, level1)
        write_tiled(tiles, shape=(height_px, width_px, 3))
        # Aperio keeps it, stripped, as the file's second picture.
        write(_thumbnail(level1), rowsperstrip=16, compression="jpeg")
        level: RGB = level1
        for wide, high in sizes[1:]:
            if level.shape[:2] != (high, wide):
                level = np.asarray(cv2.resize(level, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
            write_tiled(_tiles(level), shape=level.shape)


def _thumbnail(level: RGB) -> RGB:
    height, width = level.shape[:2]
    shrink = min(1.0, THUMBNAIL_PX / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _level_sizes(width_px: int, height_px: int) -> list[tuple[int, int]]:
    sizes = [(width_px, height_px)]
    while max(sizes[-1]) > LAST_LEVEL_PX:
        sizes.append((max(1, sizes[-1][0] // STEP), max(1, sizes[-1][1] // STEP)))
    return sizes


def _tiles_of_blocks(block: Block, width_px: int, height_px: int, level1: RGB) -> Iterator[RGB]:
    """Tiles of level 0 in row order; fills the next level on the way."""
    step = STEP if level1.shape[1] < width_px else 1
    for top in range(0, height_px, BAND_PX):
        band = block(0, top, width_px, min(BAND_PX, height_px - top))
        small = level1[top // step : (top + len(band)) // step]
        if step == 1:
            small[:] = band
        elif len(small):  # the last band may be too low for a row of the next level
            small[:] = cv2.resize(band, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        yield from _tiles(band)


def _tiles(picture: RGB) -> Iterator[RGB]:
    for top in range(0, picture.shape[0], TILE_PX):
        for left in range(0, picture.shape[1], TILE_PX):
            tile = picture[top : top + TILE_PX, left : left + TILE_PX]
            missing = (TILE_PX - tile.shape[0], TILE_PX - tile.shape[1])
            # Repeating the border keeps it free of the ringing that a jump to black would cause.
            yield np.pad(tile, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
