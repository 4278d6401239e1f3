"""Outlines as masks, and masks as outlines."""

import contourpy
import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.findings import RGB, Mask, Outline, Points
from glomspike.geometry.frames import FieldFrame

_FRACTION_BITS = 4  # OpenCV takes vertices in sixteenths of a pixel
_FINER = 4


def inside_outline(outline: Outline, frame: FieldFrame, shape: tuple[int, int]) -> Mask:
    """True inside an outline, for a picture of `shape` (height, width) that lies at `frame`."""
    # OpenCV counts from the middle of the first pixel, frames from its edge.
    vertices_px = frame.from_level0(outline.polygon0) - 0.5
    fixed = np.round(vertices_px * (1 << _FRACTION_BITS)).astype(np.int32)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [fixed], (1,), lineType=cv2.LINE_8, shift=_FRACTION_BITS)
    return mask.astype(np.bool_)


def blanked(picture: RGB, inside: Mask) -> RGB:
    """The picture (height, width, 3), black where not inside."""
    return np.asarray(cv2.bitwise_and(picture, picture, mask=inside.view(np.uint8)), dtype=np.uint8)


def filled(polygon_px: Points, side_px: int) -> Mask:
    """True for the pixels of a square of `side_px` that lie at least half inside a polygon (n, 2)."""
    # OpenCV also marks whatever the edge touches: at four times the size that is an eighth of a pixel.
    vertices = np.round((polygon_px * _FINER - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
    finer = np.zeros((side_px * _FINER, side_px * _FINER), np.uint8)
    cv2.fillPoly(finer, [vertices], (255,), lineType=cv2.LINE_8, shift=_FRACTION_BITS)
    return np.asarray(cv2.resize(finer, (side_px, side_px), interpolation=cv2.INTER_AREA) >= 128)


def traced(surface: NDArray[np.float32]) -> shapely.Polygon | None:
    """The largest region in which a surface (height, width) exceeds 0.5, without its holes, in pixels.

    Its edge runs where the surface, linear between the middles of pixels, is 0.5. None where there is none.
    """
    # The padding closes regions at the border and moves all by one; pixels' middles lie at halves.
    lines = contourpy.contour_generator(z=np.pad(surface, 1)).lines(0.5)
    rings = [shapely.make_valid(shapely.Polygon(np.asarray(line) - 0.5)) for line in lines if len(line) > 3]
    return largest(shapely.geometrycollections(rings))


def largest(shape: shapely.Geometry) -> shapely.Polygon | None:
    """The largest of the polygons that a shape is made of, None where it is lines and points at most."""
    parts = shapely.get_parts(shapely.get_parts(shape)).tolist()
    areal = [part for part in parts if isinstance(part, shapely.Polygon) and part.area > 0]
    return max(areal, key=lambda part: float(part.area), default=None)


def vertices(polygon: shapely.Polygon) -> Points:
    """The vertices (n, 2) of a polygon's outer edge, the first not repeated."""
    return np.asarray(polygon.exterior.coords, dtype=np.float64)[:-1]
