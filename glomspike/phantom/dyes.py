"""The dyes on a stretch of a slide, and how shapes are drawn into them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.phantom.stain import Dye

SHIFT = 4  # sub-pixel bits of drawing


@dataclass(frozen=True, eq=False)
class Dyes:
    """What has been painted so far: three dyes (height, width), and where their raster lies on the slide."""

    silver: Dye
    cytoplasm: Dye
    nuclei: Dye
    x_px: float  # of the raster's corner
    y_px: float
    mpp: float

    @classmethod
    def empty(cls, width_px: int, height_px: int, x_px: float, y_px: float, mpp: float) -> "Dyes":
        """A raster without any dye."""
        blank = np.zeros((3, height_px, width_px), dtype=np.float32)
        return cls(blank[0], blank[1], blank[2], x_px, y_px, mpp)

    def local(self, points_um: Points) -> Points:
        """Points (n, 2) in pixels of this raster; pixel 0 spans 0 to 1."""
        return np.asarray(points_um / self.mpp - np.array([self.x_px, self.y_px]), dtype=np.float64)

    def pixels(self, points_um: Points) -> NDArray[np.int32]:
        """Points (n, 2) for cv2's drawing, with `SHIFT` fractional bits; pixel centres are whole numbers."""
        return np.asarray(np.round((self.local(points_um) - 0.5) * (1 << SHIFT)), dtype=np.int32)

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


def draw_nuclei(
    dyes: Dyes, centres_px: Points, rolls: NDArray[np.float32], radius_um: float, grain: Dye, silver: float
) -> None:
    """Draws round to oval nuclei with chromatin at `centres_px` of the raster.

    `rolls` (n, 4) in 0 to 1 decide each one's size, shape, angle and darkness; `silver` is how much silver
    they take up.
    """
    canvas = np.zeros(dyes.silver.shape, dtype=np.uint8)
    rim = np.zeros_like(canvas)
    for (x, y), roll in zip(centres_px, rolls, strict=True):
        radius = radius_um * (0.78 + 0.45 * roll[3]) / dyes.mpp
        axes = (round(radius * 16), round(radius * (0.5 + 0.5 * roll[0]) * 16))
        centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
        angle = 360 * float(roll[1])
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, int(130 + 120 * roll[2]), -1, cv2.LINE_AA, SHIFT)
        cv2.ellipse(rim, centre, axes, angle, 0, 360, 110, 2, cv2.LINE_AA, SHIFT)
    body = canvas.astype(np.float32) / 255
    dyes.nuclei[:] *= 1 - body
    dyes.nuclei[:] += body * np.clip(0.8 + 0.25 * grain, 0.2, 1.4)
    dyes.nuclei[:] += rim.astype(np.float32) / 255 * (body > 0)
    dyes.silver[:] += silver * body
