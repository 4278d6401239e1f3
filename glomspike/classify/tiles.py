"""A glomerulus cut into tiles: overlapping squares of its field, which is blank outside its outline."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from glomspike.findings import RGB, Mask, Outline
from glomspike.geometry.raster import blanked, inside_outline
from glomspike.slide.field import Field

Corners = NDArray[np.intp]  # (n, 2), x before y, in pixels of the field


@dataclass(frozen=True)
class Tiling:
    """How a glomerulus is cut: side and distance of its tiles, the least share of one inside the outline.

    Side and stride are the paper's (Chen et al., section 3.2); which tiles are in a bag it does not say.
    """

    tile_px: int = 50
    stride_px: int = 25
    coverage: float = 0.5

    @classmethod
    def of(cls, arguments: Mapping[str, JsonValue]) -> Self:
        """The tiling among the arguments of a classifier's card; the paper's where the card names none."""
        known: dict[str, Any] = {f.name: arguments[f.name] for f in fields(cls) if f.name in arguments}
        return cls(**known)


PAPERS = Tiling()


@dataclass(frozen=True, eq=False)
class TileGrid:
    """The tiles of one glomerulus: the field they lie in, their upper left corners, their side.

    `pixels` are zero where not `inside` the outline. `unreadable` counts tiles that lie on pixels which could
    not be decoded; they are not in `corners_px`.
    """

    pixels: RGB
    inside: Mask
    corners_px: Corners
    tile_px: int
    unreadable: int

    def sampled(self, rng: np.random.Generator, count: int) -> "TileGrid":
        """The same grid with `count` of its tiles, drawn at random; with all where it has no more."""
        chosen = np.sort(rng.permutation(len(self.corners_px))[:count])
        return replace(self, corners_px=self.corners_px[chosen])

    @property
    def middles_px(self) -> NDArray[np.float64]:
        """The middle of each tile, (n, 2)."""
        return np.asarray(self.corners_px + self.tile_px / 2, dtype=np.float64)


def cut_tiles(field: Field, outline: Outline, tiling: Tiling) -> TileGrid:
    """The tiles of a glomerulus in reading order, sizes being pixels at the field's µm/px.

    Pixels outside the outline are zero (Chen et al., section 3.2).
    """
    inside = inside_outline(outline, field.frame, field.pixels.shape[:2])
    return grid_of(field.pixels, inside, field.readable, tiling)


def grid_of(pixels: RGB, inside: Mask, readable: Mask, tiling: Tiling) -> TileGrid:
    """The tiles of a picture (height, width, 3) with a mask of the glomerulus and one of readable pixels."""
    height, width = inside.shape
    side, stride = tiling.tile_px, tiling.stride_px
    y, x = np.meshgrid(
        np.arange(0, height - side + 1, stride), np.arange(0, width - side + 1, stride), indexing="ij"
    )
    corners = np.stack([x.ravel(), y.ravel()], axis=1)
    counted = covered(inside, corners, tiling)
    spoilt = sums(~readable, corners, side) > 0
    return TileGrid(
        blanked(pixels, inside), inside, corners[counted & ~spoilt], side, int((counted & spoilt).sum())
    )


def covered(inside: Mask, corners_px: Corners, tiling: Tiling) -> NDArray[np.bool_]:
    """Which tiles (n,) hold enough of a glomerulus to count."""
    return np.asarray(sums(inside, corners_px, tiling.tile_px) >= tiling.coverage * tiling.tile_px**2)


def sums(mask: Mask, corners_px: Corners, side_px: int) -> NDArray[np.float64]:
    """How many pixels of each tile are set, by an integral image."""
    table = cv2.integral(mask.astype(np.uint8))
    x, y = corners_px.T
    end_x, end_y = x + side_px, y + side_px
    return np.asarray(table[end_y, end_x] - table[y, end_x] - table[end_y, x] + table[y, x], dtype=np.float64)
