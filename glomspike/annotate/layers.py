"""Annotation layers as ImageScope has them: named, coloured lists of regions, and the size of a region."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from glomspike.findings import Mpp, Points

Colour = tuple[int, int, int]  # red, green, blue, each 0 to 255

PIXELS = Mpp(1.0, 1.0)  # the scale that leaves lengths and areas in pixels


class RegionType(IntEnum):
    """What the vertices of a region mean; the numbers are ImageScope's."""

    POLYGON = 0
    RECTANGLE = 1  # four corners
    ELLIPSE = 2  # two opposite corners of its box
    ARROW = 3  # head, tail
    RULER = 4  # two ends
    COUNTER = 5  # one point


@dataclass(frozen=True, eq=False)
class Region:
    """One drawn shape: its vertices (n, 2) as the viewer counts them, its text, whether it is a hole.

    The first vertex of a polygon is not repeated.
    """

    type: RegionType
    vertices_viewer: Points
    text: str = ""
    negative: bool = False

    @property
    def box_viewer(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the region as the viewer counts them."""
        left, top = self.vertices_viewer.min(axis=0)
        right, bottom = self.vertices_viewer.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


@dataclass(frozen=True, eq=False)
class Layer:
    """A named layer of regions, drawn in one colour.

    `skipped` says of a layer read from a file which of its regions are no shapes, such as a polygon of one
    vertex, each by its place in the file.
    """

    name: str
    colour: Colour
    regions: tuple[Region, ...]
    skipped: tuple[str, ...] = ()


def region_length(region: Region, scale: Mpp) -> float:
    """The perimeter of a closed region, or the length of an open one, in µm if `scale` is µm/px.

    An ellipse follows Ramanujan (1914), second approximation; it is exact for a circle.
    """
    if region.type is RegionType.ELLIPSE:
        a, b = _half_axes(region, scale)
        h = ((a - b) / (a + b)) ** 2 if a + b > 0 else 0.0
        return float(np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))))
    points = region.vertices_viewer * np.array([scale.x, scale.y])
    if region.type in (RegionType.POLYGON, RegionType.RECTANGLE):
        points = np.concatenate([points, points[:1]])
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def region_area(region: Region, scale: Mpp) -> float:
    """The area of a region, in µm² if `scale` is µm/px; 0 for arrows, rulers and counters."""
    if region.type is RegionType.ELLIPSE:
        a, b = _half_axes(region, scale)
        return float(np.pi * a * b)
    if region.type not in (RegionType.POLYGON, RegionType.RECTANGLE):
        return 0.0
    # Counted from the first vertex: far from the origin the products would lose their small differences.
    x, y = (region.vertices_viewer - region.vertices_viewer[0]).T
    doubled = np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))
    return float(abs(doubled) / 2 * scale.x * scale.y)


def _half_axes(region: Region, scale: Mpp) -> tuple[float, float]:
    left, top, right, bottom = region.box_viewer
    return (right - left) / 2 * scale.x, (bottom - top) / 2 * scale.y
