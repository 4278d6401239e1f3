"""Spikes painted on photographed glomeruli: membranes found in the picture, projections on their outer side.

Shares nothing with `glomspike.phantom`: a classifier that learnt the phantoms' drawing must not find the same
hand here. Points (n, 2) are x before y in pixels of the picture, pixel 0 spanning 0 to 1.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates

RGB = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Array = NDArray[np.float64]
Indices = NDArray[np.intp]

GRID_UM = 0.115  # about the pixel of the grid that membranes are sought and blurred in
SUPERSAMPLING = 2  # drawing pixels on a side of a grid pixel
STEP_UM = 0.2  # distance of points along a membrane
REACH_UM = 5.0  # how far outward a membrane's surroundings are examined
LUMEN_UM2 = (10.0, 1500.0)
CAPSULE_UM = 3.0  # what lies so near the outline is Bowman's capsule
LINE_UM = 4.0  # a line is narrower than this
GAP_UM = 1.0  # breaks in a wall that are closed when lumens are sought
CLOSING_LEVELS = (0.0, -0.25, -0.45, -0.6)  # of wallness, the strictest first
EDGE_LEVEL = -0.3  # of wallness, where a wall ends
LEAST_SOLIDITY = 0.78  # a lumen bulges; the spaces between loops are star-shaped
WALL_UM = (0.3, 2.6)  # thinner is no membrane, thicker is matrix
LEAST_ROOM_UM = 0.9  # free space outside, enough for a spike
LEAST_STRETCH_UM = 3.5
ROOT_UM = 0.45  # how far inside a wall's edge a spike begins
FLARE = 8.0  # grey levels: below it a camera's black is noise, and its colour too
OD_STEPS = 80.0  # steps of the drawing per unit of optical density

Form = Literal["bristle", "club", "joined"]


@dataclass(frozen=True, eq=False)
class Membrane:
    """A stretch of capillary wall, its points about `STEP_UM` apart along its outer edge.

    `outward` (n, 2) are unit vectors, `room_um` (n,) the free distance outward, `ink` (n, 3) the optical
    density of the wall in red, green and blue, `blur_um` the standard deviation of the picture's blur here.
    """

    edge_px: Array
    outward: Array
    room_um: Array
    ink: Array
    blur_um: float

    @property
    def length_um(self) -> float:
        """Along the wall."""
        return len(self.edge_px) * STEP_UM

    def part(self, start: int, stop: int) -> "Membrane":
        """The points from `start` to before `stop`."""
        cut = slice(start, stop)
        return Membrane(self.edge_px[cut], self.outward[cut], self.room_um[cut], self.ink[cut], self.blur_um)


@dataclass(frozen=True)
class Lesion:
    """How the spikes of one painting look: the share of the membranes' length, and a spike's dimensions."""

    extent: float
    length_um: float
    spacing_um: float
    width_um: float
    form: Form


def optical_density(pixels: RGB) -> Array:
    """Optical density (height, width, 3) against the brightest twentieth of the picture."""
    light = np.percentile(pixels, 95, axis=(0, 1))
    return np.asarray(-np.log((pixels + FLARE) / (light + FLARE)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Grid:
    """A glomerulus resampled to pixels of about `GRID_UM`, `scale` of them to a pixel of the picture.

    `ink` is what darkens all three colours: silver, not blue nuclei nor pink cytoplasm. `wallness` is above
    zero in walls.
    """

    ink: Array
    wallness: Array
    within: Mask
    scale: int
    um: float

    @classmethod
    def of(cls, density: Array, inside: Mask, mpp: float) -> "_Grid":
        """The grid of a picture's optical density; without what lies at the outline, Bowman's capsule."""
        scale = _grid_scale(mpp)
        um = mpp / scale
        darkest = density.min(axis=2)
        drawn = cv2.resize(darkest, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        ink = np.asarray(drawn, dtype=np.float64)
        covered = cv2.resize(inside.astype(np.uint8), (ink.shape[1], ink.shape[0]))
        within = np.asarray(cv2.erode(covered, _disc(2 * CAPSULE_UM / um))) > 0
        # Wall is what is black, and what is a thin line on lighter ground however faint.
        lines = np.asarray(cv2.morphologyEx(ink, cv2.MORPH_TOPHAT, _disc(LINE_UM / um)), dtype=np.float64)
        black, line = _otsu(ink[within]), _otsu(lines[within])
        return cls(ink, np.maximum(ink / black, lines / line) - 1, within, scale, um)


def find_membranes(pixels: RGB, inside: Mask, mpp: float) -> list[Membrane]:
    """The walls of the capillary loops of a glomerulus, where they are thin and have room outside.

    A loop is a bulging light region closed in by ink, its wall the ink that is met going outward from it:
    the outer side is known from where the lumen is. A wall that two lumens share has none.
    """
    density = optical_density(pixels)
    grid = _Grid.of(density, inside, mpp)
    rings = _lumens(grid)
    lumens = np.zeros(grid.ink.shape, np.uint8)
    cv2.fillPoly(lumens, [np.round(ring - 0.5).astype(np.int32) for ring in rings], 1)
    return [wall for ring in rings for wall in _walls(ring, grid, lumens, density)]


def _disc(diameter: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (round(diameter) | 1,) * 2), np.uint8)


def _grid_scale(mpp: float) -> int:
    return max(1, round(mpp / GRID_UM))


def _otsu(values: Array) -> float:
    """The level that best parts the values in two."""
    low, high = np.percentile(values, [0.5, 99.5])
    steps = np.clip((values - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(steps, 0, 255, cv2.THRESH_OTSU)
    return float(low + level / 255 * (high - low))


def _lumens(grid: _Grid) -> list[Array]:
    """The outlines of light, bulging regions closed in by wall, in grid pixels.

    A faint wall lets a lumen leak at a strict level, a grey one fills it at a lenient one: each is taken at
    the strictest that closes it.
    """
    free, outlines = grid.within.copy(), []
    for level in CLOSING_LEVELS:
        dark = (grid.wallness > level).astype(np.uint8)
        closed = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, _disc(GAP_UM / grid.um))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - closed, connectivity=4)
        for label in range(1, count):
            left, top, width, height, area = stats[label]
            if not LUMEN_UM2[0] <= area * grid.um**2 <= LUMEN_UM2[1]:
                continue
            window = np.s_[top : top + height, left : left + width]
            region = labels[window] == label
            ring = _bulging(region)
            if ring is None or not free[window][region].all():
                continue
            free[window][region] = False
            outlines.append(_resampled(ring + np.array([left, top]) + 0.5, STEP_UM / grid.um))
    return outlines


def _bulging(region: Mask) -> Array | None:
    """The outline of a region, or nothing where it is hollowed too much."""
    rings, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    ring = max(rings, key=cv2.contourArea)
    if cv2.contourArea(ring) < LEAST_SOLIDITY * cv2.contourArea(cv2.convexHull(ring)):
        return None
    return ring[:, 0].astype(np.float64)


def _resampled(ring: Array, step: float) -> Array:
    """A closed curve, smoothed, with points a step apart and its inside on the left as drawn on a page."""
    closed = np.vstack([ring, ring[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, along[-1], max(8, round(along[-1] / step)), endpoint=False)
    even = np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)
    even = gaussian_filter1d(even, 2.0, axis=0, mode="wrap")
    area = np.sum(even[:, 0] * np.roll(even[:, 1], -1) - np.roll(even[:, 0], -1) * even[:, 1])
    return even if area > 0 else even[::-1]


def _walls(ring: Array, grid: _Grid, lumens: NDArray[np.uint8], density: Array) -> list[Membrane]:
    """The stretches of a lumen's wall (`ring` in grid pixels) on which spikes could stand."""
    um = grid.um
    tangent = gaussian_filter1d(
        np.roll(ring, -1, axis=0) - np.roll(ring, 1, axis=0), 3.0, axis=0, mode="wrap"
    )
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    away = np.arange(0.0, REACH_UM, um)
    spots = ring[:, None] + outward[:, None] * (away / um)[None, :, None]
    profile = _sampled(grid.ink, spots)
    dark, lumen = _sampled(grid.wallness, spots) > EDGE_LEVEL, _sampled(lumens, spots) > 0.5
    peak, end, room = _measured(profile, dark, lumen, um)
    wall = gaussian_filter1d(away[end], 2.0, mode="wrap")
    edge = (ring + outward * (wall / um)[:, None]) / grid.scale
    middle = (ring + outward * (away[peak] / um)[:, None]) / grid.scale
    usable = (wall >= WALL_UM[0]) & (wall <= WALL_UM[1]) & (room >= LEAST_ROOM_UM)
    colour = np.stack([_sampled(density[..., channel], middle) for channel in range(3)], axis=1)
    colour = gaussian_filter1d(colour, 4.0, axis=0, mode="wrap")
    blur = _blurs(profile, peak, end, um)
    stretches = []
    for run in _runs(usable, round(LEAST_STRETCH_UM / STEP_UM)):
        sharpness = float(np.clip(np.percentile(blur[run], 30), 0.15, 0.8))
        stretches.append(Membrane(edge[run], outward[run], room[run], colour[run], sharpness))
    return stretches


def _sampled(picture: Array | NDArray[np.uint8], points: Array) -> Array:
    return np.asarray(
        map_coordinates(picture, [points[..., 1] - 0.5, points[..., 0] - 0.5], order=1), np.float64
    )


def _measured(profile: Array, dark: Mask, lumen: Mask, um: float) -> tuple[Indices, Indices, Array]:
    """Per ray: the indices of the wall's darkest point and of its outer edge, and the free µm beyond."""
    length = profile.shape[1]
    column = np.arange(length)[None]
    begin = _first(dark, length - 1)
    end = _first(~dark & (column >= begin[:, None]), length - 1)
    wall = (column >= begin[:, None]) & (column <= end[:, None])
    peak = np.asarray(np.where(wall, profile, -np.inf).argmax(axis=1))
    following = _first((dark | lumen) & (column > end[:, None]), length)
    return peak, end, np.asarray((following - end) * um, dtype=np.float64)


def _first(true: Mask, otherwise: int) -> Indices:
    """The index of the first true of each row."""
    return np.where(true.any(axis=1), true.argmax(axis=1), otherwise)


def _blurs(profile: Array, peak: Indices, end: Indices, um: float) -> Array:
    """Per ray, the blur that makes the wall's outer edge as soft as it is: fall over steepest slope."""
    slope = -np.diff(profile, axis=1) / um
    column = np.arange(slope.shape[1])[None]
    falling = (column >= peak[:, None]) & (column <= end[:, None] + round(0.6 / um))
    steepest = np.where(falling, slope, 0).max(axis=1)
    outside = np.minimum(end + round(0.8 / um), profile.shape[1] - 1)
    rows = np.arange(len(profile))
    fall = profile[rows, peak] - profile[rows, outside]
    return np.asarray(fall / np.maximum(steepest, 1e-6) / np.sqrt(2 * np.pi), dtype=np.float64)


def _runs(usable: Mask, least: int) -> list[Indices]:
    """The indices of each unbroken run of a closed curve that is at least so long."""
    count = len(usable)
    if usable.all():
        return [np.arange(count)] if count >= least else []
    start = int(np.argmin(usable))
    turned = np.roll(usable, -start)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], turned, [False]]).astype(np.int8)))
    pairs = edges.reshape(-1, 2)
    return [(np.arange(a, b) + start) % count for a, b in pairs if b - a >= least]


def chosen_stretches(
    rng: np.random.Generator, membranes: Sequence[Membrane], extent: float
) -> list[Membrane]:
    """Stretches that together make up `extent` of the membranes' length, one at least."""
    wanted_um = extent * sum(membrane.length_um for membrane in membranes)
    least = round(LEAST_STRETCH_UM / STEP_UM)
    chosen: list[Membrane] = []
    for index in rng.permutation(len(membranes)):
        whole = len(membranes[index].edge_px)
        length = int(np.clip(rng.uniform(max(0.5, extent), 1.6) * whole, least, whole))
        start = int(rng.integers(whole - length + 1))
        chosen.append(membranes[index].part(start, start + length))
        if sum(stretch.length_um for stretch in chosen) >= wanted_um:
            break
    return chosen


@dataclass(frozen=True, eq=False)
class Canvas:
    """Ink to be added: optical density times `OD_STEPS`, `scale` drawing pixels to the picture's pixel."""

    steps: RGB
    scale: int
    mpp: float

    def polygon(self, points_px: Array, ink: Array) -> None:
        """Fills a polygon."""
        corners = np.round(points_px * self.scale * 16 - 8).astype(np.int32)
        cv2.fillPoly(self.steps, [corners], _steps(ink), shift=4)

    def dot(self, centre_px: Array, radius_um: float, ink: Array) -> None:
        """Fills a disc."""
        x, y = np.round(centre_px * self.scale * 16 - 8).astype(int).tolist()
        radius = round(radius_um / self.mpp * self.scale * 16)
        cv2.circle(self.steps, (x, y), radius, _steps(ink), -1, shift=4)

    def line(self, points_px: Array, width_um: float, ink: Array) -> None:
        """Draws a line of a width."""
        points = np.round(points_px * self.scale * 16 - 8).astype(np.int32)
        width = max(1, round(width_um / self.mpp * self.scale))
        cv2.polylines(self.steps, [points], False, _steps(ink), width, shift=4)


def _steps(ink: Array) -> tuple[int, ...]:
    return tuple(np.clip(np.round(ink * OD_STEPS), 0, 255).astype(int).tolist())


def with_spikes(
    rng: np.random.Generator, pixels: RGB, stretches: Sequence[Membrane], lesion: Lesion, mpp: float
) -> tuple[RGB, Array]:
    """The picture with spikes on the stretches, and the middles (n, 2) of the spikes."""
    middles: list[Array] = []

    def draw(canvas: Canvas, stretch: Membrane) -> None:
        middles.extend(_draw_spikes(rng, canvas, stretch, lesion))

    return _painted(pixels, stretches, mpp, draw), np.array(middles).reshape(-1, 2)


def with_thickening(pixels: RGB, stretches: Sequence[Membrane], lesion: Lesion, mpp: float) -> RGB:
    """The picture with as much ink on the stretches as the spikes would bring, spread evenly: no spikes."""
    extra_um = lesion.length_um * lesion.width_um / lesion.spacing_um

    def draw(canvas: Canvas, stretch: Membrane) -> None:
        inner_px = stretch.edge_px - stretch.outward * ROOT_UM / mpp
        outer_px = stretch.edge_px + stretch.outward * extra_um / mpp
        for at in range(len(inner_px) - 1):
            band = np.vstack([inner_px[at : at + 2], outer_px[at : at + 2][::-1]])
            canvas.polygon(band, stretch.ink[at])

    return _painted(pixels, stretches, mpp, draw)


def _painted(
    pixels: RGB, stretches: Sequence[Membrane], mpp: float, draw: Callable[[Canvas, Membrane], None]
) -> RGB:
    """The picture with what `draw` puts on each stretch, as soft as the picture is there.

    Ink adds up in optical density, so the picture's noise and what lies beneath show through.
    """
    scale = _grid_scale(mpp)
    height, width = pixels.shape[:2]
    added = np.zeros((height, width, 3))
    for blur_um in sorted({round(stretch.blur_um, 1) for stretch in stretches}):
        side = scale * SUPERSAMPLING
        canvas = Canvas(np.zeros((height * side, width * side, 3), np.uint8), side, mpp)
        for stretch in stretches:
            if round(stretch.blur_um, 1) == blur_um:
                draw(canvas, stretch)
        grid = cv2.resize(canvas.steps, (width * scale, height * scale), interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(grid.astype(np.float32), (0, 0), blur_um * scale / mpp)
        small = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
        added += np.asarray(small, dtype=np.float64) / OD_STEPS
    density = optical_density(pixels)
    # What is black already doesn't turn blacker where a spike's root lies on it.
    full = np.median(np.concatenate([stretch.ink.min(axis=1) for stretch in stretches]))
    bare = 1 - np.clip(density.min(axis=2) / full, 0, 1)
    darkened = (pixels + FLARE) * np.exp(-added * bare[..., None]) - FLARE
    return np.asarray(np.clip(np.round(darkened), 0, 255), dtype=np.uint8)


def _draw_spikes(
    rng: np.random.Generator, canvas: Canvas, stretch: Membrane, lesion: Lesion
) -> Iterator[Array]:
    """Spikes along a stretch at uneven distances, now and then one missing; gives the middle of each."""
    along, last = float(rng.uniform(0, lesion.spacing_um)), None
    while along < (len(stretch.edge_px) - 1) * STEP_UM:
        at = int(along / STEP_UM)
        along += lesion.spacing_um * float(np.clip(rng.lognormal(0, 0.25), 0.6, 1.7))
        if rng.random() < 0.06:
            last = None
            continue
        tip = _draw_spike(rng, canvas, stretch, at, lesion)
        if lesion.form == "joined" and last is not None and rng.random() < 0.8:
            _bridge(canvas, last, tip, stretch.outward[at], stretch.ink[at], lesion.width_um)
        last = tip
        yield (stretch.edge_px[at] + tip) / 2


def _draw_spike(
    rng: np.random.Generator, canvas: Canvas, stretch: Membrane, at: int, lesion: Lesion
) -> Array:
    """One spike, broad at its root, narrowing, leaning and bent a little; gives its tip."""
    lean, bend = rng.normal(0, [0.2, 0.08])
    out = stretch.outward[at]
    side = np.array([-out[1], out[0]])
    towards = out * np.cos(lean) + side * np.sin(lean)
    length = min(
        lesion.length_um * float(np.clip(rng.lognormal(0, 0.28), 0.45, 1.5)), stretch.room_um[at] - 0.1
    )
    width = lesion.width_um * float(np.clip(rng.lognormal(0, 0.12), 0.75, 1.3))
    ink = stretch.ink[at] * float(np.clip(rng.normal(1.05, 0.08), 0.85, 1.25))
    # From the root, inside the wall, to the tip: how far out, and how wide there.
    out_um = np.array([-ROOT_UM, 0.0, 0.25 * length, 0.6 * length, length])[:, None]
    half_um = width / 2 * np.array([1.9, 1.6, 1.1, 0.95, 0.75])[:, None]
    spine = out_um * towards + bend * out_um**2 / length * side
    outline = np.vstack([spine + half_um * side, (spine - half_um * side)[::-1]])
    canvas.polygon(stretch.edge_px[at] + outline / canvas.mpp, ink)
    tip = np.asarray(stretch.edge_px[at] + spine[-1] / canvas.mpp)
    canvas.dot(tip, width * (0.8 if lesion.form == "club" else 0.37), ink)
    return tip


def _bridge(canvas: Canvas, one: Array, other: Array, out: Array, ink: Array, width_um: float) -> None:
    """A bulging bridge between two tips: the ladder of an older lesion."""
    along = np.linspace(0, 1, 7)[:, None]
    bulge = np.sin(np.pi * along) * 0.22 * np.linalg.norm(other - one) - 0.15 / canvas.mpp
    canvas.line(one + along * (other - one) + bulge * out, 0.9 * width_um, ink)
