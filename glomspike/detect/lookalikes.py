"""What is round and no glomerulus, drawn for training: casts, tubules, vessels, lymphocytes, fat, tears.

Real tissue at hand shows few of them. Drawn roughly, in the colours of the tissue around: at the detector's
µm/px little more than size, edge and texture is left of them.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.detect.cut import KnownGlomerulus
from glomspike.detect.painting import (
    NUCLEUS_UM,
    blob,
    colour_at,
    disc,
    keep_glomeruli,
    paint,
    strewn_nuclei,
    textured,
    wall_and_lumen,
)
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng

MOST_DRAWN = 3
# Darkest, middle and lightest of the tissue around, as shares of its pixels by brightness.
DARK, MIDDLE, LIGHT = 0.03, 0.5, 0.97


def with_lookalikes(tissue: RGB, glomeruli: Sequence[KnownGlomerulus], mpp: float, rng: Rng) -> RGB:
    """The tissue, in its shape, with one to three look-alikes drawn behind its glomeruli."""
    pixels = tissue.copy()
    for _ in range(rng.integers(1, MOST_DRAWN + 1)):
        draw = _KINDS[int(rng.integers(len(_KINDS)))]
        centre = rng.uniform(0, tissue.shape[0], 2)
        draw(pixels, centre, mpp, rng)
    keep_glomeruli(pixels, tissue, glomeruli, mpp)
    return pixels


def _cast(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """A tubule widened by a cast: smooth, of the tissue's colour or denser, mostly with cells around."""
    radius_px = rng.uniform(12, 32) / mpp
    shape = blob(pixels.shape, centre_px, radius_px, rng)
    colour = colour_at(pixels, rng.uniform(0.1, 0.7)) * rng.uniform(0.8, 1.15, 3)
    paint(pixels, shape, textured(pixels.shape, colour, rng.uniform(2, 9), rng))
    if rng.random() < 0.8:
        rim = shape - cv2.erode(shape, disc(max(1.0, NUCLEUS_UM / mpp)))
        paint(pixels, rim, textured(pixels.shape, colour_at(pixels, DARK), 12, rng), 0.7)


def _vessel(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """An artery or vein cut across: a wall, layered at times, round a lumen, empty or full of blood."""
    radius_px, lumen = rng.uniform(20, 130) / mpp, rng.uniform(0.2, 0.9)
    turn = int(rng.integers(2**31))
    outer, inner = wall_and_lumen(pixels.shape, centre_px, radius_px, lumen, turn)
    paint(pixels, outer, textured(pixels.shape, colour_at(pixels, rng.uniform(0.15, 0.6)), 10, rng))
    for share in rng.uniform(lumen, 1, int(rng.integers(0, 4))):
        ring = blob(pixels.shape, centre_px, radius_px * share, np.random.default_rng(turn))
        ring = np.clip(ring - cv2.erode(ring, disc(1)), 0, 1)
        paint(pixels, ring, textured(pixels.shape, colour_at(pixels, DARK), 8, rng), rng.uniform(0.2, 0.7))
    filling = colour_at(pixels, LIGHT if rng.random() < 0.7 else rng.uniform(0.2, 0.6))
    paint(pixels, inner, textured(pixels.shape, filling, 3, rng))


def _small_rings(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """Atrophic tubules or arterioles, close together: a wall with nuclei round a small lumen or a cast."""
    for _ in range(rng.integers(1, 7)):
        middle_px = centre_px + rng.normal(0, 50 / mpp, 2)
        radius_px, lumen = rng.uniform(12, 38) / mpp, rng.uniform(0.15, 0.7)
        turn = int(rng.integers(2**31))
        outer, inner = wall_and_lumen(pixels.shape, middle_px, radius_px, lumen, turn)
        wall = colour_at(pixels, rng.uniform(0.2, 0.8)) * rng.uniform(0.93, 1.05, 3)
        paint(pixels, outer, textured(pixels.shape, wall, 6, rng), rng.uniform(0.5, 1))
        dots = np.clip(outer - inner, 0, 1) * strewn_nuclei(rng.random(), pixels.shape[:2], mpp, rng)
        paint(pixels, dots, textured(pixels.shape, colour_at(pixels, DARK), 8, rng), 0.9)
        filling = colour_at(pixels, LIGHT if rng.random() < 0.6 else rng.uniform(0.3, 0.8))
        paint(pixels, inner, textured(pixels.shape, filling, 3, rng))


def _lymphocytes(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """An aggregate of dark nuclei, close together, without an edge."""
    radius_px = rng.uniform(35, 150) / mpp
    shape = cv2.GaussianBlur(blob(pixels.shape, centre_px, radius_px, rng), (0, 0), 0.15 * radius_px)
    dots = strewn_nuclei(1.2, shape.shape, mpp, rng)
    paint(pixels, shape * dots, textured(pixels.shape, colour_at(pixels, DARK), 8, rng), rng.uniform(0.6, 1))


def _fat(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """Fat cells, or bubbles: round holes with thin walls, one or many."""
    for _ in range(rng.integers(1, 14)):
        radius_px = rng.uniform(15, 50) / mpp
        shape = blob(pixels.shape, centre_px + rng.normal(0, 60 / mpp, 2), radius_px, rng, rough=0.05)
        rim = np.asarray(cv2.dilate(shape, disc(1)), np.float32)
        paint(pixels, rim, textured(pixels.shape, colour_at(pixels, rng.uniform(0.1, 0.6)), 4, rng), 0.8)
        paint(pixels, shape, textured(pixels.shape, colour_at(pixels, LIGHT), 2, rng))


def _tear(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """A hole or cleft with ragged edges, with an island of what was there in it at times."""
    radius_px = rng.uniform(30, 160) / mpp
    shape = blob(pixels.shape, centre_px, radius_px, rng, rough=0.25)
    if rng.random() < 0.5:
        shape = np.clip(shape - blob(pixels.shape, centre_px, 0.75 * radius_px, rng, rough=0.2), 0, 1)
    paint(pixels, shape, textured(pixels.shape, colour_at(pixels, LIGHT), 2, rng))


def _pen(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """A ring, dot or stroke of a felt pen, of any colour."""
    mark = np.zeros(pixels.shape[:2], np.float32)
    radius, thick = int(rng.uniform(30, 250) / mpp), int(rng.uniform(20, 90) / mpp)
    x, y = map(int, centre_px)
    if rng.random() < 0.5:
        cv2.circle(mark, (x, y), radius, 1.0, thick if rng.random() < 0.7 else -1)
    else:
        end = centre_px + rng.normal(0, 400 / mpp, 2)
        cv2.line(mark, (x, y), (int(end[0]), int(end[1])), 1.0, thick)
    ink = rng.uniform(0, 1, 3).astype(np.float32)
    cover = cv2.GaussianBlur(mark, (0, 0), 1.5)[..., None] * np.float32(0.9)
    pixels[:] = pixels * (1 - cover * (1 - ink))


_KINDS: tuple[Callable[[RGB, NDArray[np.float64], float, Rng], None], ...] = (
    _cast, _small_rings, _small_rings, _small_rings, _vessel, _vessel, _lymphocytes, _fat, _tear, _pen
)  # fmt: skip
