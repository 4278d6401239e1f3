"""Obsolescent glomeruli, drawn into tissue for training: solid balls of a scarred kidney.

Of a tuft that has turned into one mass of collagen little is left but an even disc, of more eosin, Schiff's
dye or silver than the stroma, with few nuclei, clefts that follow its edge, and fibres or lymphocytes around.
Single ones at hand are few, and mostly not solid yet.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.detect.cut import KnownGlomerulus, is_in_tissue
from glomspike.detect.painting import Plane, blob, density_of, disc, shown, strewn_nuclei
from glomspike.findings import RGB, Points
from glomspike.learn.augmentation import Rng

LESION = "obsolescent"
DIAMETER_UM = (55.0, 180.0)
MOST_DRAWN, APART = 6, 1.1
IN_TISSUE = 0.8  # share of the ball's box that must be tissue
ROUGH, SOFT_PX = (0.05, 0.25), (0.1, 1.5)
# How much denser than the stroma between nuclei it is, as mean and spread of a logarithm; how much more so in
# green, where eosin, Schiff's dye and silver absorb, and less in red; and how far colours differ by chance.
DENSER, DENSER_SD, GREENER, LESS_RED, COLOUR_SD = 0.15, 0.25, 0.3, 0.35, 0.07
SWELLINGS, SWELLING_UM, GRAIN = (0.03, 0.2), (8.0, 40.0), 0.05
MOST_CLEFTS, CLEFT_UM, CLEFT_DENSITY = 10, 2.0, (0.1, 0.8)
MOST_NUCLEI, NUCLEI_AROUND = 0.1, 0.5  # of the area that they could fill, within the ball and close around it
RIM_UM = (4.0, 25.0)


def with_obsolescent(
    tissue: RGB, glomeruli: Sequence[KnownGlomerulus], mpp: float, rng: Rng
) -> tuple[RGB, list[KnownGlomerulus]]:
    """The tissue, in its shape, with one to six balls drawn clear of its glomeruli, and all its glomeruli."""
    density = density_of(tissue)
    stroma, nuclei = _stroma_and_nuclei(density)
    known = list(glomeruli)
    for _ in range(rng.integers(1, MOST_DRAWN + 1)):
        radius_px = float(np.exp(rng.uniform(*np.log(DIAMETER_UM)))) / 2 / mpp
        centre_px = rng.uniform(0, tissue.shape[0], 2)
        if any(one.is_near(centre_px, APART * radius_px) for one in known):
            continue
        if is_in_tissue(tissue, centre_px, radius_px, IN_TISSUE):
            known.append(_drawn(density, centre_px, radius_px, stroma, nuclei, mpp, rng))
    return shown(density), known


def _stroma_and_nuclei(density: Plane) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean density (3,) of what lies between nuclei, and of the darkest."""
    seen = density[density.max(axis=2) > 0.15]
    if not len(seen):
        seen = density.reshape(-1, 3)
    order = np.argsort(seen[:, 0])  # nuclei are darkest in red
    between, dark = order[: 1 + len(order) // 2], order[-1 - len(order) // 50 :]
    return seen[between].mean(axis=0), seen[dark].mean(axis=0)


def _drawn(
    density: Plane,
    centre_px: Points,
    radius_px: float,
    stroma: NDArray[np.float32],
    nuclei: NDArray[np.float32],
    mpp: float,
    rng: Rng,
) -> KnownGlomerulus:
    """Draws a ball into densities (h, w, 3), in place."""
    size = density.shape[:2]
    sharp = blob(size, centre_px, radius_px, rng, rough=rng.uniform(*ROUGH))
    shape = np.asarray(cv2.GaussianBlur(sharp, (0, 0), rng.uniform(*SOFT_PX)), np.float32)
    rim_px = rng.uniform(*RIM_UM) / mpp
    around = np.clip(cv2.dilate(shape, disc(rim_px)) - shape, 0, 1).astype(np.float32)
    _cover(density, around * np.float32(rng.random()), stroma * np.float32(rng.uniform(0.5, 1.1)))
    _cover(density, around * strewn_nuclei(NUCLEI_AROUND * rng.random(), size, mpp, rng), nuclei)
    tilt = np.exp(rng.normal(0, COLOUR_SD, 3) + rng.random(3) * [-LESS_RED, GREENER, 0])
    colour = stroma * np.exp(rng.normal(DENSER, DENSER_SD)) * tilt
    _cover(density, shape, _swellings(size, mpp, rng)[..., None] * colour.astype(np.float32))
    clefts = _clefts(size, centre_px, radius_px, mpp, rng) * shape
    _cover(density, clefts * np.float32(rng.random()), stroma * np.float32(rng.uniform(*CLEFT_DENSITY)))
    _cover(density, shape * strewn_nuclei(MOST_NUCLEI * rng.random() ** 2, size, mpp, rng), nuclei)
    edges, _ = cv2.findContours((sharp > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline_px = max(edges, key=len)[:, 0].astype(np.float64)
    return KnownGlomerulus(outline_px, LESION)


def _cover(density: Plane, share: Plane, other: NDArray[np.float32]) -> None:
    """Lets another density, of one colour (3,) or a picture, take a share (h, w) of each place, in place."""
    density += share[..., None] * (other - density)


def _swellings(size: tuple[int, int], mpp: float, rng: Rng) -> Plane:
    """How dense collagen is, about 1, with soft swellings and grain."""
    noise = rng.standard_normal(size, dtype=np.float32)
    wide_px = max(0.6, rng.uniform(*SWELLING_UM) / 2 / mpp)
    soft = cv2.GaussianBlur(noise, (0, 0), wide_px) * np.float32(2 * np.sqrt(np.pi) * wide_px)
    return np.asarray(np.maximum(1 + rng.uniform(*SWELLINGS) * soft + GRAIN * noise, 0.3), np.float32)


def _clefts(size: tuple[int, int], centre_px: Points, radius_px: float, mpp: float, rng: Rng) -> Plane:
    """Thin arcs that follow the ball's edge: 1 within, 0 outside."""
    drawn: Plane = np.zeros(size, np.float32)
    for _ in range(rng.integers(0, MOST_CLEFTS + 1)):
        start, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.0)
        turn = np.linspace(start, start + length, 12)
        at_px = radius_px * rng.uniform(0.2, 1.0) * (1 + 0.1 * np.sin(3 * turn + rng.uniform(0, 6)))
        arc = centre_px + at_px[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        cv2.polylines(drawn, [arc.round().astype(np.int32)], False, 1.0, max(1, round(CLEFT_UM / mpp)))
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), 0.6), np.float32)
