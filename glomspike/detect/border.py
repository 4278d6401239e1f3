"""Pictures that end in the midst of tissue, as fields do: what is left of glomeruli that a border cuts."""

from collections.abc import Sequence

import numpy as np
import shapely

from glomspike.findings import RGB, Points
from glomspike.geometry.raster import largest, vertices
from glomspike.learn.augmentation import Rng
from glomspike.learn.truth import outlined

# A piece of a glomerulus at the border of its picture is neither required nor forbidden if it is smaller.
LEAST_PIECE_RADIUS_UM = 30.0
# How often a border is drawn through a glomerulus rather than anywhere, and is followed by white.
THROUGH_ONE, WHITE_BEYOND = 0.7, 0.7

Box = tuple[float, float, float, float]  # left, top, right, bottom


def bordered(pixels: RGB, outlines_px: Sequence[Points], rng: Rng) -> tuple[RGB, Box]:
    """A picture of the same shape that ends at a new border on one of its sides, and the box that remains.

    The larger part remains; beyond it there is mostly white, as the detector sees it beyond a picture.
    """
    side_px, axis = pixels.shape[0], int(rng.integers(2))
    place = rng.uniform(0.1, 0.9) * side_px
    if outlines_px and rng.random() < THROUGH_ONE:
        circle = outlined(outlines_px[int(rng.integers(len(outlines_px)))])
        place = (circle.x_px, circle.y_px)[axis] + rng.uniform(-0.9, 0.9) * circle.radius_px
    place = float(np.clip(np.round(place), 0, side_px))
    low, high = (place, float(side_px)) if place < side_px / 2 else (0.0, place)
    box = (low, 0.0, high, float(side_px)) if axis == 0 else (0.0, low, float(side_px), high)
    left, top, right, bottom = map(int, box)
    beyond = 255 if rng.random() < WHITE_BEYOND else int(rng.integers(256))
    ended = np.full_like(pixels, beyond)
    ended[top:bottom, left:right] = pixels[top:bottom, left:right]
    return ended, box


def left_of(outline_px: Points, box: Box) -> Points | None:
    """The largest piece (m, 2) of an outline (n, 2) that lies in a box, None where there is none."""
    piece = largest(shapely.clip_by_rect(shapely.Polygon(outline_px), *box))
    return None if piece is None else vertices(piece)


def is_small_piece(outline_px: Points, box: Box, mpp: float) -> bool:
    """Whether an outline ends at a box's edge and is too small for anyone to say that it is a glomerulus."""
    left, top = outline_px.min(axis=0)
    right, bottom = outline_px.max(axis=0)
    ends = left < box[0] + 2 or top < box[1] + 2 or right > box[2] - 2 or bottom > box[3] - 2
    return bool(ends and outlined(outline_px).radius_px * mpp < LEAST_PIECE_RADIUS_UM)
