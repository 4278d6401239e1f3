"""The frames that coordinates are in, and every conversion between them.

- level 0: pixels of the slide's finest level as OpenSlide counts them, over the whole slide. `x0`, `y0`.
- field: pixels of a picture read at some µm/px whose upper left corner lies at a level-0 point. `_px`.
- viewer: what ImageScope or QuPath show: counted from the bounds' origin; ImageScope shows a Leica SCN
  slide turned by 90 degrees. DICOM's viewers count level-0 pixels. `_viewer`.
- slide: millimetres on the glass, from the corner of level 0, for what has no pixels to count. `_mm`.

Points are (n, 2) arrays, x before y. Pixel 0 spans 0 to 1 in every frame.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from glomspike.findings import Mpp, Points, SlideFacts

Viewer = Literal["imagescope", "qupath", "dicom"]


@dataclass(frozen=True)
class FieldFrame:
    """Where a picture lies on its slide: its corner, and level-0 pixels per picture pixel."""

    corner_x0: float
    corner_y0: float
    scale_x0: float
    scale_y0: float

    @classmethod
    def at(cls, corner_x0: float, corner_y0: float, slide_mpp: Mpp, mpp: float) -> "FieldFrame":
        """The frame of a picture of `mpp` µm/px whose corner lies at a level-0 point."""
        return cls(corner_x0, corner_y0, mpp / slide_mpp.x, mpp / slide_mpp.y)

    def to_level0(self, points_px: Points) -> Points:
        """Level-0 points (n, 2) of points in this picture."""
        return np.asarray(points_px, dtype=np.float64) * self._scale0 + self._corner0

    def from_level0(self, points0: Points) -> Points:
        """Points (n, 2) in this picture of level-0 points."""
        return (np.asarray(points0, dtype=np.float64) - self._corner0) / self._scale0

    @property
    def _corner0(self) -> Points:
        return np.array([self.corner_x0, self.corner_y0], dtype=np.float64)

    @property
    def _scale0(self) -> Points:
        return np.array([self.scale_x0, self.scale_y0], dtype=np.float64)


def _turned(slide: SlideFacts, viewer: Viewer) -> bool:
    return viewer == "imagescope" and slide.vendor == "leica"


def _origin0(slide: SlideFacts, viewer: Viewer) -> Points:
    origin0 = (0, 0) if viewer == "dicom" else (slide.bounds_x0, slide.bounds_y0)
    return np.array(origin0, dtype=np.float64)


def to_viewer(points0: Points, slide: SlideFacts, viewer: Viewer) -> Points:
    """Points (n, 2) as the viewer counts them, of level-0 points."""
    points = np.asarray(points0, dtype=np.float64) - _origin0(slide, viewer)
    if _turned(slide, viewer):
        return np.stack([slide.bounds_height0 - points[:, 1], points[:, 0]], axis=1)
    return points


def from_viewer(points_viewer: Points, slide: SlideFacts, viewer: Viewer) -> Points:
    """Level-0 points (n, 2) of points as the viewer counts them."""
    points = np.asarray(points_viewer, dtype=np.float64)
    if _turned(slide, viewer):
        points = np.stack([points[:, 1], slide.bounds_height0 - points[:, 0]], axis=1)
    return points + _origin0(slide, viewer)


def mpp_shown(slide: SlideFacts, viewer: Viewer) -> Mpp:
    """Micrometres per pixel along the axes as the viewer shows them."""
    return Mpp(slide.mpp.y, slide.mpp.x) if _turned(slide, viewer) else slide.mpp


def to_millimetres(points0: Points, mpp: Mpp) -> Points:
    """Points (n, 2) in millimetres from the corner of level 0, of level-0 points."""
    points_mm: Points = np.asarray(points0, dtype=np.float64) * np.array([mpp.x, mpp.y]) / 1000
    return points_mm


def from_millimetres(points_mm: Points, mpp: Mpp) -> Points:
    """Level-0 points (n, 2) of points in millimetres from the corner of level 0."""
    points0: Points = np.asarray(points_mm, dtype=np.float64) * 1000 / np.array([mpp.x, mpp.y])
    return points0
