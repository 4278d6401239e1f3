"""The anatomy of one phantom glomerulus: capsule, tuft, capillary loops, mesangium, nuclei.

All positions are micrometres in the frame of the tissue it stands in. The tuft is cut into cells (a
Voronoi diagram of points that keep their distance); most cells hold a capillary loop whose basement
membrane is a closed curve, some are mesangium, some a loop cut along its wall.
"""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import Voronoi, cKDTree
from shapely.geometry.base import BaseGeometry

from glomspike.findings import Points
from glomspike.phantom.curves import blob, largest_ring, normals, resample, smooth, wave

STEP_UM = 0.4  # distance of points along a membrane


@dataclass(frozen=True, eq=False)
class Spike:
    """One projection: where it stands on the outer side of the membrane and where it ends."""

    base_um: Points  # (2,)
    tip_um: Points  # (2,)
    width_um: float
    club: bool


@dataclass(frozen=True, eq=False)
class Loop:
    """A capillary loop: the middle line of its membrane, and the membrane's thickness at each point."""

    membrane_um: Points
    thickness_um: NDArray[np.float64]
    tangential: bool  # cut along its wall: a grey smear instead of a ring
    content: float  # what the lumen holds, 0 empty to 1 packed
    spikes: tuple[Spike, ...] = ()


@dataclass(frozen=True)
class Anatomy:
    """What a patient's glomeruli have in common."""

    loop_um: float  # typical distance of neighbouring loops
    gap_um: float  # half the space between neighbouring membranes
    membrane_um: float
    mesangium: float  # share of tuft cells that are mesangium
    tangential: float
    wrinkle_um: float
    capsule_um: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Anatomy":
        """A patient's anatomy, drawn at random."""
        return cls(
            loop_um=rng.uniform(9.0, 14.5),
            gap_um=rng.uniform(0.5, 1.7),
            membrane_um=rng.uniform(1.0, 1.5),
            mesangium=rng.uniform(0.06, 0.3),
            tangential=rng.uniform(0.04, 0.16),
            wrinkle_um=rng.uniform(0.2, 0.8),
            capsule_um=rng.uniform(1.5, 4.5),
        )


@dataclass(frozen=True, eq=False)
class GlomerulusPlan:
    """A phantom glomerulus. `capsule_um` is the outer edge of Bowman's capsule: the true outline."""

    centre_um: Points
    capsule_um: Points
    capsule_thickness_um: float
    tuft_um: Points
    loops: tuple[Loop, ...]
    mesangium_um: tuple[Points, ...]  # polygons of matrix between loops
    podocytes_um: Points  # nuclei outside the loops
    inner_nuclei_um: Points  # nuclei of endothelium and mesangium
    patches: tuple[Points, ...] = ()  # one (n, 2) array of spike bases per spiked stretch

    @property
    def spiked(self) -> bool:
        """Whether any membrane carries spikes."""
        return bool(self.patches)


def plan_glomerulus(
    rng: np.random.Generator, anatomy: Anatomy, centre_um: Points, radius_um: float
) -> GlomerulusPlan:
    """A glomerulus without spikes whose capsule is about `radius_um` around `centre_um`."""
    capsule = resample(blob(rng, radius_um, 0.06) * rng.uniform(0.9, 1.08, size=2), 1.0)
    tuft = _tuft(rng, capsule, radius_um)
    cells = _cells(rng, tuft, anatomy.loop_um)
    mesangial = rng.random(len(cells)) < anatomy.mesangium
    loops, matrix = [], []
    for cell, is_mesangium in zip(cells, mesangial, strict=True):
        loop = None if is_mesangium else _loop(rng, cell, anatomy)
        if loop is not None:
            loops.append(loop)
        else:
            matrix.append(_matrix(cell))
    podocytes, inner = _nuclei(rng, capsule, tuft, loops, matrix)
    plan = GlomerulusPlan(
        np.zeros(2), capsule, anatomy.capsule_um, tuft, tuple(loops), tuple(matrix), podocytes, inner
    )
    return _moved(plan, np.asarray(centre_um, dtype=np.float64))


def _moved(plan: GlomerulusPlan, by_um: Points) -> GlomerulusPlan:
    return replace(
        plan,
        centre_um=plan.centre_um + by_um,
        capsule_um=plan.capsule_um + by_um,
        tuft_um=plan.tuft_um + by_um,
        loops=tuple(replace(loop, membrane_um=loop.membrane_um + by_um) for loop in plan.loops),
        mesangium_um=tuple(polygon + by_um for polygon in plan.mesangium_um),
        podocytes_um=plan.podocytes_um + by_um,
        inner_nuclei_um=plan.inner_nuclei_um + by_um,
    )


def _tuft(rng: np.random.Generator, capsule_um: Points, radius_um: float) -> Points:
    """The tuft fills 55 to 95 % of the capsule, lobed, held at the hilum on one side."""
    hilum = rng.uniform(0, 2 * np.pi)
    fill = rng.uniform(0.8, 0.95)
    lobes = blob(rng, 1.0, 0.1)
    theta = np.arctan2(capsule_um[:, 1], capsule_um[:, 0])
    lobe_radius = np.interp(
        theta, np.linspace(-np.pi, np.pi, len(lobes)), np.linalg.norm(lobes, axis=1), period=2 * np.pi
    )
    shrunk = capsule_um * (fill * np.clip(lobe_radius, 0.75, 1.04))[:, None]
    towards = np.array([np.cos(hilum), np.sin(hilum)]) * (1 - fill) * radius_um * 0.7
    inside = shapely.Polygon(capsule_um).buffer(-0.04 * radius_um)
    tuft = shapely.Polygon(shrunk + towards).buffer(0).intersection(inside)
    return resample(largest_ring(tuft), 1.0)


def _cells(rng: np.random.Generator, tuft_um: Points, spacing_um: float) -> list[BaseGeometry]:
    """The tuft cut into cells about `spacing_um` wide, a fifth of them joined with a neighbour."""
    tuft = shapely.Polygon(tuft_um)
    seeds = _spread(rng, tuft, spacing_um)
    far = 4 * np.abs(tuft_um).max()
    fence = np.array([[far, 0], [-far, 0], [0, far], [0, -far]])
    diagram = Voronoi(np.vstack([seeds, fence]))
    cells: list[BaseGeometry] = []
    for seed in range(len(seeds)):
        region = diagram.regions[diagram.point_region[seed]]
        cells.append(shapely.Polygon(diagram.vertices[region]).intersection(tuft))
    for a, b in diagram.ridge_points[rng.permutation(len(diagram.ridge_points))]:
        if max(a, b) < len(seeds) and rng.random() < 0.1 and cells[a].area and cells[b].area:
            cells[a], cells[b] = cells[a].union(cells[b]), shapely.Polygon()
    return [cell for cell in cells if cell.area > 4]


def _spread(rng: np.random.Generator, area: BaseGeometry, spacing_um: float) -> Points:
    """Points in `area` that keep a distance of 0.5 to 1.1 times the spacing, smaller in some regions."""
    low, high = np.array(area.bounds[:2]), np.array(area.bounds[2:])
    count = int(9 * np.prod(high - low) / spacing_um**2)
    candidates = rng.uniform(low, high, size=(count, 2))
    candidates = candidates[shapely.contains_xy(area, candidates[:, 0], candidates[:, 1])]
    centres = rng.uniform(low, high, size=(5, 2))
    nearness = np.exp(-(cKDTree(centres).query(candidates)[0] ** 2) / (2 * (2.5 * spacing_um) ** 2))
    distance = spacing_um * (0.95 - 0.35 * nearness) * rng.uniform(0.75, 1.15, size=len(candidates))
    tree, alive = cKDTree(candidates), np.ones(len(candidates), dtype=bool)
    for index in range(len(candidates)):
        if alive[index]:
            alive[tree.query_ball_point(candidates[index], distance[index])] = False
            alive[index] = True
    return candidates[alive]


def _loop(rng: np.random.Generator, cell: BaseGeometry, anatomy: Anatomy) -> Loop | None:
    """The capillary loop in a tuft cell, or nothing where the cell is too small to hold one."""
    gap = anatomy.gap_um * rng.uniform(0.4, 1.8)
    inner = cell.buffer(-gap - anatomy.membrane_um / 2)
    if inner.area < 9:
        return None
    curve = smooth(resample(largest_ring(inner), STEP_UM), rng.uniform(0.7, 1.8), STEP_UM)
    curve = resample(curve, STEP_UM)
    out = normals(curve)
    curve = curve + out * (anatomy.wrinkle_um * rng.uniform(0.3, 1.4) * wave(rng, len(curve), 5.0))[:, None]
    curve = resample(smooth(curve, 0.35, STEP_UM), STEP_UM)
    thickness = anatomy.membrane_um * rng.lognormal(0, 0.12) * (1 + 0.14 * wave(rng, len(curve), 6.0))
    return Loop(
        curve,
        np.clip(thickness, 0.5, 3.0),
        bool(rng.random() < anatomy.tangential),
        float(rng.beta(0.6, 2.5)),
    )


def _matrix(cell: BaseGeometry) -> Points:
    """A mesangial cell's matrix: it fills the cell and joins its neighbours'."""
    grown = smooth(resample(largest_ring(cell.buffer(0.8)), STEP_UM), 1.2, STEP_UM)
    return resample(grown, STEP_UM)


def _nuclei(
    rng: np.random.Generator, capsule_um: Points, tuft_um: Points, loops: list[Loop], matrix: list[Points]
) -> tuple[Points, Points]:
    """Podocyte nuclei between loops and at the tuft's edge; endothelial and mesangial ones inside."""
    room = shapely.Polygon(tuft_um).buffer(2.5).intersection(shapely.Polygon(capsule_um).buffer(-6))
    rings = np.array([shapely.Polygon(loop.membrane_um[::3]) for loop in loops])
    taken = shapely.union_all(shapely.buffer(rings, 1.0))  # buffered first: a wrinkled loop may cross itself
    shapely.prepare(taken)
    spots = _spread(rng, room, 9.0)
    outside = spots[~shapely.contains_xy(taken, spots[:, 0], spots[:, 1])]
    inner = [loop.membrane_um.mean(axis=0) * 0.35 + loop.membrane_um[0] * 0.65 for loop in loops]
    inner = [spot for spot in inner if rng.random() < 0.22]
    inner += [polygon.mean(axis=0) for polygon in matrix if rng.random() < 0.5]
    return outside, np.array(inner).reshape(-1, 2)
