"""A glomerulus cut into tiles: half-overlapping squares of its field, blank outside its outline."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB, Mask, Outline
from glomspike.slide.field import Field
from glomspike.slide.raster import inside_outline

TILE_PX = 50
STRIDE_PX = 25
COVERAGE = 0.5  # least share of a tile that lies inside the outline

Corners = NDArray[np.intp]  # (n, 2), x before y, in pixels of the field


@dataclass(frozen=True, eq=False)
class TileGrid:
    """The tiles of one glomerulus: the blanked field they are cut from, and their upper left corners.

    `unreadable` counts tiles that lie on pixels which could not be decoded; they are not in `corners_px`.
    """

    pixels: RGB
    corners_px: Corners
    unreadable: int

    def sampled(self, rng: np.random.Generator, count: int) -> "TileGrid":
        """The same grid with `count` of its tiles, drawn at random; with all where it has no more."""
        chosen = np.sort(rng.permutation(len(self.corners_px))[:count])
        return replace(self, corners_px=self.corners_px[chosen])

    def cut(self, indices: NDArray[np.intp] | slice = slice(None)) -> RGB:
        """The chosen tiles, (n, 50, 50, 3)."""
        if len(self.corners_px) == 0:
            return np.zeros((0, TILE_PX, TILE_PX, 3), dtype=np.uint8)
        windows = np.lib.stride_tricks.sliding_window_view(self.pixels, (TILE_PX, TILE_PX), axis=(0, 1))
        x, y = self.corners_px[indices].T
        return np.ascontiguousarray(windows[y, x].transpose(0, 2, 3, 1))


def cut_tiles(field: Field, outline: Outline) -> TileGrid:
    """The tiles of a glomerulus in reading order: those at least half inside its outline.

    Tiles of 50 px at the field's µm/px, 25 px apart; pixels outside the outline are zero (Chen et al.,
    section 3.2; coverage is ours, the paper does not say which tiles are in a bag).
    """
    inside = inside_outline(outline, field.frame, field.pixels.shape[:2])
    return grid_of(field.pixels, inside, field.readable)


def grid_of(pixels: RGB, inside: Mask, readable: Mask) -> TileGrid:
    """The tiles of a picture (height, width, 3) with a mask of the glomerulus and one of readable pixels."""
    blanked = np.where(inside[..., None], pixels, np.uint8(0))
    height, width = inside.shape
    y, x = np.meshgrid(
        np.arange(0, height - TILE_PX + 1, STRIDE_PX),
        np.arange(0, width - TILE_PX + 1, STRIDE_PX),
        indexing="ij",
    )
    corners = np.stack([x.ravel(), y.ravel()], axis=1)
    covered = _sums(inside, corners) >= COVERAGE * TILE_PX**2
    spoilt = _sums(~readable, corners) > 0
    return TileGrid(blanked, corners[covered & ~spoilt], int((covered & spoilt).sum()))


def _sums(mask: Mask, corners_px: Corners) -> NDArray[np.float64]:
    """How many pixels of each tile are set, by an integral image."""
    table = cv2.integral(mask.astype(np.uint8))
    x, y = corners_px.T
    end_x, end_y = x + TILE_PX, y + TILE_PX
    return np.asarray(table[end_y, end_x] - table[y, end_x] - table[end_y, x] + table[y, x], dtype=np.float64)
