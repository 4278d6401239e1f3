"""Any block of a phantom slide, painted: cortex, glomeruli and artefacts as dyes, stained, then scanned.

A block's pixels depend only on where it lies, so a slide of any size is painted block by block. A glomerulus
is painted once, on a separate raster, and laid into the blocks that it meets.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB, Points
from glomspike.phantom.artefacts import Artefacts
from glomspike.phantom.dyes import Dyes
from glomspike.phantom.noise import Noise
from glomspike.phantom.paint_cortex import CortexPainter, reaches
from glomspike.phantom.paint_glomerulus import paint_glomerulus
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.stain import Dye, Stain
from glomspike.phantom.tissue import TissuePlan
from glomspike.phantom.tuft import GRID_UM

MARGIN_PX = 24  # what blur and halos reach beyond a block
FINE_PX = 0.6  # scale of the camera's noise
FOCUS_STEP_UM = 4.0  # pixel of the map of what is out of focus
FOCUS_PX = 14.0  # scale of its features, on that raster
FULL = 200  # what 1 of a dye is on a stored card

Card = tuple[Points, NDArray[np.uint8]]  # corner in µm; silver, cytoplasm, nuclei, coverage (h, w, 4)


class Camera:
    """Takes pictures of stained blocks: artefacts on the slide, focus, optics, noise."""

    def __init__(
        self, artefacts: Artefacts, stain: Stain, scanner: Scanner, rng: np.random.Generator
    ) -> None:
        self.artefacts, self.stain, self.scanner = artefacts, stain, scanner
        self._noise = Noise(rng).prepare(FINE_PX)
        self._focus = Noise(rng).prepare(FOCUS_PX)

    def picture(self, dyes: Dyes) -> RGB:
        """The pixels (height, width, 3) of a block, from a raster that `with_margin` gave."""
        height, width = dyes.silver.shape
        blurred = np.maximum(self.artefacts.paint(dyes), self._out_of_focus(dyes))
        light = self.stain.light(dyes.silver, dyes.cytoplasm, dyes.nuclei)
        noise = self._noise.at(int(dyes.x_px), int(dyes.y_px), width, height, FINE_PX)
        picture = self.scanner.scan(light, blurred, noise)
        return picture[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]

    def _out_of_focus(self, dyes: Dyes) -> Dye:
        """Where the section lies too high or too low for the objective, 0 to 1."""
        step = FOCUS_STEP_UM / dyes.mpp
        height, width = dyes.silver.shape
        x0, y0 = int(dyes.x_px // step) - 1, int(dyes.y_px // step) - 1
        small = self._focus.at(x0, y0, int(width / step) + 4, int(height / step) + 4, FOCUS_PX)
        move = np.array(
            [
                [1 / step, 0, (dyes.x_px + 0.5) / step - x0 - 0.5],
                [0, 1 / step, (dyes.y_px + 0.5) / step - y0 - 0.5],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        far = np.clip(0.8 * (small - 0.6), 0, 1).astype(np.float32)
        return np.asarray(cv2.warpAffine(far, move, (width, height), flags=flags), dtype=np.float32)


def with_margin(x_px: int, y_px: int, width_px: int, height_px: int, mpp: float) -> Dyes:
    """An empty raster for a block, with what blur and halos reach beyond it."""
    width, height = width_px + 2 * MARGIN_PX, height_px + 2 * MARGIN_PX
    return Dyes.empty(width, height, x_px - MARGIN_PX, y_px - MARGIN_PX, mpp)


class Painter:
    """Paints blocks of one phantom slide. Sections of the same `bend_seed` bend their tubules alike."""

    def __init__(
        self, plan: TissuePlan, stain: Stain, scanner: Scanner, seed: int, bend_seed: int | None = None
    ) -> None:
        self.plan, self.stain, self.scanner = plan, stain, scanner
        rng = np.random.default_rng(seed)
        self._cortex = CortexPainter(plan, scanner.mpp, rng, bend_seed)
        self._camera = Camera(plan.artefacts, stain, scanner, rng)
        self._seeds = rng.integers(2**31, size=len(plan.glomeruli))
        # enough for the glomeruli that a band across a wide slide meets
        self._card = lru_cache(maxsize=64)(self._painted)

    def block(self, x_px: int, y_px: int, width_px: int, height_px: int) -> RGB:
        """The pixels (height, width, 3) of a block whose corner lies at a pixel of the slide."""
        dyes = with_margin(x_px, y_px, width_px, height_px, self.scanner.mpp)
        self.stain_tissue(dyes)
        return self._camera.picture(dyes)

    def stain_tissue(self, dyes: Dyes) -> None:
        """Fills an empty raster whose corner lies on a pixel of the slide with tissue."""
        self._cortex.paint(dyes, self.stain.precipitate)
        for number, glomerulus in enumerate(self.plan.glomeruli):
            if reaches(glomerulus.capsule_um, dyes):
                _lay(self._card(number), dyes)

    def _painted(self, number: int) -> Card:
        plan = self.plan.glomeruli[number]
        rng = np.random.default_rng(int(self._seeds[number]))
        dyes, covered = paint_glomerulus(rng, plan, self.plan.section_um)
        layers = np.stack([dyes.silver, dyes.cytoplasm, dyes.nuclei, covered], axis=-1)
        card = np.clip(layers * FULL, 0, 255).astype(np.uint8)
        coarser = self.scanner.mpp / GRID_UM
        if coarser > 1.1:  # no aliasing where the slide's pixels are larger than the card's
            cv2.GaussianBlur(card, (0, 0), 0.45 * coarser, dst=card)
        return plan.section.corner_um, card


def _lay(card: Card, dyes: Dyes) -> None:
    """Puts a painted glomerulus into a block in the place of what is there."""
    corner_um, painted = card
    height, width = dyes.silver.shape
    size_um = np.array(painted.shape[1::-1]) * GRID_UM
    low, high = dyes.local(corner_um), dyes.local(corner_um + size_um)
    left, top = np.clip(np.floor(low), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(high), 0, (width, height)).astype(int)
    if left >= right or top >= bottom:
        return
    scale = dyes.mpp / GRID_UM
    start = (np.array([left, top]) + 0.5 - low) * scale - 0.5
    move = np.array([[scale, 0, start[0]], [0, scale, start[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(painted, move, (int(right - left), int(bottom - top)), flags=flags)
    values = np.asarray(part, dtype=np.float32) / FULL
    kept = 1 - values[..., 3]
    window = slice(top, bottom), slice(left, right)
    for index, dye in enumerate((dyes.silver, dyes.cytoplasm, dyes.nuclei)):
        dye[window] *= kept
        dye[window] += values[..., index] * values[..., 3]
