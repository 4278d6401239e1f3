"""The cortex around phantom glomeruli as dyes: tubules, interstitium, vessels.

A block's dyes depend only on where it lies. Distances to tubule borders are computed at 1 µm and enlarged.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from glomspike.findings import Points
from glomspike.phantom.curves import normals
from glomspike.phantom.dyes import Dyes, draw_nuclei
from glomspike.phantom.noise import Noise
from glomspike.phantom.stain import Dye
from glomspike.phantom.tissue import TissuePlan, Vessel

COARSE_UM = 1.0
REACH_UM = 64.0  # how far from a block a shape still pushes its tubules away
GRAIN_UM, CLOUD_UM, PATCHY_UM = 0.7, 2.5, 10.0  # texture scales


class CortexPainter:
    """Paints the cortex of one phantom slide into blocks."""

    def __init__(
        self, plan: TissuePlan, mpp: float, rng: np.random.Generator, bend_seed: int | None = None
    ) -> None:
        self.plan = plan
        self._scales = [round(um / mpp, 2) for um in (GRAIN_UM, CLOUD_UM, PATCHY_UM)]
        self._noise = Noise(rng).prepare(*self._scales)
        bends = rng if bend_seed is None else np.random.default_rng(bend_seed)
        self._warp = Noise(bends).prepare(25.0, 26.0)
        self._jitter = rng.uniform(0, 1, size=(256, 256, 4)).astype(np.float32)
        self._tree = cKDTree(plan.tubules_um)

    def paint(self, dyes: Dyes, precipitate: float) -> None:
        """Fills an empty block whose corner lies on a pixel of the slide."""
        grain, cloud, patchy = (self._texture(dyes, scale) for scale in self._scales)
        self._paint_tubules(dyes, grain, cloud, patchy)
        for vessel in self.plan.vessels:
            if reaches(vessel.edge_um, dyes):
                _paint_vessel(dyes, vessel, grain, cloud)
        if precipitate:
            self._paint_precipitate(dyes, precipitate)

    def _texture(self, dyes: Dyes, sigma_px: float) -> Dye:
        height, width = dyes.silver.shape
        return self._noise.at(int(dyes.x_px), int(dyes.y_px), width, height, sigma_px)

    def _paint_tubules(self, dyes: Dyes, grain: Dye, cloud: Dye, patchy: Dye) -> None:
        cortex, plan = self.plan.cortex, self.plan
        depth, tubule, tissue = self._tubule_depth(dyes)
        rel = depth - cortex.interstitium_um * np.clip(1 + 0.5 * patchy, 0.25, None)
        # interstitium: a network of black fibres, denser with fibrosis, with pale capillaries
        fibres = np.clip(1.2 - np.abs(cloud) * (3.2 - 2.4 * cortex.fibrosis), 0, 1)
        fibres *= np.clip(0.75 + 0.35 * grain, 0.1, 1.3)
        between = np.clip(-rel / 0.5, 0, 1) * (patchy < 1.3)
        dyes.silver[:] = between * fibres * (0.35 + 0.65 * cortex.fibrosis)
        dyes.cytoplasm[:] = between * 0.35
        # basement membrane of the tubule: a black line on the border, frayed towards the interstitium
        half = cortex.membrane_um / 2 * np.clip(1 + 0.25 * cloud + cortex.frayed * grain, 0.6, 2.0)
        line = np.clip((half + 0.2 - np.abs(rel - cortex.membrane_um / 2)) / 0.4, 0, 1)
        np.maximum(dyes.silver, line * np.clip(0.95 + 0.06 * grain, 0, 1.1), out=dyes.silver)
        # epithelium with a ragged inner edge, and what is in the lumen
        height_um = plan.epithelium_um.astype(np.float32)[tubule]
        inner = height_um + 1.6 * cloud + 0.6 * grain
        cell = np.clip((rel - cortex.membrane_um) / 0.5, 0, 1) * np.clip((inner - rel) / 1.2, 0, 1)
        dyes.cytoplasm[:] += cell * np.clip(0.85 + 0.13 * grain + 0.10 * cloud, 0.2, None)
        lumen = np.clip(rel - inner, 0, 1)
        dyes.cytoplasm[:] += lumen * (plan.casts.astype(np.float32)[tubule] + np.float32(0.04))
        self._paint_tubule_nuclei(dyes, rel, height_um, grain)
        dyes.clear(1 - tissue)

    def _tubule_depth(self, dyes: Dyes) -> tuple[Dye, NDArray[np.intp], Dye]:
        """Per pixel: µm from the tubule's border, which tubule it is, and 1 inside the tissue."""
        height_px, width_px = dyes.silver.shape
        step = COARSE_UM / dyes.mpp
        x0, y0 = int(np.floor(dyes.x_px / step)) - 2, int(np.floor(dyes.y_px / step)) - 2
        columns, rows = int(np.ceil(width_px / step)) + 5, int(np.ceil(height_px / step)) + 5
        grid_x, grid_y = np.meshgrid(np.arange(x0, x0 + columns), np.arange(y0, y0 + rows))
        points = (np.stack([grid_x, grid_y], axis=-1) + 0.5) * COARSE_UM
        bend = [self._warp.at(x0, y0, columns, rows, s) for s in (25.0, 26.0)]
        found = self._tree.query(points + 11.0 * np.stack(bend, axis=-1), k=2)
        distances, nearest = np.asarray(found[0]), np.asarray(found[1])
        depth = (distances[..., 1] - distances[..., 0]) / 2 * 1.15
        within = signed_distance([self.plan.tissue_um], x0, y0, columns, rows)
        depth = _evened(np.minimum(depth, within + 2.0))
        others = [g.capsule_um for g in self.plan.glomeruli] + [v.edge_um for v in self.plan.vessels]
        depth = np.minimum(depth, -signed_distance(others, x0, y0, columns, rows) + 1.0)
        # where block pixels fall on the coarse grid
        map_x = (np.arange(width_px) + dyes.x_px + 0.5) / step - x0 - 0.5
        map_y = (np.arange(height_px) + dyes.y_px + 0.5) / step - y0 - 0.5
        maps = np.meshgrid(map_x.astype(np.float32), map_y.astype(np.float32))
        fine = np.asarray(cv2.remap(depth.astype(np.float32), *maps, cv2.INTER_CUBIC), dtype=np.float32)
        inside = np.asarray(cv2.remap(within, *maps, cv2.INTER_LINEAR), dtype=np.float32)
        which: NDArray[np.intp] = nearest[..., 0][
            np.rint(map_y).astype(int)[:, None], np.rint(map_x).astype(int)[None, :]
        ]
        return fine, which, np.clip(inside + np.float32(0.5), 0, 1)

    def _scattered(self, dyes: Dyes, spacing_um: float) -> tuple[Dye, Dye, NDArray[np.float32]]:
        """Points of a jittered grid on the block, x and y in its pixels, with four random numbers each."""
        height, width = dyes.silver.shape
        step_px = spacing_um / dyes.mpp
        columns = np.arange(int(dyes.x_px // step_px) - 1, int((dyes.x_px + width) // step_px) + 2)
        rows = np.arange(int(dyes.y_px // step_px) - 1, int((dyes.y_px + height) // step_px) + 2)
        grid_x, grid_y = np.meshgrid(columns, rows)
        jitter = self._jitter[grid_y % 256, grid_x % 256]
        x = ((grid_x + jitter[..., 0]) * step_px - dyes.x_px).astype(np.float32)
        y = ((grid_y + jitter[..., 1]) * step_px - dyes.y_px).astype(np.float32)
        seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return x[seen], y[seen], jitter[seen]

    def _paint_precipitate(self, dyes: Dyes, share: float) -> None:
        """Specks of silver that fell out of the stain, anywhere on the slide."""
        specks = np.zeros(dyes.silver.shape, dtype=np.uint8)
        xs, ys, rolls = self._scattered(dyes, 6.0)
        fallen = rolls[:, 2] < share
        for x, y, roll in zip(xs[fallen], ys[fallen], rolls[fallen], strict=True):
            radius_px = (0.2 + 0.6 * roll[3] ** 2) / dyes.mpp
            centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
            darkness = int(255 * (0.4 + 0.6 * roll[1]))
            cv2.circle(specks, centre, round(radius_px * 16), darkness, -1, cv2.LINE_AA, 4)
        np.maximum(dyes.silver, specks.astype(np.float32) / 255, out=dyes.silver)

    def _paint_tubule_nuclei(self, dyes: Dyes, rel: Dye, epithelium_um: Dye, grain: Dye) -> None:
        """Nuclei at the foot of the epithelium: jittered points of a grid, kept where they fit."""
        xs, ys, rolls = self._scattered(dyes, 8.0)
        rows, columns = ys.astype(int), xs.astype(int)
        at, foot = rel[rows, columns], 0.36 * epithelium_um[rows, columns]
        in_cell = (at > foot * 0.7) & (at < foot * 2.0) & (rolls[:, 2] < 0.8)
        in_interstitium = (at < -0.6) & (rolls[:, 2] < 0.35)
        kept = in_cell | in_interstitium
        draw_nuclei(dyes, np.stack([xs, ys], axis=1)[kept], rolls[kept], 2.7, grain, 0.08)


def signed_distance(
    polygons_um: list[Points], x0: int, y0: int, columns: int, rows: int
) -> NDArray[np.float32]:
    """µm into the polygons (negative outside), on the coarse grid (rows, columns), cut off at `REACH_UM`."""
    pad = round(REACH_UM / COARSE_UM)
    mask = np.zeros((rows + 2 * pad, columns + 2 * pad), dtype=np.uint8)
    corner = np.array([x0 - pad, y0 - pad])
    shapes = [np.round(p / COARSE_UM - corner - 0.5).astype(np.int32) for p in polygons_um]
    for shape in shapes:
        cv2.fillPoly(mask, [shape], 1)
    if not mask.any():
        return np.full((rows, columns), -REACH_UM, dtype=np.float32)
    into = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) if not mask.all() else np.zeros_like(into)
    limit = REACH_UM / COARSE_UM
    signed = np.clip(into, 0, limit) - np.clip(away, 0, limit)
    signed = cv2.GaussianBlur(signed, (0, 0), 1.5) * COARSE_UM  # no stairs of the coarse grid
    return np.asarray(signed[pad:-pad, pad:-pad], dtype=np.float32)


def reaches(polygon_um: Points, dyes: Dyes) -> bool:
    """Whether a polygon's box meets the block."""
    height, width = dyes.silver.shape
    low, high = dyes.local(polygon_um.min(axis=0)), dyes.local(polygon_um.max(axis=0))
    return bool(low[0] < width and high[0] > 0 and low[1] < height and high[1] > 0)


def _evened(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth in true µm near the borders, corners rounded: the difference of two distances is steeper
    where two tubules face each other than where they pass at a slant."""
    rounded = cv2.GaussianBlur(depth, (0, 0), 1.5 / COARSE_UM)
    slope = cv2.GaussianBlur(np.hypot(*np.gradient(rounded, COARSE_UM)), (0, 0), 3.0)
    return np.asarray(rounded / np.clip(slope, 0.5, 1.5) - 1.2, dtype=np.float64)


def _paint_vessel(dyes: Dyes, vessel: Vessel, grain: Dye, cloud: Dye) -> None:
    centre = vessel.edge_um.mean(axis=0)
    whole = dyes.coverage(vessel.edge_um)
    dyes.clear(whole)
    dyes.cytoplasm[:] += whole * np.clip(0.7 + 0.12 * grain, 0, None)
    for share in np.linspace(1.0, vessel.lumen, 6):
        ring = centre + (vessel.edge_um - centre) * share
        strength = 0.9 if share in (1.0, vessel.lumen) else 0.45
        line = dyes.ring(ring + 0.7 * normals(ring), ring - 0.7 * normals(ring))
        np.maximum(dyes.silver, line * strength * np.clip(0.8 + 0.5 * cloud, 0, 1.2), out=dyes.silver)
    hole = dyes.coverage(centre + (vessel.edge_um - centre) * vessel.lumen * 0.96)
    dyes.cytoplasm[:] *= 1 - hole
    dyes.silver[:] *= 1 - hole
