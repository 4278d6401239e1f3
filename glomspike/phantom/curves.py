"""Closed curves in micrometres: blobs, smoothing, normals, strips."""

import numpy as np
import shapely
from scipy.ndimage import gaussian_filter1d

from glomspike.findings import Points


def blob(rng: np.random.Generator, radius_um: float, wobble: float, points: int = 256) -> Points:
    """A wobbly circle around the origin, (points, 2); `wobble` is the relative size of its largest wave."""
    theta = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = np.ones(points)
    for waves in range(2, 7):
        radius += wobble / waves * rng.normal() * np.cos(waves * theta + rng.uniform(0, 2 * np.pi))
    unit = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    return np.asarray(radius_um * radius[:, None] * unit, dtype=np.float64)


def resample(curve_um: Points, step_um: float) -> Points:
    """The closed curve (m, 2), points `step_um` apart, counter-clockwise in a frame whose y points down."""
    closed = np.vstack([curve_um, curve_um[:1]])
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    count = max(8, round(lengths[-1] / step_um))
    at = np.linspace(0, lengths[-1], count, endpoint=False)
    out = np.stack([np.interp(at, lengths, closed[:, axis]) for axis in (0, 1)], axis=1)
    return out if signed_area(out) > 0 else out[::-1]


def signed_area(curve_um: Points) -> float:
    """The shoelace area in µm²; positive where the normals of `normals` point outwards."""
    x, y = curve_um.T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def smooth(curve_um: Points, sigma_um: float, step_um: float) -> Points:
    """The closed, evenly sampled curve (n, 2) with its corners rounded at a scale of `sigma_um`."""
    return gaussian_filter1d(curve_um, sigma_um / step_um, axis=0, mode="wrap")


def normals(curve_um: Points) -> Points:
    """Unit normals (n, 2) of a closed curve, pointing outwards where its signed area is positive."""
    tangent = np.roll(curve_um, -1, axis=0) - np.roll(curve_um, 1, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def largest_ring(shape: shapely.Geometry) -> Points:
    """The outer edge (n, 2) of the largest polygon in a shape, first point not repeated."""
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    largest = max(parts, key=lambda part: part.area)
    return np.asarray(largest.exterior.coords)[:-1]
