"""What stands on the walls of a phantom glomerulus, as dyes: spikes and their look-alikes, with one pen.

Nothing here draws random numbers, so that a glomerulus without its spikes is otherwise the same.
"""

from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.phantom.bands import Band
from glomspike.phantom.dyes import SHIFT, Dyes
from glomspike.phantom.glomerulus import GlomerulusPlan
from glomspike.phantom.spikes import Sheet, Spikes
from glomspike.phantom.stain import Dye

SOFT_PX = 1.0  # standard deviation of the blur of a band's edges, on the glomerulus's raster

Canvas = NDArray[np.uint8]


def paint_fringe(dyes: Dyes, plan: GlomerulusPlan, grain: Dye, fine: Dye) -> None:
    """Paints bands, sheets, spikes and look-alikes; `grain` and `fine` are noise of unit variance."""
    free = np.asarray(np.clip(plan.section.lumen_um / 0.3 + 0.5, 0, 1), dtype=np.float32)
    bands = [band for spikes in plan.growth.stretches for band in spikes.bands]
    _paint_bands(dyes, (*plan.mimics.bands, *bands), free, fine)
    for sheet in plan.growth.sheets:
        _paint_sheet(dyes, sheet, fine)
    _paint_lines(dyes, plan, free, grain)


def _paint_bands(dyes: Dyes, bands: Iterable[Band], free: Dye, fine: Dye) -> None:
    """Bands outside of lumens, where two overlap the darker one."""
    for band in bands:
        corners = dyes.pixels(np.concatenate([band.inner_um, band.outer_um]))
        left, top = np.maximum((corners.min(axis=0) >> SHIFT) - 6, 0)
        right, bottom = (corners.max(axis=0) >> SHIFT) + 7
        window = slice(top, bottom), slice(left, right)
        canvas = np.zeros(dyes.silver[window].shape, dtype=np.uint8)
        strip = np.stack(
            [band.inner_um[:-1], band.inner_um[1:], band.outer_um[1:], band.outer_um[:-1]], axis=1
        )
        for quad in dyes.pixels(strip) - (np.array([left, top]) << SHIFT):
            cv2.fillConvexPoly(canvas, quad.astype(np.int32), 255, cv2.LINE_AA, SHIFT)
        soft = cv2.GaussianBlur(canvas, (0, 0), SOFT_PX).astype(np.float32) / 255 * free[window]
        ink = band.silver * np.clip(1 + band.mottled * fine[window], 0, 1.6)
        np.maximum(dyes.silver[window], soft * ink, out=dyes.silver[window])
        np.maximum(dyes.cytoplasm[window], soft * band.cytoplasm, out=dyes.cytoplasm[window])


def _paint_sheet(dyes: Dyes, sheet: Sheet, fine: Dye) -> None:
    """Spikes seen end-on: dark dots on the grey sheet, or pale holes in a dark one."""
    edge = cv2.GaussianBlur(dyes.coverage(sheet.edge_um), (0, 0), 2.0)
    dots = _dots(dyes, sheet)
    if sheet.cover is not None:
        ink = sheet.cover.silver * np.clip(1 + (0.15 + sheet.cover.mottled) * fine, 0, 1.6)
        np.maximum(dyes.silver, edge * ink, out=dyes.silver)
        np.maximum(dyes.cytoplasm, edge * sheet.cover.cytoplasm, out=dyes.cytoplasm)
    elif sheet.holes:
        np.maximum(dyes.silver, 0.75 * edge, out=dyes.silver)
    if sheet.holes:
        dyes.silver[:] *= 1 - 0.75 * dots
    else:
        np.maximum(dyes.silver, 0.95 * dots, out=dyes.silver)
    if sheet.rim is not None:
        canvas = np.zeros(dyes.silver.shape, dtype=np.uint8)
        _draw_spikes(canvas, dyes, sheet.rim)
        np.maximum(dyes.silver, canvas / np.float32(255), out=dyes.silver)


def _dots(dyes: Dyes, sheet: Sheet) -> Dye:
    canvas = np.zeros(dyes.silver.shape, dtype=np.uint8)
    radius = round(sheet.radius_um / dyes.mpp * (1 << SHIFT))
    for centre in dyes.pixels(sheet.places_um):
        cv2.circle(canvas, centre.tolist(), radius, 255, -1, cv2.LINE_AA, SHIFT)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


def _paint_lines(dyes: Dyes, plan: GlomerulusPlan, free: Dye, grain: Dye) -> None:
    """What stands outside ends at a lumen."""
    outside, inside = np.zeros((2, *dyes.silver.shape), dtype=np.uint8)
    for stroke in plan.mimics.strokes:
        _draw_stroke(outside, dyes, stroke.line_um, stroke.width_um, int(255 * stroke.darkness))
    for spikes in plan.growth.stretches:
        _draw_spikes(outside, dyes, spikes)
    for stroke in plan.mimics.inner:
        _draw_stroke(inside, dyes, stroke.line_um, stroke.width_um, int(255 * stroke.darkness))
    for grains in plan.mimics.grains:
        centre = dyes.pixels(grains.centre_um[None])[0].tolist()
        radius = round(grains.radius_um / dyes.mpp * (1 << SHIFT))
        cv2.circle(inside, centre, radius, int(255 * grains.darkness), -1, cv2.LINE_AA, SHIFT)
    ink = np.maximum(outside * free, inside) * np.clip((0.98 + 0.07 * grain) / 255, 0, None)
    np.maximum(dyes.silver, ink, out=dyes.silver)


def _draw_spikes(canvas: Canvas, dyes: Dyes, spikes: Spikes) -> None:
    for polygon in _spike_shapes(dyes, spikes):
        cv2.fillConvexPoly(canvas, polygon, int(255 * spikes.darkness), cv2.LINE_AA, SHIFT)
    if spikes.rung:
        _draw_stroke(canvas, dyes, spikes.tip_um, 0.4, int(255 * spikes.rung * spikes.darkness))


def _draw_stroke(
    canvas: Canvas, dyes: Dyes, line_um: NDArray[np.float64], width_um: float, darkness: int
) -> None:
    """A line of any width: a ribbon of quadrilaterals, because cv2's lines have whole widths."""
    for start, stop in pairwise(line_um):
        along = stop - start
        side = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9) * width_um / 2
        corners = np.stack([start + side, stop + side, stop - side, start - side])
        cv2.fillConvexPoly(canvas, dyes.pixels(corners), darkness, cv2.LINE_AA, SHIFT)


def _spike_shapes(dyes: Dyes, spikes: Spikes) -> list[NDArray[np.int32]]:
    """The outlines of a stretch's spikes: tapered bristles, or clubs with a disc at the end."""
    shapes = []
    turn = np.linspace(0, 2 * np.pi, 9)[:-1, None]
    circle = np.hstack([np.cos(turn), np.sin(turn)])
    for base, tip, width, club in zip(
        spikes.base_um, spikes.tip_um, spikes.width_um, spikes.club, strict=True
    ):
        unit = (tip - base) / max(float(np.hypot(*(tip - base))), 1e-9)
        side = np.array([-unit[1], unit[0]]) * width / 2
        root = base - unit * 0.5
        shapes.append(np.stack([root + 1.2 * side, tip + 0.65 * side, tip - 0.65 * side, root - 1.2 * side]))
        if club:
            shapes.append(tip + circle * width * 0.8)
    return [dyes.pixels(shape) for shape in shapes]
