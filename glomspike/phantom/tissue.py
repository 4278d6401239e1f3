"""The plan of a phantom slide: where there is tissue, and which tubules, vessels and glomeruli stand in it.

All positions are micrometres from the slide's upper left corner. The plan is small; `paint.py` turns any
block of it into pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.phantom.artefacts import Artefacts
from glomspike.phantom.curves import blob, largest_ring, resample
from glomspike.phantom.glomerulus import GlomerulusPlan, Habit, plan_glomerulus, with_spikes
from glomspike.phantom.spikes import Lesion

CLEARANCE_UM = 12.0  # between the capsules of neighbouring glomeruli


@dataclass(frozen=True)
class Cortex:
    """What a patient's tubules and interstitium look like."""

    tubule_um: float  # distance of neighbouring tubules
    interstitium_um: float  # half the space between neighbouring tubules
    membrane_um: float
    epithelium_um: float
    fibrosis: float  # 0 a light network between tubules, 1 dense black
    frayed: float  # how rough the tubules' membranes are

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Cortex":
        """A patient's cortex, drawn at random."""
        return cls(
            tubule_um=rng.uniform(42, 70),
            interstitium_um=rng.uniform(1.2, 5.0),
            membrane_um=rng.uniform(1.0, 2.8),
            epithelium_um=rng.uniform(8, 15),
            fibrosis=float(rng.beta(1.5, 2.5)),
            frayed=rng.uniform(0.0, 0.22),
        )


@dataclass(frozen=True, eq=False)
class Vessel:
    """An artery or vein cut across: outer edge and the share of its radius that is lumen."""

    edge_um: Points
    lumen: float


@dataclass(frozen=True, eq=False)
class TissuePlan:
    """Everything that stands on one phantom slide."""

    width_um: float
    height_um: float
    tissue_um: Points
    cortex: Cortex
    tubules_um: Points  # (n, 2) middles
    epithelium_um: NDArray[np.float64]  # (n,) height of each tubule's epithelium
    casts: NDArray[np.float64]  # (n,) how much fills each tubule's lumen, 0 to 1
    vessels: tuple[Vessel, ...]
    glomeruli: tuple[GlomerulusPlan, ...]
    artefacts: Artefacts
    section_um: float  # how thick the section was cut


def plan_tissue(
    rng: np.random.Generator,
    width_um: float,
    height_um: float,
    glomeruli: int,
    lesion: Lesion | None,
    habit: Habit | None = None,
) -> TissuePlan:
    """A core of cortex with up to `glomeruli` glomeruli; with a `lesion`, about half of them are spiked.

    Fewer stand on it where no more fit. Without a `habit` one is drawn.
    """
    tissue = _core(rng, width_um, height_um)
    area = shapely.Polygon(tissue)
    habit, cortex = habit or Habit.sample(rng), Cortex.sample(rng)
    mean_radius_um = rng.uniform(82, 118)
    discs = _place(rng, area, glomeruli, lambda: float(np.clip(rng.normal(mean_radius_um, 12), 70, 150)))
    spiked = rng.permutation(len(discs)) < (len(discs) + 1) // 2
    plans = []
    for (x_um, y_um, radius_um), is_spiked in zip(discs, spiked, strict=True):
        plan = plan_glomerulus(rng, habit, np.array([x_um, y_um]), radius_um)
        plans.append(with_spikes(rng, plan, lesion) if lesion and is_spiked else plan)
    tubules = _tubules(rng, area, cortex)
    held = [shapely.Polygon(plan.capsule_um).buffer(8.0) for plan in plans]  # no capsule hangs in the air
    return TissuePlan(
        width_um,
        height_um,
        largest_ring(shapely.union_all([area, *held])),
        cortex,
        tubules,
        cortex.epithelium_um * rng.lognormal(0, 0.25, size=len(tubules)),
        np.where(rng.random(len(tubules)) < 0.06, rng.uniform(0.4, 1.2, size=len(tubules)), 0.0),
        _vessels(rng, area, discs),
        tuple(plans),
        Artefacts.sample(rng, width_um, height_um),
        habit.anatomy.section_um,
    )


def _core(rng: np.random.Generator, width_um: float, height_um: float) -> Points:
    """The edge of a core of tissue that leaves a strip of glass around it."""
    margin = np.array([0.06, 0.08]) * rng.uniform(0.4, 1.2, size=2) * np.array([width_um, height_um])
    box = shapely.box(margin[0], margin[1], width_um - margin[0], height_um - margin[1])
    corner_um = 0.25 * min(width_um, height_um)
    edge = resample(np.asarray(box.buffer(-corner_um).buffer(corner_um).exterior.coords)[:-1], 8.0)
    centre = edge.mean(axis=0)
    wobble = np.linalg.norm(blob(rng, 1.0, 0.05, len(edge)), axis=1)
    return np.asarray(centre + (edge - centre) * np.minimum(wobble, 1.05)[:, None], dtype=np.float64)


def _place(
    rng: np.random.Generator, area: shapely.Polygon, count: int, radius_um: Callable[[], float]
) -> list[tuple[float, float, float]]:
    """Up to `count` circles (x, y, radius in µm) in the tissue that keep clear of one another."""
    low_x, low_y, high_x, high_y = area.bounds
    discs: list[tuple[float, float, float]] = []
    for _ in range(400 * count):
        if len(discs) == count:
            break
        radius = radius_um()
        x, y = rng.uniform(low_x, high_x), rng.uniform(low_y, high_y)
        if not area.buffer(-0.8 * radius).contains(shapely.Point(x, y)):
            continue
        if all(np.hypot(x - a, y - b) > 1.12 * (radius + r) + CLEARANCE_UM for a, b, r in discs):
            discs.append((x, y, radius))
    return discs


def _tubules(rng: np.random.Generator, area: shapely.Polygon, cortex: Cortex) -> Points:
    """Middles of tubules on a jittered hexagonal grid over the tissue."""
    low_x, low_y, high_x, high_y = area.buffer(cortex.tubule_um).bounds
    step = cortex.tubule_um
    ys = np.arange(low_y, high_y, step * 0.87)
    xs = np.arange(low_x, high_x, step)
    grid_x, grid_y = np.meshgrid(xs, ys)
    grid_x = grid_x + (np.arange(len(ys)) % 2)[:, None] * step / 2
    points = np.stack([grid_x.ravel(), grid_y.ravel()], axis=1)
    return points + rng.normal(0, 0.24 * step, size=points.shape)


def _vessels(
    rng: np.random.Generator, area: shapely.Polygon, discs: list[tuple[float, float, float]]
) -> tuple[Vessel, ...]:
    count = 1 + int(area.area / 6e5)
    spots = _place(rng, area, count, lambda: float(rng.uniform(20, 60)))
    vessels = []
    for x, y, radius in spots:
        if all(np.hypot(x - a, y - b) > 1.15 * r + radius + 5 for a, b, r in discs):
            edge = blob(rng, radius, 0.08) * rng.uniform(0.6, 1.0, size=2) + np.array([x, y])
            vessels.append(Vessel(resample(edge, 1.0), float(rng.uniform(0.3, 0.75))))
    return tuple(vessels)
