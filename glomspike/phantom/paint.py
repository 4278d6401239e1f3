"""Any block of a phantom slide, painted: the plan's tubules, vessels and glomeruli as dyes, then stained.

A block's pixels depend only on where it lies, so a slide of any size is painted block by block. Distances
to tubule borders are computed at 1 µm and enlarged; lines are drawn anti-aliased at full resolution.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from glomspike.findings import RGB, Points
from glomspike.phantom.curves import normals
from glomspike.phantom.glomerulus import GlomerulusPlan, Loop
from glomspike.phantom.noise import Noise
from glomspike.phantom.stain import Dye, Stain
from glomspike.phantom.tissue import TissuePlan, Vessel

COARSE_UM = 1.0
REACH_UM = 64.0  # how far from a block a shape still pushes its tubules away
MARGIN_PX = 24  # what blur and lines reach beyond a block
SHIFT = 4  # sub-pixel bits of drawing

FINE, GRAIN, CLOUD, PATCHY = 0.8, 3.0, 10.0, 40.0  # texture scales in pixels


@dataclass(frozen=True, eq=False)
class Dyes:
    """What has been painted so far on a block: three dyes, and where the block lies."""

    silver: Dye
    cytoplasm: Dye
    nuclei: Dye
    x_px: int
    y_px: int
    mpp: float

    def pixels(self, points_um: Points) -> NDArray[np.int32]:
        """Points for cv2's drawing, with `SHIFT` fractional bits; its pixel centres are whole numbers."""
        points = points_um / self.mpp - np.array([self.x_px, self.y_px]) - 0.5
        return np.asarray(np.round(points * (1 << SHIFT)), dtype=np.int32)

    def clear(self, share: Dye) -> None:
        """Takes a share of all dyes away, pixel by pixel."""
        for dye in (self.silver, self.cytoplasm, self.nuclei):
            np.multiply(dye, 1 - share, out=dye)

    def coverage(self, *polygons_um: Points) -> Dye:
        """How much of each pixel lies in any of the polygons, 0 to 1."""
        canvas = np.zeros(self.silver.shape, dtype=np.uint8)
        for polygon in polygons_um:
            cv2.fillPoly(canvas, [self.pixels(polygon)], 255, cv2.LINE_AA, SHIFT)
        return np.asarray(canvas / np.float32(255), dtype=np.float32)

    def ring(self, outer_um: Points, inner_um: Points) -> Dye:
        """How much of each pixel lies between two curves, one inside the other, 0 to 1."""
        canvas = np.zeros(self.silver.shape, dtype=np.uint8)
        cv2.fillPoly(canvas, [self.pixels(outer_um), self.pixels(inner_um)], 255, cv2.LINE_AA, SHIFT)
        return np.asarray(canvas / np.float32(255), dtype=np.float32)


class Painter:
    """Paints blocks of one phantom slide. Not thread-safe to construct, safe to call."""

    def __init__(self, plan: TissuePlan, stain: Stain, mpp: float, seed: int) -> None:
        self.plan, self.stain, self.mpp = plan, stain, mpp
        rng = np.random.default_rng(seed)
        self._noise = Noise(rng).prepare(FINE, GRAIN, CLOUD, PATCHY)
        self._warp = Noise(rng).prepare(25.0, 26.0)
        self._jitter = rng.uniform(0, 1, size=(256, 256, 4)).astype(np.float32)
        self._tree = cKDTree(plan.tubules_um)

    def block(self, x_px: int, y_px: int, width_px: int, height_px: int) -> RGB:
        """The pixels (height, width, 3) of a block whose corner lies at a pixel of the slide."""
        x, y = x_px - MARGIN_PX, y_px - MARGIN_PX
        width, height = width_px + 2 * MARGIN_PX, height_px + 2 * MARGIN_PX
        dyes = self._cortex(x, y, width, height)
        for vessel in self.plan.vessels:
            if _reaches(vessel.edge_um, dyes):
                self._paint_vessel(dyes, vessel)
        for glomerulus in self.plan.glomeruli:
            if _reaches(glomerulus.capsule_um, dyes):
                self._paint_glomerulus(dyes, glomerulus)
        self._paint_precipitate(dyes)
        noise = self._texture(dyes, FINE)
        picture = self.stain.develop(dyes.silver, dyes.cytoplasm, dyes.nuclei, noise, self.mpp)
        return picture[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]

    def _texture(self, dyes: Dyes, sigma_px: float) -> Dye:
        height, width = dyes.silver.shape
        return self._noise.at(dyes.x_px, dyes.y_px, width, height, sigma_px)

    # tubules and interstitium

    def _cortex(self, x_px: int, y_px: int, width_px: int, height_px: int) -> Dyes:
        cortex, plan = self.plan.cortex, self.plan
        depth, tubule, tissue = self._tubule_depth(x_px, y_px, width_px, height_px)
        empty = np.zeros((height_px, width_px), dtype=np.float32)
        dyes = Dyes(empty, empty.copy(), empty.copy(), x_px, y_px, self.mpp)
        grain, cloud, patchy = (self._texture(dyes, s) for s in (GRAIN, CLOUD, PATCHY))
        rel = depth - cortex.interstitium_um * np.clip(1 + 0.5 * patchy, 0.25, None)
        # interstitium: a network of black fibres, denser with fibrosis, with pale capillaries
        fibres = np.clip(1.2 - np.abs(cloud) * (3.2 - 2.4 * cortex.fibrosis), 0, 1)
        fibres *= np.clip(0.75 + 0.35 * grain, 0.1, 1.3)
        between = np.clip(-rel / 0.5, 0, 1) * (patchy < 1.3)
        dyes.silver[:] = between * fibres * (0.35 + 0.65 * cortex.fibrosis)
        dyes.cytoplasm[:] = between * 0.35
        # basement membrane of the tubule: a black line on the border
        half = cortex.membrane_um / 2
        line = np.clip((half + 0.2 - np.abs(rel - half)) / 0.4, 0, 1)
        np.maximum(dyes.silver, line * np.clip(0.95 + 0.06 * grain, 0, 1.1), out=dyes.silver)
        # epithelium with a ragged inner edge, and what is in the lumen
        inner = plan.epithelium_um[tubule] + 1.6 * cloud + 0.6 * grain
        cell = np.clip((rel - cortex.membrane_um) / 0.5, 0, 1) * np.clip((inner - rel) / 1.2, 0, 1)
        lumen = np.clip((rel - inner) / 1.0, 0, 1)
        dyes.cytoplasm[:] += cell * np.clip(0.85 + 0.13 * grain + 0.10 * cloud, 0.2, None)
        dyes.cytoplasm[:] += lumen * (plan.casts[tubule] + 0.04)
        self._tubule_nuclei(dyes, rel, plan.epithelium_um[tubule])
        dyes.clear(1 - tissue)
        return dyes

    def _tubule_depth(
        self, x_px: int, y_px: int, width_px: int, height_px: int
    ) -> tuple[Dye, NDArray[np.intp], Dye]:
        """Per pixel: µm from the tubule's border, which tubule it is, and 1 inside the tissue."""
        step = COARSE_UM / self.mpp
        x0, y0 = int(np.floor(x_px / step)) - 2, int(np.floor(y_px / step)) - 2
        columns, rows = int(np.ceil(width_px / step)) + 5, int(np.ceil(height_px / step)) + 5
        grid_x, grid_y = np.meshgrid(np.arange(x0, x0 + columns), np.arange(y0, y0 + rows))
        points = (np.stack([grid_x, grid_y], axis=-1) + 0.5) * COARSE_UM
        bend = [self._warp.at(x0, y0, columns, rows, s) for s in (25.0, 26.0)]
        found = self._tree.query(points + 11.0 * np.stack(bend, axis=-1), k=2)
        distances, nearest = np.asarray(found[0]), np.asarray(found[1])
        depth = (distances[..., 1] - distances[..., 0]) / 2 * 1.15
        within = self._signed_distance([self.plan.tissue_um], x0, y0, columns, rows)
        depth = np.minimum(depth, within + 2.0)
        depth = _evened(depth)
        others = [g.capsule_um for g in self.plan.glomeruli] + [v.edge_um for v in self.plan.vessels]
        depth = np.minimum(depth, -self._signed_distance(others, x0, y0, columns, rows) + 1.0)
        # where block pixels fall on the coarse grid
        map_x = ((np.arange(width_px) + x_px + 0.5) / step - x0 - 0.5).astype(np.float32)
        map_y = ((np.arange(height_px) + y_px + 0.5) / step - y0 - 0.5).astype(np.float32)
        maps = np.meshgrid(map_x, map_y)
        fine = np.asarray(cv2.remap(depth.astype(np.float32), *maps, cv2.INTER_CUBIC), dtype=np.float32)
        inside = np.asarray(cv2.remap(within, *maps, cv2.INTER_LINEAR), dtype=np.float32)
        which: NDArray[np.intp] = nearest[..., 0][
            np.rint(map_y).astype(int)[:, None], np.rint(map_x).astype(int)[None, :]
        ]
        return fine, which, np.clip(inside + np.float32(0.5), 0, 1)

    def _signed_distance(
        self, polygons_um: list[Points], x0: int, y0: int, columns: int, rows: int
    ) -> NDArray[np.float32]:
        """µm into the polygons (negative outside), on the coarse grid, cut off at `REACH_UM`."""
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

    def _scattered(self, dyes: Dyes, spacing_um: float) -> tuple[Dye, Dye, NDArray[np.float32]]:
        """Points of a jittered grid on the block, x and y in its pixels, with four random numbers each."""
        height, width = dyes.silver.shape
        step_px = spacing_um / self.mpp
        columns = np.arange(int(dyes.x_px // step_px) - 1, int((dyes.x_px + width) // step_px) + 2)
        rows = np.arange(int(dyes.y_px // step_px) - 1, int((dyes.y_px + height) // step_px) + 2)
        grid_x, grid_y = np.meshgrid(columns, rows)
        jitter = self._jitter[grid_y % 256, grid_x % 256]
        x = ((grid_x + jitter[..., 0]) * step_px - dyes.x_px).astype(np.float32)
        y = ((grid_y + jitter[..., 1]) * step_px - dyes.y_px).astype(np.float32)
        seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return x[seen], y[seen], jitter[seen]

    def _paint_precipitate(self, dyes: Dyes) -> None:
        """Specks of silver that fell out of the stain, anywhere on the slide."""
        specks = np.zeros(dyes.silver.shape, dtype=np.uint8)
        for x, y, roll in zip(*self._scattered(dyes, 6.0), strict=True):
            if roll[2] < self.stain.precipitate:
                radius_px = (0.25 + 0.6 * roll[3] ** 2) / self.mpp
                centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
                darkness = int(255 * (0.4 + 0.6 * roll[1]))
                cv2.circle(specks, centre, round(radius_px * 16), darkness, -1, cv2.LINE_AA, SHIFT)
        np.maximum(dyes.silver, specks.astype(np.float32) / 255, out=dyes.silver)

    def _tubule_nuclei(self, dyes: Dyes, rel: Dye, epithelium_um: NDArray[np.float64]) -> None:
        """Nuclei at the foot of the epithelium: jittered points of a grid, kept where they fit."""
        xs, ys, rolls = self._scattered(dyes, 8.0)
        at = rel[ys.astype(int), xs.astype(int)]
        foot = 0.36 * epithelium_um[ys.astype(int), xs.astype(int)]
        in_cell = (at > foot * 0.7) & (at < foot * 2.0) & (rolls[:, 2] < 0.8)
        in_interstitium = (at < -0.6) & (rolls[:, 2] < 0.35)
        kept = in_cell | in_interstitium
        _nuclei(dyes, np.stack([xs, ys], axis=1)[kept], rolls[kept], self._texture(dyes, GRAIN))

    # vessels

    def _paint_vessel(self, dyes: Dyes, vessel: Vessel) -> None:
        centre = vessel.edge_um.mean(axis=0)
        whole = dyes.coverage(vessel.edge_um)
        grain, cloud = self._texture(dyes, GRAIN), self._texture(dyes, CLOUD)
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

    # glomeruli

    def _paint_glomerulus(self, dyes: Dyes, plan: GlomerulusPlan) -> None:
        grain, cloud = self._texture(dyes, GRAIN), self._texture(dyes, CLOUD)
        whole = dyes.coverage(plan.capsule_um)
        dyes.clear(whole)
        out = normals(plan.capsule_um)
        inner = plan.capsule_um - out * plan.capsule_thickness_um
        capsule = dyes.ring(plan.capsule_um, inner) * np.clip(0.75 + 0.3 * cloud, 0.25, 1.1)
        np.maximum(dyes.silver, capsule, out=dyes.silver)
        tuft = dyes.coverage(plan.tuft_um)
        cells = np.clip(0.5 + 0.9 * cloud, 0, 1)  # between loops: pale urinary space or cytoplasm
        dyes.cytoplasm[:] += tuft * cells * np.clip(0.5 + 0.1 * grain, 0, None)
        if plan.mesangium_um:
            matrix = dyes.coverage(*plan.mesangium_um)
            dyes.silver[:] += matrix * np.clip(0.42 + 0.32 * cloud + 0.12 * grain, 0, 1)
            dyes.cytoplasm[:] += matrix * 0.3
        _nuclei(dyes, _local(dyes, plan.podocytes_um), None, grain)
        self._paint_loops(dyes, plan.loops)
        _nuclei(dyes, _local(dyes, plan.inner_nuclei_um), None, grain)
        np.clip(dyes.silver, 0, 1.15, out=dyes.silver)

    def _paint_loops(self, dyes: Dyes, loops: tuple[Loop, ...]) -> None:
        """Lumens first, then membranes and spikes in one drawing: neighbours don't erase each other."""
        shape = dyes.silver.shape
        lumen, smear, ink = (np.zeros(shape, dtype=np.uint8) for _ in range(3))
        for loop in loops:
            out = normals(loop.membrane_um) * loop.thickness_um[:, None] / 2
            outer, inner = dyes.pixels(loop.membrane_um + out), dyes.pixels(loop.membrane_um - out)
            if loop.tangential:
                cv2.fillPoly(smear, [outer], 255, cv2.LINE_AA, SHIFT)
            cv2.fillPoly(lumen, [inner], 255 - int(130 * loop.content), cv2.LINE_AA, SHIFT)
            cv2.fillPoly(ink, [outer, inner], 255, cv2.LINE_AA, SHIFT)
            for polygon in _spike_shapes(dyes, loop):
                cv2.fillConvexPoly(ink, polygon, 255, cv2.LINE_AA, SHIFT)
        grain, cloud = self._texture(dyes, GRAIN), self._texture(dyes, CLOUD)
        clear = lumen.astype(np.float32) / 255
        dyes.cytoplasm[:] *= 1 - 0.92 * clear
        dyes.silver[:] *= 1 - clear
        dyes.nuclei[:] *= 1 - clear
        dyes.silver[:] += smear.astype(np.float32) / 255 * np.clip(0.38 + 0.16 * cloud + 0.06 * grain, 0.1, 1)
        black = ink.astype(np.float32) / 255 * np.clip(0.98 + 0.06 * grain, 0, 1.1)
        np.maximum(dyes.silver, black, out=dyes.silver)


def _spike_shapes(dyes: Dyes, loop: Loop) -> list[NDArray[np.int32]]:
    """The outlines of a loop's spikes: tapered bristles, or clubs with a disc at the end."""
    shapes = []
    for spike in loop.spikes:
        along = spike.tip_um - spike.base_um
        length = np.hypot(*along)
        unit = along / length
        side = np.array([-unit[1], unit[0]]) * spike.width_um / 2
        root = spike.base_um - unit * 0.3
        shapes.append(np.array([root + 1.15 * side, spike.tip_um + 0.7 * side]))
        shapes[-1] = np.vstack([shapes[-1], [spike.tip_um - 0.7 * side, root - 1.15 * side]])
        if spike.club:
            turn = np.linspace(0, 2 * np.pi, 9)[:-1, None]
            disc = np.hstack([np.cos(turn), np.sin(turn)]) * spike.width_um * 0.85
            shapes.append(spike.tip_um + disc)
    return [dyes.pixels(shape) for shape in shapes]


def _evened(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth in true µm near the borders, corners rounded: the difference of two distances is steeper
    where two tubules face each other than where they pass at a slant."""
    rounded = cv2.GaussianBlur(depth, (0, 0), 1.5 / COARSE_UM)
    slope = cv2.GaussianBlur(np.hypot(*np.gradient(rounded, COARSE_UM)), (0, 0), 3.0)
    return np.asarray(rounded / np.clip(slope, 0.5, 1.5) - 1.2, dtype=np.float64)


def _reaches(polygon_um: Points, dyes: Dyes) -> bool:
    height, width = dyes.silver.shape
    low, high = polygon_um.min(axis=0) / dyes.mpp, polygon_um.max(axis=0) / dyes.mpp
    return bool(
        low[0] < dyes.x_px + width
        and high[0] > dyes.x_px
        and low[1] < dyes.y_px + height
        and high[1] > dyes.y_px
    )


def _local(dyes: Dyes, points_um: Points) -> Points:
    return np.asarray(points_um / dyes.mpp - np.array([dyes.x_px, dyes.y_px]), dtype=np.float64)


def _nuclei(dyes: Dyes, centres_px: Points, rolls: NDArray[np.float32] | None, grain: Dye) -> None:
    """Draws round to oval nuclei with chromatin; their shapes come from `rolls` or from their places."""
    canvas = np.zeros(dyes.silver.shape, dtype=np.uint8)
    rim = np.zeros_like(canvas)
    if rolls is None:
        places = np.round(centres_px + np.array([dyes.x_px, dyes.y_px])).astype(np.int64)
        mixed = (places[:, :1] * 73856093 ^ places[:, 1:] * 19349663) * np.array([1, 31, 277, 911])
        rolls = (np.abs(mixed) % 1009 / 1009).astype(np.float32)
    for (x, y), roll in zip(centres_px, rolls, strict=True):
        radius = (2.1 + 1.2 * roll[3]) / dyes.mpp
        axes = (round(radius * 16), round(radius * (0.65 + 0.35 * roll[0]) * 16))
        centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
        angle = 360 * float(roll[1])
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, int(150 + 100 * roll[2]), -1, cv2.LINE_AA, SHIFT)
        cv2.ellipse(rim, centre, axes, angle, 0, 360, 110, 2, cv2.LINE_AA, SHIFT)
    body = canvas.astype(np.float32) / 255
    dyes.nuclei[:] *= 1 - (body > 0)
    dyes.nuclei[:] += body * np.clip(0.8 + 0.22 * grain, 0.2, 1.4) + rim.astype(np.float32) / 255 * (body > 0)
    dyes.silver[:] += 0.12 * body
