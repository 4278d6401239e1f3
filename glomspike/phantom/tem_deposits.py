"""Electron-dense deposits on a phantom micrograph, where a disease puts them.

Subepithelial ones follow the stages of membranous nephropathy (Ehrenreich and Churg): small lumps on a normal
membrane (1), larger ones with spikes between (2), surrounded by new membrane (3), gone but for lucent gaps in
a thick membrane (4).
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from glomspike.findings import Points
from glomspike.modalities import DepositPlace
from glomspike.phantom.curves import blob
from glomspike.phantom.tem_scene import MARGIN_PX, Curve, Scene
from glomspike.phantom.tem_wall import Deposit, WallPlan, dome, envelope, reach_of, settle, waves

LEAST_PX = 14  # of a deposit's area on the picture
TRIALS = 30
FITTING = 0.7  # share of a deposit that must find room
SLACK_PX = 2.0


@dataclass(frozen=True)
class DepositPattern:
    """What deposits a picture shows: at which places, and the stage of those outside the membrane.

    `spread` is the share of the capillary wall in view that carries those outside the membrane.
    """

    places: tuple[DepositPlace, ...] = ()
    stage: int | None = None
    spread: float = 1.0


def lay_deposits(
    rng: np.random.Generator, scene: Scene, plan: WallPlan, shown: DepositPattern
) -> tuple[Deposit, ...]:
    """Puts deposits into the wall and the mesangium; returns those that the picture shows."""
    if "subepithelial" in shown.places:
        _MEMBRANOUS[shown.stage or 1](rng, scene, plan, _stretches(rng, scene, shown.spread))
    if "subendothelial" in shown.places:
        _subendothelial(rng, scene, plan)
    mesangial = _mesangial(rng, scene) if "mesangial" in shown.places else []
    laid = [(one, scene.wall.places(*one[1].T)) for one in plan.dense]
    fitting = [(one, polygon) for one, polygon in laid if _fits(scene, one[1], polygon)]
    plan.dense = [one for one, _ in fitting]
    along = [Deposit(place, polygon, density) for (place, _, density), polygon in fitting]
    return tuple(one for one in [*along, *mesangial] if is_seen(scene, one.polygon_px))


def lucent_gaps(scene: Scene, plan: WallPlan) -> tuple[Points, ...]:
    """The outlines, on the picture, of gaps in the membrane that the picture shows."""
    laid = [(gap, scene.wall.places(*gap.T)) for gap in plan.lucent]
    return tuple(polygon for gap, polygon in laid if _fits(scene, gap, polygon) and is_seen(scene, polygon))


def _fits(scene: Scene, strip_px: Points, polygon_px: Points) -> bool:
    """Whether a deposit of the unrolled wall finds room on the picture, where folds may leave none."""
    height, width = scene.shape
    low = np.clip(np.floor(polygon_px.min(axis=0)).astype(int) - 1, 0, [width, height])
    high = np.clip(np.ceil(polygon_px.max(axis=0)).astype(int) + 2, 0, [width, height])
    if (high <= low).any():
        return False
    window = slice(low[1], high[1]), slice(low[0], high[0])
    inside = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=np.uint8)
    cv2.fillPoly(inside, [np.rint(polygon_px - low).astype(np.int32)], 1)
    along, outwards = scene.wall.along[window], scene.wall.height[window]
    (left, inner), (right, outer) = strip_px.min(axis=0) - SLACK_PX, strip_px.max(axis=0) + SLACK_PX
    there = (along > left) & (along < right) & (outwards > inner) & (outwards < outer)
    area = int(inside.sum())
    return area > 0 and int((inside.astype(bool) & there).sum()) > FITTING * area


def is_seen(scene: Scene, polygon_px: Points) -> bool:
    """Whether enough of a polygon lies on the picture."""
    height, width = scene.shape
    canvas = np.zeros((height - 2 * MARGIN_PX, width - 2 * MARGIN_PX), dtype=np.uint8)
    cv2.fillPoly(canvas, [np.rint(polygon_px - MARGIN_PX).astype(np.int32)], 1)
    return int(canvas.sum()) >= LEAST_PX


def _stretches(rng: np.random.Generator, scene: Scene, spread: float) -> list[tuple[int, int]]:
    """Runs (first point, one past the last) of capillary wall that carry deposits, some of them in view."""
    patches = waves(rng, len(scene.on_loop), scene.px(1.5))
    here = scene.on_loop & scene.in_view
    edge = float(np.quantile(patches[here], 1 - np.clip(spread, 0.12, 1.0)))
    return runs_of(scene.on_loop & (patches >= edge), int(scene.px(0.5)))


def runs_of(flags: np.ndarray, least: int) -> list[tuple[int, int]]:
    """Runs of true flags of a least length, as first index and one past the last."""
    steps = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if b - a >= least]


def _lumps(
    rng: np.random.Generator,
    scene: Scene,
    plan: WallPlan,
    runs: list[tuple[int, int]],
    width_um: tuple[float, float],
    gap_um: tuple[float, float],
    tall: tuple[float, float],
) -> list[Points]:
    """Lumps in a row along runs of the wall; `tall` is their height relative to their width."""
    lumps = []
    for start, stop in runs:
        at = start + scene.px(rng.uniform(0, gap_um[1]))
        while at < stop:
            width = scene.px(rng.uniform(*width_um))
            floor = float(plan.width[min(int(at + width / 2), len(plan.width) - 1)])
            height = min(width * rng.uniform(*tall), scene.px(0.75))
            if at + width < stop:
                lumps.append(dome(rng, at + width / 2, floor, width / 2, height, 0.12 * height + 1.0))
            at += width + scene.px(rng.uniform(*gap_um))
    return lumps


def _first(rng: np.random.Generator, scene: Scene, plan: WallPlan, runs: list[tuple[int, int]]) -> None:
    gap = rng.uniform(0.05, 0.5)
    lumps = _lumps(rng, scene, plan, runs, (0.1, 0.42), (0.3 * gap, 2.4 * gap), (0.35, 0.7))
    plan.dense += [("subepithelial", lump, rng.uniform(0.75, 1.15)) for lump in lumps]
    settle(plan, lumps)
    _efface(rng, scene, plan, runs, 0.95)


def _second(rng: np.random.Generator, scene: Scene, plan: WallPlan, runs: list[tuple[int, int]]) -> None:
    spacing = rng.uniform(0.4, 1.1)
    lumps = _lumps(rng, scene, plan, runs, (0.7 * spacing, 1.35 * spacing), (0.12, 0.3), (0.45, 0.85))
    plan.dense += [("subepithelial", lump, rng.uniform(0.8, 1.15)) for lump in lumps]
    plan.outer = np.maximum(plan.outer, _spikes(rng, scene, plan, lumps))
    settle(plan, lumps)
    _efface(rng, scene, plan, runs, 0.95)


def _spikes(rng: np.random.Generator, scene: Scene, plan: WallPlan, lumps: list[Points]) -> Curve:
    """How far the membrane reaches with spikes between neighbouring lumps."""
    reach, count = reach_of(lumps, len(plan.width)), len(plan.width)
    outer, at = plan.width.copy(), np.arange(count)
    for one, other in pairwise(lumps):
        left, right = float(one[:, 0].max()), float(other[:, 0].min())
        if not 0 <= right - left < scene.px(0.45):
            continue
        middle, half = (left + right) / 2, (right - left) / 2 + scene.px(0.06)
        around = slice(max(int(middle - 4 * half), 0), min(int(middle + 4 * half) + 1, count))
        top = float(reach[around].max()) - plan.width[int(middle)]
        rise = top * rng.uniform(0.75, 1.2) * np.exp(-0.5 * ((at[around] - middle) / half) ** 4)
        outer[around] = np.maximum(outer[around], plan.width[around] + rise)
        plan.spikes.append(middle)
    return outer


def _third(rng: np.random.Generator, scene: Scene, plan: WallPlan, runs: list[tuple[int, int]]) -> None:
    spacing = rng.uniform(0.45, 1.1)
    lumps = _lumps(rng, scene, plan, runs, (0.6 * spacing, 1.2 * spacing), (0.15, 0.5), (0.55, 0.95))
    kept = []
    for lump in lumps:
        roll = rng.random()
        if roll < 0.3:  # paler than the membrane: on its way out
            plan.lucent.append(lump)
        else:
            kept.append(lump)
            plan.dense.append(("intramembranous", lump, rng.uniform(0.35, 1.05)))
            if roll < 0.6:
                plan.lucent.append(lump.mean(axis=0) + (lump - lump.mean(axis=0)) * np.array([1.25, 1.3]))
    cover = envelope(reach_of(lumps, len(plan.width)), scene.px(0.1)) + scene.px(rng.uniform(0.06, 0.2))
    carried = _mask_of(runs, len(plan.width), scene.px(0.2))
    plan.outer = plan.width + carried * np.maximum(cover - plan.width, 0)
    settle(plan, [])
    _efface(rng, scene, plan, runs, 0.8)


def _fourth(rng: np.random.Generator, scene: Scene, plan: WallPlan, runs: list[tuple[int, int]]) -> None:
    count = len(plan.width)
    carried = _mask_of(runs, count, scene.px(0.3))
    thick = 1 + rng.uniform(0.7, 1.8) * np.clip(1 + 0.5 * waves(rng, count, scene.px(0.6)), 0.2, 2.2)
    plan.outer = plan.width * (1 + carried * (thick - 1))
    for start, stop in runs:
        for at in np.arange(start, stop, scene.px(rng.uniform(0.35, 0.9))):
            middle = int(np.clip(at + rng.normal(0, scene.px(0.15)), 0, count - 1))
            room = float(plan.outer[middle])
            lump = dome(
                rng,
                middle,
                room * rng.uniform(0.45, 0.7),
                scene.px(rng.uniform(0.06, 0.26)),
                0.2 * room,
                0.15 * room,
            )
            if rng.random() < 0.8:
                plan.lucent.append(lump)
            elif rng.random() < 0.35:
                plan.dense.append(("intramembranous", lump, rng.uniform(0.2, 0.55)))
    settle(plan, [])
    _efface(rng, scene, plan, runs, 0.7)


_MEMBRANOUS = {1: _first, 2: _second, 3: _third, 4: _fourth}


def _mask_of(runs: list[tuple[int, int]], count: int, sigma_px: float) -> Curve:
    mask = np.zeros(count)
    for start, stop in runs:
        mask[start:stop] = 1.0
    return np.asarray(gaussian_filter1d(mask, sigma_px, mode="nearest"))


def _efface(
    rng: np.random.Generator, scene: Scene, plan: WallPlan, runs: list[tuple[int, int]], share: float
) -> None:
    """Feet over deposits are effaced for the most part."""
    patches = waves(rng, len(plan.base), scene.px(0.8))
    gone = _mask_of(runs, len(plan.base), 1.0) > 0.5
    plan.effaced = plan.effaced | (gone & (patches > np.quantile(patches, 1 - share)))


def _subendothelial(rng: np.random.Generator, scene: Scene, plan: WallPlan) -> None:
    """Long flat deposits between membrane and endothelium."""
    places = runs_of(scene.on_loop & scene.in_view, int(scene.px(0.6)))
    for _ in range(int(rng.integers(1, 4))):
        start, stop = places[int(rng.integers(len(places)))]
        length = min(scene.px(rng.uniform(0.4, 3.0)), 0.9 * (stop - start))
        first = rng.uniform(start, stop - length)
        thick = scene.px(rng.uniform(0.12, 0.5))
        at = np.linspace(first, first + length, 32)
        profile = thick * np.sin(np.linspace(0.05, np.pi - 0.05, 32)) ** rng.uniform(0.35, 0.9)
        profile = profile * np.clip(1 + 0.25 * waves(rng, 32, 3.0), 0.3, 1.8)
        polygon = np.concatenate([np.stack([at, np.full(32, 1.0)], 1), np.stack([at, -profile], 1)[::-1]])
        plan.dense.append(("subendothelial", polygon, rng.uniform(0.8, 1.2)))
        index = np.arange(max(int(first), 0), min(int(first + length) + 1, len(plan.inner)))
        plan.inner[index] = np.maximum(plan.inner[index], np.interp(index, at, profile))


def _mesangial(rng: np.random.Generator, scene: Scene) -> list[Deposit]:
    """Rounded lumps in the mesangial matrix, most of them under the membrane that covers it."""
    found: list[Deposit] = []
    wanted, beside = int(rng.integers(2, 7)), scene.in_view & ~scene.on_loop
    inner = np.zeros(scene.shape, dtype=bool)
    inner[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = True
    rows, columns = np.nonzero(scene.mesangium & inner & (scene.wall.height < -scene.px(0.1)))
    if not len(rows):
        return []
    for _ in range(TRIALS):
        if len(found) == wanted:
            break
        radius = scene.px(float(np.clip(rng.lognormal(-1.0, 0.5), 0.15, 1.0)))
        flat = rng.uniform(0.5, 1.0)
        if beside.any() and rng.random() < 0.65:
            index = int(rng.choice(np.flatnonzero(beside)))
            out = scene.wall.out[index]
            centre = scene.wall.points_px[index] - out * (flat * radius + scene.px(0.03))
            turn = np.arctan2(out[1], out[0]) + np.pi / 2
        else:
            pick = int(rng.integers(len(rows)))
            centre, turn = np.array([columns[pick], rows[pick]], dtype=float), rng.uniform(0, np.pi)
        shape = blob(rng, radius, 0.12, 40) * np.array([1.0, flat])
        cos, sin = np.cos(turn), np.sin(turn)
        polygon = centre + shape @ np.array([[cos, sin], [-sin, cos]])
        if _lies_in(scene, polygon) and is_seen(scene, polygon):
            found.append(Deposit("mesangial", polygon, rng.uniform(0.75, 1.15)))
    return found


def _lies_in(scene: Scene, polygon_px: Points) -> bool:
    """Whether most of a polygon is mesangium."""
    canvas = np.zeros(scene.shape, dtype=np.uint8)
    cv2.fillPoly(canvas, [np.rint(polygon_px).astype(np.int32)], 1)
    area = int(canvas.sum())
    return area > 0 and int((canvas.astype(bool) & scene.mesangium).sum()) > 0.6 * area
