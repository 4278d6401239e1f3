"""A tuft as a solid that can be cut at any depth: its loops are tubes in space, its textures vary.

Two sections a few micrometres apart show the same loops a little further along, as serial sections do.
Depths and positions are micrometres from the glomerulus's centre.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from glomspike.findings import Points
from glomspike.phantom.noise import Texture
from glomspike.phantom.tuft import (
    COARSE_UM,
    Anatomy,
    Loop,
    Section,
    coarse_shape,
    depth_in,
    depth_in_tube,
    loop_radius,
    packed,
    sclerosis_of,
    section_of,
    stalk_edge,
    window_around,
)

Solids = NDArray[np.float64]  # (n, 3): x, y, depth

QUICK_UM = 12.0  # of depth over which walls' textures become others
SLOW_UM = 80.0  # the same for scars
STALK_REACH_UM = 16.0  # matrix reaches no further from a stalk


class DepthGenerator(np.random.Generator):
    """A generator whose normal fields change smoothly with depth: the nth one drawn is the nth at any depth.

    Fields drawn at the depths k and k + 1 times `step_um` are blended such that the variance stays 1. All
    other draws are the same at every depth.
    """

    def __init__(self, seed: int, depth_um: float, step_um: float) -> None:
        super().__init__(np.random.PCG64(seed))
        self._seed = seed
        self._below = int(np.floor(depth_um / step_um))
        self._part = depth_um / step_um - self._below
        self._drawn = 0

    def standard_normal(self, size, dtype=np.float64, out=None):  # type: ignore[no-untyped-def, override]  # noqa: ANN001, ANN201
        """A field of unit variance."""
        self._drawn += 1
        low, high = (
            np.random.default_rng([self._seed, self._drawn, 1000 + self._below + step]).standard_normal(
                size, dtype=dtype
            )
            for step in (0, 1)
        )
        angle = self._part * np.pi / 2
        return low * dtype(np.cos(angle)) + high * dtype(np.sin(angle))


@dataclass(frozen=True, eq=False)
class TuftSolid:
    """The loops (axis (4, 3), radius) and stalks (n, 2, 3) of a tuft between two depths."""

    anatomy: Anatomy
    loops: tuple[Loop, ...]
    stalks: Solids
    scar: float
    seed: int

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        anatomy: Anatomy,
        radius_um: float,
        depths_um: tuple[float, float],
        scar: float,
    ) -> "TuftSolid":
        """A tuft drawn at random within a ball; only what a section between the depths can meet."""
        reach = 4.0 * anatomy.loop_um
        low, high = max(depths_um[0] - reach, -radius_um), min(depths_um[1] + reach, radius_um)
        lobules = _spread_in_ball(rng, radius_um, (low - 30, high + 30), anatomy.lobule_um)
        seeds = _spread_in_ball(
            rng, radius_um, (low, high), anatomy.loop_um * (2.5 - 0.75 * anatomy.crowding)
        )
        distance, nearest = cKDTree(lobules).query(seeds)
        within = anatomy.lobule_um * (0.55 + 0.5 * anatomy.crowding) * rng.uniform(0.8, 1.2, len(seeds))
        kept = distance < within
        loops = []
        for seed, lobule in zip(seeds[kept], lobules[np.asarray(nearest)[kept]], strict=True):
            radius = loop_radius(rng, anatomy)
            loops.append((_axis(rng, seed, radius, lobule), radius))
        return cls(
            anatomy,
            tuple(loops),
            _stalks(rng, anatomy, radius_um, (low, high), lobules),
            scar,
            int(rng.integers(2**31)),
        )

    def cut(self, depth_um: float, centre_um: Points, radius_um: float, tuft_um: Points) -> Section:
        """The section at a depth, on a raster of `radius_um` around `centre_um`: the same at every depth."""
        low, high = centre_um - radius_um - 4.0, centre_um + radius_um + 4.0
        coarse = coarse_shape(low, high)
        inside = depth_in(tuft_um, low, (2 * coarse[0], 2 * coarse[1]))
        rng = DepthGenerator(self.seed, depth_um, QUICK_UM)
        sclerosis = sclerosis_of(DepthGenerator(self.seed + 1, depth_um, SLOW_UM), inside, self.scar)
        shift = np.array([*centre_um, -depth_um])
        lumens = packed(rng, self.anatomy, self._loops_at(shift), low, coarse)
        stalk = stalk_edge(rng, self.anatomy, self._from_stalks(shift, low, inside.shape, coarse))
        return section_of(rng, self.anatomy, low, inside, sclerosis, lumens, stalk)

    def _loops_at(self, shift_um: NDArray[np.float64]) -> Iterator[Loop]:
        for axis, radius in self.loops:
            placed = axis + shift_um
            if np.abs(placed[:, 2]).min() < radius + 6.0 or placed[0, 2] * placed[-1, 2] < 0:
                yield placed, radius

    def _from_stalks(
        self,
        shift_um: NDArray[np.float64],
        low_um: Points,
        shape: tuple[int, ...],
        coarse: tuple[int, int],
    ) -> Texture:
        """µm from every place of the section to the axis of the nearest stalk."""
        away = np.full(coarse, STALK_REACH_UM, dtype=np.float32)
        rows, columns = np.indices(coarse, dtype=np.float32)
        x, y = ((grid + 0.5) * COARSE_UM + low for grid, low in zip((columns, rows), low_um, strict=True))
        for stalk in self.stalks + shift_um:
            if stalk[:, 2].min() < STALK_REACH_UM and stalk[:, 2].max() > -STALK_REACH_UM:
                window = window_around(stalk, STALK_REACH_UM, low_um, coarse)
                near = -depth_in_tube(x[window], y[window], stalk, np.zeros(2))
                np.minimum(away[window], near.astype(np.float32), out=away[window])
        fine = cv2.resize(away, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
        return np.asarray(fine, dtype=np.float32)


def _spread_in_ball(
    rng: np.random.Generator, radius_um: float, depths_um: tuple[float, float], spacing_um: float
) -> Solids:
    """Points in the part of a ball between two depths that keep about `spacing_um` between them."""
    low, high = depths_um
    count = int(6 * (2 * radius_um) ** 2 * (high - low) / spacing_um**3) + 20
    points = rng.uniform((-radius_um, -radius_um, low), (radius_um, radius_um, high), size=(count, 3))
    points = points[np.linalg.norm(points, axis=1) < 1.15 * radius_um + 30]
    alive = np.ones(len(points), dtype=bool)
    distance = spacing_um * rng.uniform(0.7, 1.15, size=len(points))
    for index, near in enumerate(cKDTree(points).query_ball_point(points, distance)):
        if alive[index]:
            alive[near] = False
            alive[index] = True
    return np.asarray(points[alive], dtype=np.float64)


def _axis(rng: np.random.Generator, seed: Solids, radius_um: float, lobule: Solids) -> NDArray[np.float64]:
    """The axis (4, 3) of a loop, bent, pointing away from its lobule's middle as often as not."""
    length = radius_um * float(rng.choice([0.4, 1.3, 3.2], p=[0.3, 0.4, 0.3])) * rng.uniform(0.7, 1.4)
    radial = seed - lobule if rng.random() < 0.65 else rng.normal(size=3)
    steps = [radial / max(float(np.linalg.norm(radial)), 1e-9) + rng.normal(0, 0.3, size=3)]
    steps += [steps[0] + rng.normal(0, 0.35, size=3), steps[0] + rng.normal(0, 0.7, size=3)]
    line = np.vstack([np.zeros(3), np.cumsum(steps, axis=0) * length / 3])
    return np.asarray(seed + line - line.mean(axis=0), dtype=np.float64)


def _stalks(
    rng: np.random.Generator,
    anatomy: Anatomy,
    radius_um: float,
    depths_um: tuple[float, float],
    lobules: Solids,
) -> Solids:
    """The segments (n, 2, 3) of a tree of mesangium that joins the lobules."""
    spots = _spread_in_ball(rng, radius_um, depths_um, 2.4 * anatomy.loop_um + 4.0)
    distance, _ = cKDTree(lobules).query(spots)
    nodes = np.vstack([lobules, spots[distance < 0.45 * anatomy.lobule_um]])
    tree = minimum_spanning_tree(cdist(nodes, nodes)).tocoo()
    return np.asarray(nodes[np.stack([tree.row, tree.col], axis=1)], dtype=np.float64)
