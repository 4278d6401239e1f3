"""One phantom glomerulus as dyes: walls seen through the depth of the section, matrix, cells, spikes.

A wall is a sheet in space. Where it stands upright in the section it is a sharp black line; where it
slants it is a grey band, for the same silver spreads over more of the picture. Walls curve: here each is
upright through half of the section's depth and slants through the other, which gives the black line with a
grey skirt that sections show. The slanting half is summed over planes.
"""

import cv2
import numpy as np

from glomspike.phantom.curves import normals
from glomspike.phantom.dyes import SHIFT, Dyes, draw_nuclei
from glomspike.phantom.fringe import paint_fringe
from glomspike.phantom.glomerulus import GlomerulusPlan
from glomspike.phantom.noise import cloud
from glomspike.phantom.stain import Dye
from glomspike.phantom.tuft import GRID_UM

PLANES = 5  # through the half of the section where walls slant


def paint_glomerulus(rng: np.random.Generator, plan: GlomerulusPlan, depth_um: float) -> tuple[Dyes, Dye]:
    """The glomerulus's dyes on its section's raster, and what share of each pixel it covers."""
    height, width = plan.section.shape
    corner_px = plan.section.corner_um / GRID_UM
    dyes = Dyes.empty(width, height, float(corner_px[0]), float(corner_px[1]), GRID_UM)
    grain = cloud(rng, plan.section.shape, 2.0)
    patches = cloud(rng, plan.section.shape, 12.0)
    _paint_cells(rng, dyes, plan, grain, patches)
    _paint_walls(rng, dyes, plan, depth_um, grain, patches)
    paint_fringe(dyes, plan, grain, cloud(rng, plan.section.shape, 1.2))
    _paint_nuclei(rng, dyes, plan, grain)
    _paint_capsule(rng, dyes, plan, patches)
    np.clip(dyes.silver, 0, 1.2, out=dyes.silver)
    return dyes, dyes.coverage(plan.capsule_um)


def _paint_cells(
    rng: np.random.Generator, dyes: Dyes, plan: GlomerulusPlan, grain: Dye, patches: Dye
) -> None:
    """Cytoplasm: podocytes on the outside of walls, plasma and red cells inside, the crescent's cells."""
    section = plan.section
    gap_um = section.lumen_um - section.wall_um
    foamy = np.clip(0.45 + rng.uniform(0.2, 0.7) * patches + 0.25 * grain, 0, 1)
    reach = np.clip(1.4 - gap_um / rng.uniform(4.0, 14.0), 0, 1)
    dyes.cytoplasm[:] = np.clip(gap_um / 0.4, 0, 1) * reach * foamy * rng.uniform(0.3, 1.1)
    plasma = np.clip(0.12 + 0.2 * cloud(rng, section.shape, 30.0), 0, 1) * rng.uniform(0, 0.8)
    dyes.cytoplasm[:] += np.clip(-section.lumen_um / 0.4, 0, 1) * plasma
    dyes.cytoplasm[:] += 0.5 * section.matrix * np.clip(gap_um < 0, 0, 1)
    red = np.zeros(section.shape, dtype=np.uint8)
    for centre in dyes.pixels(plan.red_cells_um):
        radius = round(rng.uniform(2.2, 3.4) / GRID_UM * 16)
        cv2.circle(red, centre.tolist(), radius, int(rng.integers(120, 255)), -1, cv2.LINE_AA, SHIFT)
        cv2.circle(red, centre.tolist(), radius // 2, int(rng.integers(90, 160)), -1, cv2.LINE_AA, SHIFT)
    soft = cv2.GaussianBlur(red, (0, 0), 2.0).astype(np.float32) / 255
    dyes.cytoplasm[:] += 1.3 * soft * np.clip(-section.lumen_um / 0.6, 0, 1)
    if len(plan.crescent_um):
        filled = dyes.coverage(plan.crescent_um) * np.clip(gap_um / 1.0, 0, 1)
        dyes.cytoplasm[:] += filled * np.clip(0.7 + 0.2 * patches, 0, 1)
        fibres = np.clip(1 - 3.0 * np.abs(cloud(rng, section.shape, 7.0)), 0, 1)
        dyes.silver[:] += filled * fibres * rng.uniform(0, 0.7)


def _paint_walls(
    rng: np.random.Generator, dyes: Dyes, plan: GlomerulusPlan, depth_um: float, grain: Dye, patches: Dye
) -> None:
    """Membranes and matrix, summed over the depth of the section."""
    section = plan.section
    silver = 0.5 * _within_wall(section.lumen_um, section.wall_um, np.float32(0.14))
    softness = 0.14 + np.abs(section.slope) * np.float32(depth_um / PLANES / 4)
    for part in (np.arange(PLANES) + 0.5) / PLANES:
        level = section.lumen_um - section.slope * np.float32(part * depth_um / 2)
        silver += 0.5 / PLANES * _within_wall(level, section.wall_um, softness)
    # from solid to a net of threads with pale meshes
    meshes = np.abs(cloud(rng, section.shape, rng.uniform(2.0, 4.5)))
    meshes += 0.6 * np.abs(cloud(rng, section.shape, 6.0))
    tangle = np.clip(1.15 - rng.uniform(0.15, 0.7) * meshes + 0.18 * patches, 0.1, 1.15)
    amid = np.clip(section.matrix * (section.lumen_um / 1.2), 0, 1)
    strength = 1 - amid * (1 - np.clip(plan.matrix_silver * tangle, 0, 1.1))
    dyes.silver[:] += silver * strength * np.clip(1 + 0.07 * grain + 0.05 * patches, 0.5, 1.2)
    mottled = rng.uniform(0, 0.12) * grain + rng.uniform(0, 0.12) * cloud(rng, section.shape, 4.0)
    cover = section.tangential * np.clip(rng.uniform(0.2, 0.5) + 0.1 * patches + mottled, 0.05, 0.9)
    np.maximum(dyes.silver, cover, out=dyes.silver)


def _within_wall(level_um: Dye, wall_um: Dye, softness_um: Dye | np.float32) -> Dye:
    """1 within the wall, 0 outside it, with edges twice as wide as the softness."""
    inner = np.clip(level_um / (2 * softness_um) + 0.5, 0, 1)
    outer = np.clip((wall_um - level_um) / (2 * softness_um) + 0.5, 0, 1)
    return np.asarray(np.minimum(inner, outer), dtype=np.float32)


def _paint_nuclei(rng: np.random.Generator, dyes: Dyes, plan: GlomerulusPlan, grain: Dye) -> None:
    nuclei = plan.nuclei
    kinds = [
        (nuclei.podocytes_um, 3.0, 0.05),
        (nuclei.endothelium_um, 1.9, rng.uniform(0.1, 0.7)),
        (nuclei.mesangium_um, 2.3, rng.uniform(0.1, 0.5)),
        (nuclei.capsule_um, 2.4, 0.1),
    ]
    for centres_um, radius_um, silver in kinds:
        rolls = rng.random((len(centres_um), 4), dtype=np.float32)
        draw_nuclei(dyes, dyes.local(centres_um), rolls, radius_um, grain, silver)


def _paint_capsule(rng: np.random.Generator, dyes: Dyes, plan: GlomerulusPlan, patches: Dye) -> None:
    """Bowman's capsule: one line where it is thin, layers where it is thick."""
    out = normals(plan.capsule_um)
    inner = plan.capsule_um - out * plan.capsule_thickness_um
    shreds = np.clip(1.3 - 1.2 * np.abs(cloud(rng, dyes.silver.shape, 4.0)), 0.2, 1.1)
    line = dyes.ring(plan.capsule_um - out * 0.2, inner) * np.clip(0.8 + 0.25 * patches, 0.3, 1.1) * shreds
    np.maximum(dyes.silver, line, out=dyes.silver)
    edge = dyes.ring(inner + out * rng.uniform(0.6, 1.4), inner)
    np.maximum(dyes.silver, 0.95 * edge, out=dyes.silver)
