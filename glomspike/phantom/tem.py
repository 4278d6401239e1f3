"""Phantom electron micrographs of glomeruli with exact truth: the disease is all in a `DepositPattern`."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.modalities import DEPOSIT_PLACES
from glomspike.phantom.microscope import Microscope
from glomspike.phantom.noise import Texture, cloud
from glomspike.phantom.tem_cells import (
    Greys,
    crop,
    cytoplasm,
    filled,
    grains,
    lay,
    paint_blood,
    paint_endothelium,
    paint_mesangium,
    paint_plasma,
    paint_podocytes,
    rim,
    soft,
)
from glomspike.phantom.tem_deposits import DepositPattern, lay_deposits, lucent_gaps
from glomspike.phantom.tem_scene import MARGIN_PX, Scene, draw_scene
from glomspike.phantom.tem_wall import Deposit, Strip, WallPlan, bare_wall, paint_feet

TRIALS = 20
MIDDLES = 8  # places on the membrane that the truth names


@dataclass(frozen=True, eq=False)
class Micrograph:
    """A phantom micrograph (height, width) with its truth, whose lengths are pixels of it."""

    picture: NDArray[np.uint8]
    nm_px: float
    deposits: tuple[Deposit, ...]
    lucent: tuple[Points, ...]  # what is left of deposits that have gone
    wall: WallPlan
    scene: Scene
    faults: tuple[str, ...]

    def truth(self) -> dict[str, Any]:
        """What is on it, for the JSON beside it."""
        view = self.scene.in_view
        spikes = [int(at) for at in self.wall.spikes if view[min(int(at), len(view) - 1)]]
        width_nm = self.wall.width[view & self.scene.on_loop] * self.nm_px
        return {
            "nm_px": self.nm_px,
            "deposits": [
                {"place": one.place, "density": round(one.density, 3), "polygon_px": _in_view(one.polygon_px)}
                for one in self.deposits
            ],
            "lucent_px": [_in_view(one) for one in self.lucent],
            "membrane_nm": {"mean": round(float(width_nm.mean()), 1), "sd": round(float(width_nm.std()), 1)},
            "membrane_px": _in_view(self._middles()),
            "wall_nm": round(float((self.wall.outer[view & self.scene.on_loop] * self.nm_px).mean()), 1),
            "effaced_share": round(float(self.wall.effaced[view].mean()), 3),
            "spikes_px": _in_view(self.scene.wall.points_px[spikes]) if spikes else [],
            "faults": list(self.faults),
        }

    def places(self) -> NDArray[np.uint8]:
        """Where deposits lie (height, width): the number of a place in DEPOSIT_PLACES, from 1, or 0.

        The gaps that deposits have left in the membrane count as intramembranous.
        """
        drawn = np.zeros(self.picture.shape, np.uint8)
        gaps = [("intramembranous", polygon) for polygon in self.lucent]
        for place, polygon in [*gaps, *((one.place, one.polygon_px) for one in self.deposits)]:
            corners = np.rint(polygon - MARGIN_PX).astype(np.int32)
            cv2.fillPoly(drawn, [corners], 1 + DEPOSIT_PLACES.index(place))
        return drawn

    def _middles(self) -> NDArray[np.float64]:
        """Places in the middle of the membrane where it bounds a loop, `MIDDLES` at most."""
        here = np.flatnonzero(self.scene.in_view & self.scene.on_loop)
        at = here[:: max(1, len(here) // MIDDLES)][:MIDDLES].astype(np.float64)
        return self.scene.wall.places(at, self.wall.width[at.astype(int)] / 2)


def _in_view(points_px: NDArray[np.float64]) -> list[Any]:
    return list(np.round(points_px - MARGIN_PX, 1).tolist())


def draw_micrograph(
    rng: np.random.Generator,
    microscope: Microscope,
    greys: Greys,
    shown: DepositPattern,
    membrane_um: float,
    effaced_share: float,
) -> Micrograph:
    """A micrograph that shows each place of `shown` at least once.

    `effaced_share` is the share of feet that are effaced where there are no deposits.
    """
    for _ in range(TRIALS):
        scene = draw_scene(rng, microscope.size_px, microscope.um_px)
        plan = bare_wall(rng, scene, membrane_um, effaced_share)
        deposits = lay_deposits(rng, scene, plan, shown)
        if _shows(deposits, plan, shown):
            tissue = _paint(rng, scene, plan, deposits, greys)
            picture, faults = microscope.take(rng, tissue)
            gaps = lucent_gaps(scene, plan)
            return Micrograph(picture, microscope.nm_px, deposits, gaps, plan, scene, faults)
    raise RuntimeError(f"no field shows {shown}")


def _shows(deposits: tuple[Deposit, ...], plan: WallPlan, shown: DepositPattern) -> bool:
    there = {one.place for one in deposits}
    outside = {"subepithelial", "intramembranous"}
    for place in shown.places:
        if place == "subepithelial":
            # at the last stage nothing dense may be left
            if not there & outside and not (shown.stage == 4 and plan.lucent):
                return False
        elif place not in there:
            return False
    return True


def _paint(
    rng: np.random.Generator, scene: Scene, plan: WallPlan, deposits: tuple[Deposit, ...], greys: Greys
) -> Texture:
    """The field as grey levels (height, width), without the margin."""
    picture = np.full(scene.shape, greys.space, dtype=np.float32) + 2.5 * cloud(
        rng, scene.shape, scene.px(1.5)
    )
    picture += 3 * np.clip(grains(rng, scene.shape, 1.5) - 1.2, 0, 2) * -6
    index = np.clip(scene.wall.along.astype(np.int32), 0, len(plan.base) - 1)
    above_um = (scene.wall.height - plan.base[index].astype(np.float32)) * np.float32(scene.um_px)
    cells = cytoplasm(rng, scene, greys)
    paint_podocytes(rng, picture, scene, above_um, cells, greys)
    paint_plasma(rng, picture, scene, greys)
    paint_blood(rng, picture, scene, greys)
    lumen = scene.lumen & (scene.wall.height < -plan.inner[index].astype(np.float32))
    lay(picture, soft(scene.lumen & ~lumen), greys.membrane + 12)
    paint_endothelium(rng, picture, scene, lumen, cells, greys)
    dense = filled(scene.shape, *(one.polygon_px for one in deposits if one.place == "mesangial")) > 0
    paint_mesangium(rng, picture, scene, dense, cells, greys)
    _paint_wall(rng, picture, scene, plan, cells, greys)
    _paint_dense(rng, picture, scene, plan, deposits, greys)
    aslant = np.clip(cloud(rng, scene.shape, scene.px(2.0)) - rng.uniform(1.0, 2.4), 0, 1).astype(np.float32)
    lay(picture, aslant, np.asarray(cv2.GaussianBlur(picture, (0, 0), scene.px(0.07))))
    return np.ascontiguousarray(crop(picture))


def _paint_wall(
    rng: np.random.Generator, picture: Texture, scene: Scene, plan: WallPlan, cells: Texture, greys: Greys
) -> None:
    """Feet, then the basement membrane: dense in the middle, paler along both faces."""
    strip = Strip(scene)
    feet = strip.laid(paint_feet(rng, strip, plan, rng.uniform(0.28, 0.6)))
    lay(picture, feet, greys.feet + cells)
    lay(picture, 0.7 * rim(feet > 0.5), greys.line)
    index = np.clip(scene.wall.along.astype(np.int32), 0, len(plan.base) - 1)
    above_um = (scene.wall.height - plan.base[index].astype(np.float32)) * np.float32(scene.um_px)
    mat = (
        feet * plan.effaced[index] * np.clip(1 - np.abs(above_um - 0.05) / 0.07, 0, 1) * rng.uniform(0.2, 0.7)
    )
    lay(picture, mat.astype(np.float32), greys.line + 5)
    canvas = strip.empty()
    strip.band(canvas, np.full(len(plan.outer), -0.5), plan.outer)
    membrane = strip.laid(canvas)
    outer = plan.outer[index].astype(np.float32)
    relative = np.clip(scene.wall.height / np.maximum(outer, 1), 0, 1)
    rare = np.clip(np.abs(relative - 0.5) * 2 - 0.55, 0, 1) * 2.2
    grey = greys.membrane + rng.uniform(2, 16) * rare + 2.5 * grains(rng, scene.shape, 1.0)
    grey = grey + 4 * cloud(rng, scene.shape, scene.px(0.25))
    lay(picture, membrane, grey.astype(np.float32))


def _paint_dense(
    rng: np.random.Generator,
    picture: Texture,
    scene: Scene,
    plan: WallPlan,
    deposits: tuple[Deposit, ...],
    greys: Greys,
) -> None:
    """Lucent gaps, then deposits: even, finely granular, darker than the membrane."""
    strip = Strip(scene)
    fine = 2.5 * grains(rng, scene.shape, 1.0) + 3 * cloud(rng, scene.shape, scene.px(0.2))
    if plan.lucent:
        canvas = strip.empty()
        for polygon in plan.lucent:
            strip.fill(canvas, polygon, int(rng.integers(120, 240)))
        lay(picture, soft(strip.laid(canvas), 1.0), greys.membrane + 48 + 2 * fine)
    canvas = strip.empty()
    for _, polygon, density in plan.dense:
        strip.fill(canvas, polygon, int(np.clip(200 * density, 0, 255)))
    cover = strip.laid(canvas)
    inside = scene.mesangium
    for one in deposits:
        if one.place == "mesangial":
            lump = filled(scene.shape, one.polygon_px) * inside * np.float32(one.density * 200 / 255)
            cover = np.maximum(cover, lump)
    cover = soft(cover, max(0.6, scene.px(0.012)))
    depth = cover * 255 / 200 * greys.dense
    membrane = greys.membrane + fine
    solid = np.clip(cover * 4, 0, 1)
    lay(picture, solid.astype(np.float32), (membrane - depth).astype(np.float32))
