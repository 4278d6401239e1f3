"""Circles: around points, how much they overlap, and which of several on one glomerulus is kept."""

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Points

Circles = NDArray[np.float64]  # (n, 3): x, y, radius in one unit
Overlaps = NDArray[np.float64]


def circle_polygon(x: float, y: float, radius: float, vertices: int = 96) -> Points:
    """The vertices (n, 2) of a polygon on a circle, in the circle's unit, the first not repeated."""
    turn = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    return np.array([x, y]) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def circle_area(radius: float) -> float:
    """The area of a circle, in the square of its radius's unit."""
    return float(np.pi * radius**2)


def circle_iou(first: Circles, second: Circles) -> Overlaps:
    """Intersection over union (n, m) of every circle of `first` with every one of `second`.

    The intersection is the lens of Yang et al. (CircleNet, 2020), eq. 4; the smaller circle where one lies
    in the other, nothing where they are apart.
    """
    x1, y1, r1 = (column[:, None] for column in first.T)
    x2, y2, r2 = (column[None, :] for column in second.T)
    distance = np.hypot(x1 - x2, y1 - y2)
    apart = np.maximum(distance, 1e-12)
    cos1 = np.clip((r1**2 + apart**2 - r2**2) / np.maximum(2 * r1 * apart, 1e-12), -1, 1)
    cos2 = np.clip((r2**2 + apart**2 - r1**2) / np.maximum(2 * r2 * apart, 1e-12), -1, 1)
    angle1, angle2 = np.arccos(cos1), np.arccos(cos2)
    lens = r1**2 * (angle1 - np.sin(angle1) * cos1) + r2**2 * (angle2 - np.sin(angle2) * cos2)
    inside = distance <= np.abs(r1 - r2)
    lens = np.where(inside, np.pi * np.minimum(r1, r2) ** 2, lens)
    lens = np.where(distance >= r1 + r2, 0.0, lens)
    union = np.pi * (r1**2 + r2**2) - lens
    return np.asarray(lens / np.maximum(union, 1e-12), dtype=np.float64)


def suppress(circles: Circles, scores: NDArray[np.float64], overlap: float) -> NDArray[np.intp]:
    """Indices (m,) of the circles (n, 3) that a better one does not overlap more than that, best first."""
    order = np.lexsort((circles[:, 0], circles[:, 1], -scores))
    overlapping = circle_iou(circles, circles) > overlap
    left = np.ones(len(circles), dtype=bool)
    kept = []
    for index in order:
        if left[index]:
            kept.append(index)
            left &= ~overlapping[index]
    return np.array(kept, dtype=np.intp)


def enclosing_circle(outline: Points) -> tuple[float, float, float]:
    """The least circle around points (n, 2): x, y, radius."""
    first = outline[0]  # single precision holds small numbers only
    (x, y), radius = cv2.minEnclosingCircle((outline - first).astype(np.float32))
    return float(x + first[0]), float(y + first[1]), float(radius)
