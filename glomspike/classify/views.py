"""How a tile is shown in training: within its surroundings, turned, resized, as another laboratory has it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.classify.tiles import TileGrid
from glomspike.findings import RGB, Mask, Points
from glomspike.learn.augmentation import Float, Rng, compressed, lit, mapped, restained, turned, warped

# A tile lies anywhere in its view, as it lies anywhere in a glomerulus when that is seen as a whole.
CONTEXT_PX = 23
STRIDE_PX = 16
LEAST_SCALE, MOST_SCALE = 0.75, 1.35  # of the µm/px that a slide claims


@dataclass(frozen=True, eq=False)
class View:
    """A square picture of a part of a glomerulus, blank outside the outline.

    `matrix` (2, 3) maps pixels of the grid's field to pixels of the view.
    """

    pixels: RGB
    inside: Mask
    matrix: Float


def view_of(grid: TileGrid, middle_px: Points, rng: Rng) -> tuple[RGB, NDArray[np.float32]]:
    """A square picture with the tile around a point (2,) of a grid's field, and the tile's box in it (4,)."""
    side_px = view_side_px(grid.tile_px)
    room_px = (side_px - grid.tile_px) / 2
    view = view_with(grid, middle_px, side_px / 2 + rng.uniform(-room_px, room_px, 2), side_px, rng)
    middle = mapped(middle_px[None], view.matrix)[0]
    box = np.concatenate([middle - grid.tile_px / 2, middle + grid.tile_px / 2]).astype(np.float32)
    return view.pixels, box


def view_with(grid: TileGrid, middle_px: Points, at_px: Points, side_px: int, rng: Rng) -> View:
    """A view of `side_px` with a point (2,) of a grid's field at a point (2,) of it."""
    scale = float(np.exp(rng.uniform(np.log(LEAST_SCALE), np.log(MOST_SCALE))))
    matrix = turned(rng, side_px, (float(middle_px[0]), float(middle_px[1])), scale)
    matrix[:, 2] += at_px - side_px / 2
    pixels = warped(grid.pixels, matrix, side_px, (0, 0, 0))
    inside = warped(grid.inside.view(np.uint8) * np.uint8(255), matrix, side_px, (0, 0, 0)) == 255
    return View(np.where(inside[..., None], varied(pixels, rng), np.uint8(0)), inside, matrix)


def view_side_px(tile_px: int) -> int:
    """The side of the picture that a tile is shown in."""
    return -(-(tile_px + 2 * CONTEXT_PX) // STRIDE_PX) * STRIDE_PX


def varied(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, in other stain, light, focus and compression that keep spikes visible."""
    if rng.random() < 0.4:
        pixels = restained(pixels, rng)
    return compressed(focused(lit(pixels, rng), rng), rng)


def focused(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, blurred, sharpened or sampled coarsely, so that spikes stay visible."""
    draw = rng.random()
    if draw < 0.25:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.2)), dtype=np.uint8)
    if draw < 0.4:
        soft = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.8, 2.0))
        gain = rng.uniform(0.3, 1.5)
        return np.asarray(cv2.addWeighted(pixels, 1 + gain, soft, -gain, 0), dtype=np.uint8)
    if draw < 0.5:
        height_px, width_px = pixels.shape[:2]
        share = rng.uniform(0.55, 0.9)
        coarse = cv2.resize(
            pixels, (int(width_px * share), int(height_px * share)), interpolation=cv2.INTER_AREA
        )
        return np.asarray(
            cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC), dtype=np.uint8
        )
    return pixels
