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
FURRED = (
    0.7  # share of glomeruli whose spikes are a fur, short and dense in a half-dense zone; of others a comb
)
END_ON = 0.12  # how often a stretch is cut so that its spikes are dots in front of the membrane


@dataclass(frozen=True)
class Growth:
    """How the spikes of one glomerulus look; lengths in µm."""

    length: float
    spacing: float
    width: float
    clubbed: float  # share with a knob at the end
    joined: bool  # whether the tips run together
    share: float  # of the contour that can bear spikes
    reach: float  # of one stretch, at most
    veil: float  # depth of the half-dense zone from which they rise; 0 where they stand on a clean edge
    veil_ink: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Growth":
        """Drawn at random: a fur more often than a comb, on all of the contour more often than on a part."""
        fur = rng.random() < FURRED
        length = float(rng.uniform(0.85, 2.1) if fur else rng.uniform(0.6, 2.0))
        whole = rng.random() < (0.6 if fur else 0.1)
        return cls(
            length=length,
            spacing=float(rng.uniform(0.6, 1.05) if fur else rng.uniform(0.75, 2.0)),
            width=float(rng.uniform(0.28, 0.5) if fur else rng.uniform(0.3, 0.75)),
            clubbed=float(rng.choice([0.0, 0.3, 1.0], p=[0.6, 0.35, 0.05] if fur else None)),
            joined=bool(rng.random() < 0.2),
            share=1.0 if whole else float(np.exp(rng.uniform(np.log(0.04), np.log(0.9)))),
            reach=300.0 if whole else float(rng.uniform(8, 40)),
            veil=float(length * rng.uniform(0.65, 1.2) if fur else 0.0),
            veil_ink=float(rng.uniform(0.25, 0.8)),
        )


@dataclass(frozen=True, eq=False)
class _Canvas:
    """What is drawn, on finer pixels: lines and dots at full strength, and zones of less ink."""

    lines: NDArray[np.uint8]
    zones: NDArray[np.uint8]

    @classmethod
    def like(cls, silver: Map) -> "_Canvas":
        """An empty one for a map of silver (h, w)."""
        shape = [side * FINER for side in silver.shape]
        return cls(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))


def spiked(
    silver: Map, inside: Mask, mpp: float, rng: np.random.Generator
) -> tuple[Map, list[Points], Points]:
    """The map (h, w) in [0, 1] with spikes; the stretches (n, 2) that bear them; each spike's middle (m, 2).

    Spikes grow only where `inside` is true. Positions are in pixels, pixel 0 spanning 0 to 1.
    """
    growth, canvas = Growth.sample(rng), _Canvas.like(silver)
    stretches, middles = [], []
    for stretch, outward in _stretches(silver > 0.5, inside, mpp, growth, rng):
        stretches.append(stretch)
        if growth.veil:
            _zone(canvas, stretch, outward * growth.veil / mpp, growth.veil_ink, rng)
        middles.append(_draw(canvas.lines, stretch, outward, mpp, growth, rng))
    return _added(silver, canvas, mpp, rng), stretches, np.concatenate([np.zeros((0, 2)), *middles])


def lined(silver: Map, inside: Mask, mpp: float, rng: np.random.Generator) -> Map:
    """The map with what a fur may be taken for, along such stretches as bear spikes elsewhere.

    Even lines as of thickening and double contours, zones of half the ink as of defocus and oblique cuts,
    silver that ran beyond the wall, wavy lines as of wrinkles, and grains of precipitate; one or two kinds a
    glomerulus.
    """
    growth, canvas = Growth.sample(rng), _Canvas.like(silver)
    kinds = rng.choice(["line", "veil", "black", "wrinkle", "dust"], size=2, p=[0.25, 0.3, 0.15, 0.15, 0.15])
    for stretch, outward in _stretches(silver > 0.5, inside, mpp, growth, rng):
        kind, depth = rng.choice(kinds), rng.uniform(0.4, 1.2) * growth.length / mpp
        if kind == "veil":
            _zone(canvas, stretch, outward * depth, growth.veil_ink, rng)
        elif kind == "black":
            _zone(canvas, stretch, outward * 0.7 * depth, rng.uniform(0.7, 1.0), rng)
        elif kind == "dust":
            _dust(canvas.lines, stretch, outward * depth, growth.width / mpp, rng)
        else:
            away = rng.uniform(0, 0.8) * np.ones(len(stretch))
            if kind == "wrinkle":
                away *= 1 + np.sin(np.arange(len(stretch)) * 2 * np.pi * STEP_UM / rng.uniform(2.2, 6.0))
            line = stretch + outward * (away * growth.length / mpp)[:, None]
            width_px = rng.uniform(0.3, 1.2) * growth.length / mpp * (0.5 if kind == "wrinkle" else 1.0)
            cv2.polylines(
                canvas.lines, [_fine(line)], False, 255, max(1, round(width_px * FINER)), cv2.LINE_AA
            )
    return _added(silver, canvas, mpp, rng)


def _zone(canvas: _Canvas, stretch: Points, away_px: Points, ink: float, rng: np.random.Generator) -> None:
    """A strip of some ink from a stretch as far as `away_px` (n, 2), with an uneven edge."""
    waves = gaussian_filter1d(
        rng.standard_normal(len(stretch)), rng.uniform(0.8, 3.0) / STEP_UM, mode="nearest"
    )
    depth = np.clip(1 + rng.uniform(0.05, 0.3) * waves / max(float(waves.std()), 1e-9), 0.2, 2.0)
    outer, inner = stretch + away_px * depth[:, None], stretch - 0.3 * away_px
    strip = np.stack([inner[:-1], inner[1:], outer[1:], outer[:-1]], axis=1)
    for quad in _fine(strip):
        cv2.fillConvexPoly(canvas.zones, quad, int(255 * ink), cv2.LINE_AA)


def _dust(
    drawn: NDArray[np.uint8], stretch: Points, away_px: Points, width_px: float, rng: np.random.Generator
) -> None:
    """Grains along a stretch, as far as twice `away_px` (n, 2) from it."""
    for index in rng.integers(len(stretch), size=round(len(stretch) * STEP_UM * rng.uniform(0.3, 1.2))):
        place = stretch[index] + min(rng.exponential(0.5), 2.0) * away_px[index]
        _dot(drawn, place, width_px * rng.uniform(0.3, 0.9))


def _added(silver: Map, canvas: _Canvas, mpp: float, rng: np.random.Generator) -> Map:
    """The map with what was drawn, a little out of focus, as membranes are; zones are grainy."""
    size, blur_px = silver.shape[::-1], rng.uniform(0.05, 0.3) / mpp
    lines, zones = (
        gaussian_filter(cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255, blur)
        for part, blur in ((canvas.lines, blur_px), (canvas.zones, max(blur_px, 0.2 / mpp)))
    )
    grain = gaussian_filter(rng.standard_normal(silver.shape), rng.uniform(0.15, 0.4) / mpp)
    zones *= np.clip(1 + rng.uniform(0.05, 0.5) * grain / grain.std(), 0, 1.6).astype(np.float32)
    return np.maximum(silver, np.maximum(np.float32(rng.uniform(0.6, 1.0)) * lines, np.clip(zones, 0, 1)))


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
            keep = int(min(length_um, rng.uniform(0.4, 1) * growth.reach) / STEP_UM)
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
