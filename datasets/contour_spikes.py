"""Spikes drawn on whatever is dark: along the contours of a map of silver, outside of closed lumens.

The simplest painter that may serve for training. Its hand is neither that of `glomspike.phantom` nor that of
`spike_painter.py`, by which classifiers are tested.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

STEP_UM = 0.2
LUMEN_UM2 = 900.0  # a closed bright region that is no larger is the inside of a loop
LEAST_CONTOUR_UM = 25.0
SMOOTH_UM = 0.7
FINER = 4  # drawing pixels on a side of a pixel
END_ON = 0.15  # how often a stretch is cut so that its spikes are dots in front of the membrane


@dataclass(frozen=True)
class Growth:
    """How the spikes of one glomerulus look; lengths in µm."""

    length: float
    spacing: float
    width: float
    clubbed: float  # share with a knob at the end
    joined: bool  # whether the tips run together
    share: float  # of the contour that can bear spikes

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Growth":
        """Drawn at random; few stretches are as likely as many."""
        return cls(
            length=float(rng.uniform(0.6, 2.0)),
            spacing=float(rng.uniform(0.75, 2.0)),
            width=float(rng.uniform(0.3, 0.75)),
            clubbed=float(rng.choice([0.0, 0.3, 1.0])),
            joined=bool(rng.random() < 0.15),
            share=float(np.exp(rng.uniform(np.log(0.04), np.log(0.9)))),
        )


def spiked(
    silver: Map, inside: Mask, mpp: float, rng: np.random.Generator
) -> tuple[Map, list[Points], Points]:
    """The map (h, w) in [0, 1] with spikes; the stretches (n, 2) that bear them; each spike's middle (m, 2).

    Spikes grow only where `inside` is true. Positions are in pixels, pixel 0 spanning 0 to 1.
    """
    growth, drawn = Growth.sample(rng), _canvas(silver)
    stretches, middles = [], []
    for stretch, outward in _stretches(silver > 0.5, inside, mpp, growth, rng):
        stretches.append(stretch)
        middles.append(_draw(drawn, stretch, outward, mpp, growth, rng))
    return _added(silver, drawn, mpp, rng), stretches, np.concatenate([np.zeros((0, 2)), *middles])


def lined(silver: Map, inside: Mask, mpp: float, rng: np.random.Generator) -> Map:
    """The map with even lines along such stretches as bear spikes elsewhere: thickening, double contours."""
    growth, drawn = Growth.sample(rng), _canvas(silver)
    for stretch, outward in _stretches(silver > 0.5, inside, mpp, growth, rng):
        line = stretch + outward * rng.uniform(0, 0.8) * growth.length / mpp
        width_px = rng.uniform(0.3, 1.2) * growth.length / mpp
        cv2.polylines(drawn, [_fine(line)], False, 255, max(1, round(width_px * FINER)), cv2.LINE_AA)
    return _added(silver, drawn, mpp, rng)


def _canvas(silver: Map) -> NDArray[np.uint8]:
    return np.zeros([side * FINER for side in silver.shape], np.uint8)


def _added(silver: Map, drawn: NDArray[np.uint8], mpp: float, rng: np.random.Generator) -> Map:
    """The map with what was drawn, a little out of focus, as membranes are."""
    small = cv2.resize(drawn, silver.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    soft = gaussian_filter(small, rng.uniform(0.05, 0.3) / mpp)
    return np.maximum(silver, np.float32(rng.uniform(0.7, 1.0)) * soft)


def _stretches(
    dark: Mask, inside: Mask, mpp: float, growth: Growth, rng: np.random.Generator
) -> list[tuple[Points, Points]]:
    """Pieces of contour with their unit normals into the bright, at least one where there is any."""
    room_um = cv2.distanceTransform((~dark).astype(np.uint8), cv2.DIST_L2, 5) * mpp
    found = []
    for contour in _open_contours(dark, mpp):
        outward = _outward(contour)
        ahead = contour + outward * (growth.length / mpp)
        free = (_at(room_um, ahead) > 0.5 * growth.length) & (_at(inside, contour) > 0)
        for start, stop in _runs(free):
            length_um = (stop - start) * STEP_UM
            if length_um < 3 * growth.spacing:
                continue
            keep = int(min(length_um, rng.uniform(4, 30)) / STEP_UM)
            first = start + int(rng.integers(stop - start - keep + 1))
            found.append((contour[first : first + keep], outward[first : first + keep]))
    order = rng.permutation(len(found))[: max(1, round(growth.share * len(found)))]
    return [found[i] for i in order]


def _open_contours(dark: Mask, mpp: float) -> list[Points]:
    """Edges of what is dark, resampled by `STEP_UM` and smoothed; not those of lumens."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~dark).astype(np.uint8), connectivity=4)
    lumens = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] * mpp**2 <= LUMEN_UM2)
    filled = dark | np.isin(labels, lumens[lumens > 0])
    edges, _ = cv2.findContours(filled.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    contours = []
    for edge in edges:
        points = edge[:, 0].astype(np.float64) + 0.5
        along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]) * mpp
        if along[-1] >= LEAST_CONTOUR_UM:
            at = np.arange(0, along[-1], STEP_UM)
            even = np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)
            contours.append(gaussian_filter1d(even, SMOOTH_UM / STEP_UM, axis=0, mode="wrap"))
    return contours


def _outward(contour: Points) -> Points:
    """Unit normals to the left or right of a contour, whichever OpenCV leaves the bright on."""
    tangent = np.gradient(contour, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    return np.asarray(-normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9))


def _at(values: NDArray[np.generic], points: Points) -> NDArray[np.float64]:
    return np.asarray(
        map_coordinates(np.asarray(values, dtype=np.float32), (points - 0.5).T[::-1], order=1, mode="nearest")
    )


def _runs(free: Mask) -> list[tuple[int, int]]:
    steps = np.flatnonzero(np.diff(np.concatenate([[0], free.astype(np.int8), [0]])))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))


def _draw(
    drawn: NDArray[np.uint8],
    stretch: Points,
    outward: Points,
    mpp: float,
    growth: Growth,
    rng: np.random.Generator,
) -> Points:
    """Draws the spikes of one stretch; their middles (m, 2)."""
    end_on, tips, middles = rng.random() < END_ON, [], []
    at = rng.uniform(0, growth.spacing)
    while at < len(stretch) * STEP_UM:
        index = int(at / STEP_UM)
        turn = rng.normal(0, 0.2)
        along = np.array([outward[index, 1], -outward[index, 0]])
        way = (outward[index] * np.cos(turn) + along * np.sin(turn)) / mpp
        length = growth.length * rng.lognormal(0, 0.2)
        base, tip = stretch[index] - 0.3 * way, stretch[index] + length * way
        width_px = growth.width * rng.lognormal(0, 0.15) / mpp
        if end_on:
            base = tip = stretch[index] + rng.uniform(0.2, 1.2) * length * way
        _line(drawn, base, tip, width_px)
        if end_on or rng.random() < growth.clubbed:
            _dot(drawn, tip, 0.75 * width_px)
        tips.append(tip)
        middles.append((base + tip) / 2)
        at += growth.spacing * rng.uniform(0.7, 1.35)
    if growth.joined and not end_on:
        for one, other in pairwise(tips):
            _line(drawn, one, other, 0.8 * growth.width / mpp)
    return np.array(middles).reshape(-1, 2)


def _line(drawn: NDArray[np.uint8], start: Points, end: Points, width_px: float) -> None:
    ends = _fine(np.stack([start, end])).tolist()
    cv2.line(drawn, ends[0], ends[1], 255, max(1, round(width_px * FINER)), cv2.LINE_AA)


def _dot(drawn: NDArray[np.uint8], middle: Points, radius_px: float) -> None:
    cv2.circle(drawn, _fine(middle).tolist(), max(1, round(radius_px * FINER)), 255, -1, cv2.LINE_AA)


def _fine(points: Points) -> NDArray[np.int32]:
    return np.round(points * FINER - 0.5).astype(np.int32)
