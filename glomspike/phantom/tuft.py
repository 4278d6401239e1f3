"""The section through a phantom tuft: capillary lumens, the walls around them, the matrix that holds them.

Loops are bent tubes packed into lobules. Where two touch they flatten against each other and share a wall,
so that corners and junctions arise as in tissue, not by drawing them. Everything is a raster of `GRID_UM`
pixels in a frame whose origin is the glomerulus's centre; lengths are micrometres.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from shapely.geometry.base import BaseGeometry

from glomspike.findings import Points
from glomspike.phantom.noise import Texture, cloud

GRID_UM = 0.25  # pixel of the section
COARSE_UM = 0.5  # pixel that loops are packed on
LEAST_LUMEN_UM2 = 3.0

Mask = NDArray[np.bool_]
Loop = tuple[NDArray[np.float64], float]  # axis (4, 2) or (4, 3) and radius, µm


@dataclass(frozen=True)
class Anatomy:
    """What a patient's glomeruli have in common."""

    loop_um: float  # radius of a typical loop
    crowding: float  # 0 loops stand apart, 1 they press against each other
    apart_um: float  # least space between the walls of two loops; negative where they share one
    tapered: float  # how much narrower a loop is at its stalk
    lobule_um: float  # distance of neighbouring lobules
    membrane_um: float
    roughness: float  # relative size of the waves in the membrane's thickness
    matrix_um: float  # how far mesangial matrix reaches around its stalks
    fillet_um: float  # how much silver fills the corners where loops meet
    oblique: float  # typical sideways shift of a wall per µm of depth
    slanted: float  # how much of the wall is cut far from upright
    section_um: float
    wrinkle_um: float
    rounding_um: float  # least radius of a lumen's corners
    capsule_um: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Anatomy":
        """A patient's anatomy, drawn at random."""
        return cls(
            loop_um=rng.uniform(2.5, 5.0),
            crowding=rng.beta(1.6, 1.0),
            apart_um=rng.uniform(-1.2, 2.2),
            tapered=rng.uniform(0.0, 0.7),
            lobule_um=rng.uniform(28, 48),
            membrane_um=float(
                rng.choice([np.clip(rng.lognormal(0.22, 0.28), 0.65, 2.6), rng.uniform(1.2, 2.4)])
            ),
            roughness=rng.uniform(0.06, 0.35),
            matrix_um=float(rng.choice([rng.uniform(0.6, 3.6), rng.uniform(3.0, 5.5)], p=[0.6, 0.4])),
            fillet_um=rng.uniform(0.0, 3.0),
            oblique=rng.uniform(0.3, 1.0),
            slanted=rng.uniform(0.2, 1.3),
            section_um=rng.uniform(1.5, 3.5),
            wrinkle_um=rng.uniform(0.15, 0.8),
            rounding_um=rng.uniform(0.3, 1.5),
            capsule_um=rng.uniform(1.5, 5.0),
        )


@dataclass(frozen=True, eq=False)
class Section:
    """A tuft as cut: rasters (height, width) whose pixel 0, 0 has its corner at `corner_um`."""

    corner_um: Points  # (2,)
    lumen_um: Texture  # distance to the nearest lumen's edge, negative inside
    wall_um: Texture  # how far silver reaches from that edge: membrane, and matrix near a stalk
    matrix: Texture  # 0 plain membrane, 1 amid mesangial matrix or a scar
    slope: Texture  # how far the wall shifts outwards per µm of depth
    tangential: Texture  # 0 to 1: a wall cut along itself covers this place

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the rasters."""
        height, width = self.lumen_um.shape
        return height, width

    def pixels(self, points_um: Points) -> Points:
        """Points (n, 2) as pixel indices with fractions: a pixel's centre is a whole number."""
        return np.asarray((points_um - self.corner_um) / GRID_UM - 0.5, dtype=np.float64)

    def points_um(self, pixels: Points) -> Points:
        """Points (n, 2) in µm, the opposite of `pixels`."""
        return np.asarray((pixels + 0.5) * GRID_UM + self.corner_um, dtype=np.float64)

    def at(self, raster: Texture, points_um: Points) -> NDArray[np.float64]:
        """A raster's values at points (n,), those of the nearest pixels."""
        columns, rows = np.rint(self.pixels(points_um)).astype(int).T
        height, width = self.shape
        values = raster[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return np.asarray(values, dtype=np.float64)


def cut_tuft(
    rng: np.random.Generator, anatomy: Anatomy, tuft_um: Points, edge_um: Points, scar: float
) -> Section:
    """A section through the tuft within `tuft_um` on a raster that holds `edge_um` as well.

    `scar` is the share of the tuft that is sclerosed: collapsed loops in solid matrix.
    """
    low, high = edge_um.min(axis=0) - 4.0, edge_um.max(axis=0) + 4.0
    coarse = coarse_shape(low, high)
    shape = (2 * coarse[0], 2 * coarse[1])
    inside = depth_in(tuft_um, low, shape)
    sclerosis = sclerosis_of(rng, inside, scar)
    seeds, lobules = _seeds(rng, anatomy, tuft_um)
    depth_um = packed(rng, anatomy, _loops(rng, anatomy, seeds, lobules), low, coarse)
    stalk_um = stalk_edge(rng, anatomy, _from_stalks(rng, anatomy, tuft_um, lobules, low, shape))
    return section_of(rng, anatomy, low, inside, sclerosis, depth_um, stalk_um)


def coarse_shape(low_um: Points, high_um: Points) -> tuple[int, int]:
    """Height and width of the raster that loops are packed on."""
    width, height = np.ceil((high_um - low_um) / COARSE_UM).astype(int).tolist()
    return height, width


def section_of(
    rng: np.random.Generator,
    anatomy: Anatomy,
    low_um: Points,
    inside_um: Texture,
    sclerosis: Texture,
    depth_um: Texture,
    stalk_um: Texture,
) -> Section:
    """The section, from rasters whose corner lies at `low_um`.

    `inside_um` is the depth in the tuft, `sclerosis` 1 in a scar, `stalk_um` the distance to the edge of the
    stalks, and on the coarse raster `depth_um` the depth in the nearest lumen.
    """
    inside, low, shape = inside_um, low_um, inside_um.shape
    depth_um = np.asarray(cv2.resize(depth_um, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    depth_um = np.minimum(np.minimum(depth_um, stalk_um), inside - 0.5)
    depth_um -= 5.0 * sclerosis * (cloud(rng, shape, 10.0) > -0.6)
    lumen_um = _signed_distance(_without_specks(_rounded(depth_um > 0, anatomy.rounding_um)))
    matrix = _matrix(rng, anatomy, stalk_um, shape)
    matrix = np.where(inside > 0, np.maximum(matrix, sclerosis), 0).astype(np.float32)
    wall_um = _wall(rng, anatomy, shape) + matrix * (0.4 + 1.6 * anatomy.matrix_um) + 12.0 * sclerosis
    wall_um += anatomy.fillet_um * _corners(lumen_um)
    return Section(
        low,
        lumen_um,
        np.minimum(wall_um, np.maximum(inside + 1.0, 0.3)).astype(np.float32),
        matrix,
        _slope(rng, anatomy, shape),
        _tangential(rng, lumen_um, anatomy),
    )


def depth_in(polygon_um: Points, low_um: Points, shape: tuple[int, int]) -> Texture:
    """µm inside the polygon, negative outside."""
    mask = np.zeros(shape, dtype=np.uint8)
    cv2.fillPoly(mask, [np.round((polygon_um - low_um) / GRID_UM).astype(np.int32)], 1)
    return -_signed_distance(mask > 0)


def _signed_distance(mask: Mask) -> Texture:
    """µm to the mask's edge, negative inside, without the stairs of its pixels."""
    inside = mask.astype(np.uint8)
    away = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5) - cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    far_px = np.hypot(*mask.shape)  # where there is no edge at all, OpenCV calls it infinitely far
    away = np.clip(away, -far_px, far_px)
    return np.asarray(cv2.GaussianBlur(away, (0, 0), 1.2) * GRID_UM, dtype=np.float32)


def _rounded(mask: Mask, radius_um: float) -> Mask:
    """The mask without what a disc of that radius does not reach: corners are rounded, walls stay."""
    radius_px = radius_um / GRID_UM
    core = (cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) <= radius_px).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(core, cv2.DIST_L2, 5) < radius_px, dtype=np.bool_)


def _without_specks(mask: Mask) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] * GRID_UM**2 > LEAST_LUMEN_UM2
    large[0] = False
    return np.asarray(large[labels], dtype=np.bool_) if count > 1 else mask


def spread(rng: np.random.Generator, area: BaseGeometry, spacing_um: float) -> Points:
    """Points in `area` (n, 2) that keep about `spacing_um` between them; none where it is empty."""
    if area.is_empty:
        return np.zeros((0, 2))
    low, high = np.array(area.bounds[:2]), np.array(area.bounds[2:])
    count = int(7 * np.prod(high - low) / spacing_um**2) + 1
    candidates = rng.uniform(low, high, size=(count, 2))
    candidates = candidates[shapely.contains_xy(area, candidates[:, 0], candidates[:, 1])]
    distance = spacing_um * rng.uniform(0.7, 1.15, size=len(candidates))
    alive = np.ones(len(candidates), dtype=bool)
    if len(candidates):
        for index, near in enumerate(cKDTree(candidates).query_ball_point(candidates, distance)):
            if alive[index]:
                alive[near] = False
                alive[index] = True
    return np.asarray(candidates[alive], dtype=np.float64)


def _seeds(rng: np.random.Generator, anatomy: Anatomy, tuft_um: Points) -> tuple[Points, Points]:
    """Middles of loops (n, 2) and of lobules (m, 2); sparse tufts leave space between lobules."""
    tuft = shapely.Polygon(tuft_um).buffer(-0.8 * anatomy.loop_um)
    lobules = spread(rng, tuft, anatomy.lobule_um)
    seeds = spread(rng, tuft, anatomy.loop_um * (2.7 - 0.75 * anatomy.crowding))
    distance, _ = cKDTree(lobules).query(seeds)
    reach = anatomy.lobule_um * (0.55 + 0.5 * anatomy.crowding) * rng.uniform(0.8, 1.2, size=len(seeds))
    return seeds[distance < reach], lobules


def _loops(rng: np.random.Generator, anatomy: Anatomy, seeds: Points, lobules: Points) -> Iterator[Loop]:
    for seed in seeds:
        radius = loop_radius(rng, anatomy)
        yield _axis(rng, seed, radius, lobules), radius


def loop_radius(rng: np.random.Generator, anatomy: Anatomy) -> float:
    """The radius of one loop, µm."""
    return anatomy.loop_um * float(np.clip(rng.lognormal(0.0, 0.35), 0.4, 2.2))


def packed(
    rng: np.random.Generator, anatomy: Anatomy, loops: Iterable[Loop], low_um: Points, shape: tuple[int, int]
) -> Texture:
    """µm into the nearest lumen (negative outside), where every loop gives way to its neighbours."""
    warp = 2.2 * np.stack([cloud(rng, shape, 5.0 / COARSE_UM) for _ in range(2)])
    warp += anatomy.wrinkle_um * np.stack([cloud(rng, shape, 1.3 / COARSE_UM) for _ in range(2)])
    rows, columns = np.indices(shape, dtype=np.float32)
    x = (columns + 0.5) * COARSE_UM + low_um[0] + warp[0]
    y = (rows + 0.5) * COARSE_UM + low_um[1] + warp[1]
    best = np.full(shape, -20.0, dtype=np.float32)
    second = best.copy()
    for line, radius in loops:
        window = window_around(line, radius + 9.0, low_um, shape)
        depth = depth_in_tube(x[window], y[window], line, radius * np.linspace(1 - anatomy.tapered, 1, 4))
        depth = np.minimum(depth, 0.6 * radius).astype(np.float32)
        np.maximum(second[window], np.minimum(best[window], depth), out=second[window])
        np.maximum(best[window], depth, out=best[window])
    wall_um = anatomy.membrane_um + 0.5 * anatomy.apart_um
    between = 0.5 * (best - second) - np.maximum(wall_um + 0.4 * cloud(rng, shape, 5.0 / COARSE_UM), 0.4)
    return np.asarray(np.minimum(best, between), dtype=np.float32)


def _axis(rng: np.random.Generator, seed: Points, radius_um: float, lobules: Points) -> Points:
    """The axis (4, 2) of a loop: almost a point where it is cut across, a bent line where it is cut along.

    It begins at the lobule's middle and points away from it as often as not, like a petal.
    """
    length = radius_um * float(rng.choice([0.4, 1.3, 3.2], p=[0.3, 0.4, 0.3])) * rng.uniform(0.7, 1.4)
    away = seed - lobules[np.argmin(np.linalg.norm(lobules - seed, axis=1))]
    radial = np.arctan2(away[1], away[0])
    angle = radial + rng.normal(0, 0.4) if rng.random() < 0.65 else rng.uniform(0, 2 * np.pi)
    angles = angle + np.cumsum(rng.normal(0, 0.35, size=3))
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / 3
    line = np.vstack([np.zeros(2), np.cumsum(steps, axis=0)])
    return np.asarray(seed + line - line.mean(axis=0), dtype=np.float64)


def window_around(
    line_um: Points, reach_um: float, low_um: Points, shape: tuple[int, int]
) -> tuple[slice, slice]:
    """The part of the coarse raster within reach of a line."""
    line = line_um[:, :2]
    start = np.floor((line.min(axis=0) - reach_um - low_um) / COARSE_UM).astype(int)
    stop = np.ceil((line.max(axis=0) + reach_um - low_um) / COARSE_UM).astype(int)
    (left, top), (right, bottom) = np.clip([start, stop], 0, np.array(shape[::-1]))
    return slice(top, bottom), slice(left, right)


def depth_in_tube(
    x: Texture, y: Texture, axis_um: NDArray[np.float64], radii_um: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How deep places lie in a bent tube of a radius for each point of its axis; negative outside.

    The axis is (n, 2), or (n, 3) where it leaves the plane of the section: the third number is how far.
    """
    deepest = np.full(x.shape, -np.inf)
    axis = axis_um if axis_um.shape[1] == 3 else np.pad(axis_um, ((0, 0), (0, 1)))
    for (start, stop), (first, last) in zip(pairwise(axis), pairwise(radii_um), strict=True):
        dx, dy, dz = stop - start
        scalar = (x - start[0]) * dx + (y - start[1]) * dy - start[2] * dz
        along = np.clip(scalar / max(dx * dx + dy * dy + dz * dz, 1e-9), 0, 1)
        away = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
        away = np.hypot(away, start[2] + along * dz)
        np.maximum(deepest, first + (last - first) * along - away, out=deepest)
    return deepest


def _from_stalks(
    rng: np.random.Generator,
    anatomy: Anatomy,
    tuft_um: Points,
    lobules: Points,
    low_um: Points,
    shape: tuple[int, int],
) -> Texture:
    """µm to the axis of the nearest stalk of mesangium: trees that join the lobules."""
    spots = spread(rng, shapely.Polygon(tuft_um).buffer(-4.0), 2.2 * anatomy.loop_um + 3.0)
    distance, _ = cKDTree(lobules).query(spots)
    nodes = np.vstack([lobules, spots[distance < 0.45 * anatomy.lobule_um]])
    tree = minimum_spanning_tree(cdist(nodes, nodes)).tocoo()
    canvas = np.ones(shape, dtype=np.uint8)
    pixels = np.round((nodes - low_um) / GRID_UM).astype(int)
    for a, b in zip(tree.row, tree.col, strict=True):
        cv2.line(canvas, pixels[a].tolist(), pixels[b].tolist(), 0)
    return np.asarray(cv2.distanceTransform(canvas, cv2.DIST_L2, 5) * GRID_UM, dtype=np.float32)


def stalk_edge(rng: np.random.Generator, anatomy: Anatomy, away_um: Texture) -> Texture:
    """µm to the edge of the nearest stalk (negative inside), from the distance to its axis."""
    shape, away = away_um.shape, away_um
    width = anatomy.matrix_um * (0.45 + 0.35 * cloud(rng, shape, 8.0 / GRID_UM))
    return np.asarray(away + 0.8 * cloud(rng, shape, 2.0 / GRID_UM) - width, dtype=np.float32)


def _matrix(rng: np.random.Generator, anatomy: Anatomy, stalk_um: Texture, shape: tuple[int, int]) -> Texture:
    """Where matrix lies around the stalks, 0 to 1, wider here and narrower there."""
    reach = anatomy.matrix_um * (0.9 + 0.6 * cloud(rng, shape, 8.0 / GRID_UM)) + 0.8
    return np.asarray(np.clip((reach - stalk_um) / 2.0, 0, 1), dtype=np.float32)


def _wall(rng: np.random.Generator, anatomy: Anatomy, shape: tuple[int, int]) -> Texture:
    """The membrane's thickness at every place."""
    waves = 0.6 * cloud(rng, shape, 5.0 / GRID_UM) + 0.8 * cloud(rng, shape, 0.8 / GRID_UM)
    thickness = anatomy.membrane_um * (1 + anatomy.roughness * waves)
    return np.asarray(np.clip(thickness, 0.45 * anatomy.membrane_um, 2.2 * anatomy.membrane_um))


def _corners(lumen_um: Texture) -> Texture:
    """Where the space between lumens is hemmed in on most sides, 0 to 1: the junctions of loops."""
    hemmed = cv2.GaussianBlur((lumen_um < 0).astype(np.float32), (0, 0), 2.0 / GRID_UM)
    return np.asarray(np.clip((hemmed - 0.42) * 5, 0, 1), dtype=np.float32)


def _slope(rng: np.random.Generator, anatomy: Anatomy, shape: tuple[int, int]) -> Texture:
    """How obliquely the walls are cut: upright for the most part, strongly slanted in places."""
    usual = cloud(rng, shape, 4.0 / GRID_UM)
    strong = np.clip(cloud(rng, shape, 6.0 / GRID_UM) - 1.0 + anatomy.slanted, 0, None)
    return np.asarray(anatomy.oblique * usual * (0.6 + 3.5 * strong), dtype=np.float32)


def sclerosis_of(rng: np.random.Generator, inside_um: Texture, share: float) -> Texture:
    """A scar over about `share` of the tuft, 0 to 1 with a soft edge."""
    if not share:
        return np.zeros_like(inside_um)
    lump = cloud(rng, inside_um.shape, 18.0 / GRID_UM)
    edge = np.quantile(lump[inside_um > 0], 1 - share)
    return np.asarray(np.clip((lump - edge) * 6, 0, 1) * (inside_um > 0), dtype=np.float32)


def _tangential(rng: np.random.Generator, lumen_um: Texture, anatomy: Anatomy) -> Texture:
    """Some lumens, whole or in part, lie behind a wall that was cut along itself."""
    count, labels = cv2.connectedComponents((lumen_um < 0).astype(np.uint8), connectivity=4)
    share = rng.random(count) < rng.uniform(0.01, 0.2)
    share[0] = False
    parts = np.clip(1.5 * (cloud(rng, lumen_um.shape, 5.0 / GRID_UM) - 2.2 + anatomy.oblique), 0, 1)
    cover = np.maximum(share[labels], parts * (lumen_um < 0.5))
    return np.asarray(cv2.GaussianBlur(cover.astype(np.float32), (0, 0), 2.0), dtype=np.float32)
