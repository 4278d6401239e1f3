"""Overlapping windows over a picture, so that every glomerulus lies whole in the window that owns it.

A window owns the circles whose centres lie in its core, which ends half an overlap before its border, and
a little beyond it: what both neighbours then own is merged by circle IoU.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glomspike.detect.circles import Circles, suppress

# Wider than the largest glomerulus; of a window that is hardly wider, three quarters.
OVERLAP_UM = 320.0
# How far two windows may disagree on one glomerulus's centre.
SLACK_UM = 16.0
# Two circles that overlap more are one glomerulus seen twice.
SAME_IOU = 0.3


@dataclass(frozen=True)
class Window:
    """A square of a picture and its core, in the picture's pixels."""

    x_px: int
    y_px: int
    side_px: int
    core_left_px: float
    core_top_px: float
    core_right_px: float
    core_bottom_px: float

    def owns(self, circles_px: Circles, slack_px: float) -> NDArray[np.bool_]:
        """Which circles (n, >= 2), in the picture's pixels, have their centre in the core or just beyond."""
        x, y = circles_px[:, 0], circles_px[:, 1]
        across = (x >= self.core_left_px - slack_px) & (x < self.core_right_px + slack_px)
        down = (y >= self.core_top_px - slack_px) & (y < self.core_bottom_px + slack_px)
        return np.asarray(across & down)

    def owned_px(self, width_px: int, height_px: int, slack_px: float) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of where those centres are, on a picture of that size."""
        return (
            max(self.core_left_px - slack_px, 0.0),
            max(self.core_top_px - slack_px, 0.0),
            min(self.core_right_px + slack_px, float(width_px)),
            min(self.core_bottom_px + slack_px, float(height_px)),
        )


def windows_over(width_px: int, height_px: int, side_px: int, mpp: float) -> tuple[Window, ...]:
    """Windows of one side that cover a picture of `mpp` µm/px; the cores at its border reach beyond it."""
    return tuple(
        Window(x, y, side_px, left, top, right, bottom)
        for y, top, bottom in _spans(height_px, side_px, mpp)
        for x, left, right in _spans(width_px, side_px, mpp)
    )


def _spans(length_px: int, side_px: int, mpp: float) -> list[tuple[int, float, float]]:
    """Start of each window along an axis, and where its core begins and ends."""
    overlap_px = min(round(OVERLAP_UM / mpp), 3 * side_px // 4)
    starts = range(0, max(length_px - overlap_px, 1), side_px - overlap_px)
    spans = []
    for start in starts:
        core_start = -np.inf if start == 0 else start + overlap_px / 2
        core_end = np.inf if start == starts[-1] else start + side_px - overlap_px / 2
        spans.append((start, float(core_start), float(core_end)))
    return spans


def merged(circles_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scored circles (n, 4), best first, one for each glomerulus."""
    return circles_px[suppress(circles_px[:, :3], circles_px[:, 3], SAME_IOU)]
