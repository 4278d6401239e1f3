"""The capillary wall on a phantom electron micrograph: basement membrane, deposits, podocyte feet.

All of it is drawn unrolled, on a strip whose first axis runs along the membrane and whose second leads
outwards, and then laid around the loops. A deposit's polygon is in pixels along and outwards until then.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from glomspike.findings import Points
from glomspike.modalities import DepositPlace
from glomspike.phantom.noise import Texture
from glomspike.phantom.tem_scene import Curve, Scene

FINE = 2  # pixels of the strip to one of the picture
SHIFT = 4  # binary digits of fractions of a pixel, for OpenCV
INNER_UM, OUTER_UM = 0.7, 2.6  # what the strip holds inside and outside the membrane's inner face


@dataclass(frozen=True, eq=False)
class Deposit:
    """An electron-dense deposit: where it lies, its outline on the picture, how dense, 1 being usual."""

    place: DepositPlace
    polygon_px: Points
    density: float = 1.0


@dataclass(eq=False)
class WallPlan:
    """What the wall is like at each of its points, in pixels, and what lies in it."""

    width: Curve  # of the basement membrane proper
    outer: Curve  # how far membrane, spikes and new membrane reach
    base: Curve  # where the podocyte begins
    inner: Curve  # how far what lies under the endothelium pushes it inwards
    effaced: NDArray[np.bool_]
    dense: list[tuple[DepositPlace, Points, float]] = field(default_factory=list)  # place, polygon, density
    lucent: list[Points] = field(default_factory=list)
    spikes: list[float] = field(default_factory=list)  # where along


def waves(rng: np.random.Generator, count: int, sigma_px: float) -> Curve:
    """Smooth noise of unit variance along the wall."""
    step = max(1, int(sigma_px / 3))
    white = rng.standard_normal(count // step + 8)
    soft = gaussian_filter1d(white, sigma_px / step, mode="wrap")
    soft = (soft - soft.mean()) / max(float(soft.std()), 1e-9)
    return np.asarray(np.interp(np.arange(count) / step, np.arange(len(soft)), soft), dtype=np.float64)


def bare_wall(rng: np.random.Generator, scene: Scene, width_um: float, effaced_share: float) -> WallPlan:
    """A wall without deposits, with feet effaced over a share of it."""
    count = len(scene.wall.points_px)
    width = scene.px(width_um) * np.clip(1 + 0.15 * waves(rng, count, scene.px(1.0)), 0.55, 1.7)
    patches = waves(rng, count, scene.px(1.2))
    effaced = (
        patches > np.quantile(patches, 1 - effaced_share) if effaced_share > 0 else np.zeros(count, bool)
    )
    return WallPlan(width, width.copy(), width.copy(), np.zeros(count), np.asarray(effaced))


def dome(
    rng: np.random.Generator, along: float, floor: float, half: float, height: float, sunk: float
) -> Points:
    """The outline (n, 2), along and outwards, of a lump that sits on a floor and is sunk into it."""
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    wobble = (
        1
        + 0.07 * rng.normal() * np.cos(2 * turn + rng.uniform(0, 6))
        + 0.06 * rng.normal() * np.cos(3 * turn + rng.uniform(0, 6))
    )
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.8 * half * wobble
    y = np.where(np.sin(turn) > 0, np.sin(turn) * height, np.sin(turn) * sunk) * wobble
    return np.stack([along + x, floor + y], axis=1)


def reach_of(polygons: list[Points], count: int) -> Curve:
    """How far outwards polygons reach at each point of the wall; 0 where there are none."""
    reach = np.zeros(count)
    for polygon in polygons:
        left, right = int(np.floor(polygon[:, 0].min())), int(np.ceil(polygon[:, 0].max()))
        at = np.arange(max(left, 0), min(right + 1, count))
        upper = polygon[: len(polygon) // 2 + 1][::-1]  # the outer half, from left to right
        order = np.argsort(upper[:, 0])
        if len(at):
            reach[at] = np.maximum(reach[at], np.interp(at, upper[order, 0], upper[order, 1]))
    return reach


def settle(plan: WallPlan, polygons: list[Points]) -> None:
    """Lets the podocyte begin outside the membrane and these deposits."""
    reach = reach_of(polygons, len(plan.base))
    plan.base = gaussian_filter1d(np.maximum(plan.outer, reach), 1.5, mode="nearest")


class Strip:
    """The unrolled wall as masks that are drawn and then laid around the loops."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.wall = scene, scene.wall
        self._below = scene.px(INNER_UM)
        rows = round(FINE * scene.px(INNER_UM + OUTER_UM))
        self._shape = rows, FINE * len(self.wall.points_px)
        self._near = (self.wall.height > -self._below + 1) & (self.wall.height < scene.px(OUTER_UM) - 1)

    def empty(self) -> NDArray[np.uint8]:
        """A canvas on which nothing is drawn."""
        return np.zeros(self._shape, dtype=np.uint8)

    def fill(self, canvas: NDArray[np.uint8], polygon: Points, value: int = 255) -> None:
        """Fills a polygon (n, 2) given in pixels along and outwards."""
        at = (polygon + np.array([0.5, self._below + 0.5])) * FINE - 0.5
        cv2.fillPoly(canvas, [np.rint(at * 2**SHIFT).astype(np.int32)], value, cv2.LINE_AA, SHIFT)

    def band(self, canvas: NDArray[np.uint8], low: Curve, high: Curve, value: int = 255) -> None:
        """Fills what lies between two heights along the whole wall."""
        at = np.arange(len(low), dtype=np.float64)
        edge = np.concatenate([np.stack([at, low], axis=1), np.stack([at, high], axis=1)[::-1]])
        self.fill(canvas, edge, value)

    def laid(self, canvas: NDArray[np.uint8]) -> Texture:
        """The canvas around the loops, 0 to 1."""
        x = (self.wall.along + 0.5) * FINE - 0.5
        y = (self.wall.height + self._below + 0.5) * FINE - 0.5
        laid = cv2.remap(canvas, x, y, cv2.INTER_LINEAR)
        return np.where(self._near, laid, 0).astype(np.float32) / np.float32(255)


def paint_feet(rng: np.random.Generator, strip: Strip, plan: WallPlan, pitch_um: float) -> NDArray[np.uint8]:
    """Podocyte feet with slits between them, joined by processes; a band where they are effaced."""
    scene, canvas = strip.scene, strip.empty()
    count, at = len(plan.base), 0.0
    slit = max(scene.px(0.035), 1.1)
    tall, process_until, process_low = scene.px(rng.uniform(0.3, 0.6)), 0.0, 0.0
    while at < count - 2:
        if plan.effaced[int(at)]:
            end = _next_change(plan.effaced, int(at))
            _paint_band(rng, strip, canvas, plan, int(at), end)
            at = end + slit
            continue
        width = scene.px(pitch_um) * float(np.clip(rng.lognormal(0, 0.35), 0.5, 2.4))
        if at >= process_until:
            gap = float(rng.choice([0.0, scene.px(rng.uniform(0.1, 0.5))], p=[0.6, 0.4]))
            at += gap
            process_until = at + scene.px(rng.uniform(0.5, 3.0))
            process_low = tall * rng.uniform(0.8, 2.0)
            if rng.random() < 0.75 and process_until < count:
                _paint_process(rng, strip, canvas, plan, at, process_until, process_low)
        if at + width < count:
            joined = rng.random() < 0.75
            height = process_low * 1.15 if joined else tall * rng.uniform(0.35, 1.0)
            _paint_foot(rng, strip, canvas, plan, at, width - slit, height)
        at += width
    return canvas


def _next_change(flags: NDArray[np.bool_], start: int) -> int:
    later = np.flatnonzero(flags[start:] != flags[start])
    return start + int(later[0]) if len(later) else len(flags) - 1


def _paint_foot(
    rng: np.random.Generator,
    strip: Strip,
    canvas: NDArray[np.uint8],
    plan: WallPlan,
    at: float,
    width: float,
    height: float,
) -> None:
    """One foot: broad at its base, narrower above, leaning a little, rounded."""
    floor = float(plan.base[min(int(at + width / 2), len(plan.base) - 1)]) + 0.4
    lean = rng.normal(0, 0.25) * height
    narrow = rng.uniform(0.4, 0.85)
    middle = at + width / 2
    rise = np.array([-0.03, 0.06, 0.3, 0.6, 0.88, 1.0])
    half = width / 2 * np.array([0.98, 1.0, 0.5 * (1 + narrow), narrow, 0.85 * narrow, 0.4 * narrow])
    half = half * rng.uniform(0.85, 1.12, size=6) ** np.array([0, 0, 1, 1, 1, 1])
    centre = middle + lean * np.maximum(rise, 0) ** 1.5
    left = np.stack([centre - half, floor + rise * height], axis=1)
    right = np.stack([centre + half, floor + rise * height], axis=1)[::-1]
    strip.fill(canvas, _rounded(np.concatenate([left, right])))


def _rounded(polygon: Points) -> Points:
    """The polygon with its corners cut off twice (Chaikin)."""
    for _ in range(2):
        after = np.roll(polygon, -1, axis=0)
        polygon = np.stack([0.75 * polygon + 0.25 * after, 0.25 * polygon + 0.75 * after], axis=1).reshape(
            -1, 2
        )
    return polygon


def _paint_process(
    rng: np.random.Generator,
    strip: Strip,
    canvas: NDArray[np.uint8],
    plan: WallPlan,
    start: float,
    end: float,
    low: float,
) -> None:
    """The arch of cytoplasm on which several feet stand."""
    at = np.linspace(start, min(end, len(plan.base) - 1), 24)
    base = float(plan.base[np.clip(at.astype(int), 0, len(plan.base) - 1)].mean())
    thick = strip.scene.px(rng.uniform(0.15, 0.6)) * np.sin(np.linspace(0.15, np.pi - 0.15, 24)) ** 0.6
    wave = strip.scene.px(0.06) * waves(rng, 24, 4.0)
    lower = base + low + wave
    upper = lower + np.maximum(thick * (1 + 0.25 * waves(rng, 24, 4.0)), 2.0)
    strip.fill(canvas, np.concatenate([np.stack([at, lower], 1), np.stack([at, upper], 1)[::-1]]))


def _paint_band(
    rng: np.random.Generator, strip: Strip, canvas: NDArray[np.uint8], plan: WallPlan, start: int, end: int
) -> None:
    """Effaced feet: a band that lies on the membrane."""
    if end - start < 4:
        return
    at = np.arange(start, end + 1, 2)
    thick = strip.scene.px(rng.uniform(0.2, 0.6)) * np.clip(
        1 + 0.45 * waves(rng, len(at), strip.scene.px(0.25)), 0.25, 2.6
    )
    lower = plan.base[at] + 0.4
    strip.fill(canvas, np.concatenate([np.stack([at, lower], 1), np.stack([at, lower + thick], 1)[::-1]]))


def envelope(reach: Curve, sigma: float) -> Curve:
    """A smooth curve that runs over a reach."""
    return np.asarray(gaussian_filter1d(maximum_filter1d(reach, int(4 * sigma) + 1), sigma, mode="nearest"))
