"""Overlapping windows over a picture: all but the largest glomeruli lie whole in the one that owns them.

A window owns the circles whose centres lie in its core, which ends half an overlap before its border, and
a little beyond it: what several windows then report is merged by circle IoU.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Mask
from glomspike.geometry.circles import Circles, suppress

# Wider than all but the largest glomeruli; of a window that is hardly wider, three quarters.
OVERLAP_UM = 280.0
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


class _Span(NamedTuple):
    """Where a window begins along an axis, and where its core begins and ends, in the picture's pixels."""

    start: int
    core_start: float
    core_end: float


@dataclass(frozen=True)
class _Layout:
    """How windows of one side lie along an axis."""

    side_px: int
    overlap_px: int

    @classmethod
    def of(cls, side_px: int, mpp: float) -> Self:
        return cls(side_px, min(round(OVERLAP_UM / mpp), 3 * side_px // 4))

    @property
    def step_px(self) -> int:
        return self.side_px - self.overlap_px

    def spans(self, first_px: float, last_px: float, length_px: int) -> list[_Span]:
        """As few windows as cover a stretch of an axis that is `length_px` long.

        None begins before the picture, the last may look beyond it; cores at its border reach beyond it.
        """
        margin_px = self.overlap_px / 2
        # What lies as near to the picture's border as a core to its window's is owned from there.
        begin_px, end_px = max(first_px, margin_px), min(last_px, length_px - margin_px)
        count = max(1, math.ceil((end_px - begin_px) / self.step_px))
        first_start = math.floor(begin_px - margin_px)
        spans = []
        for start in range(first_start, first_start + count * self.step_px, self.step_px):
            core_start, core_end = start + margin_px, start + margin_px + self.step_px
            at_first, at_last = core_start <= margin_px, core_end >= length_px - margin_px
            spans.append(
                _Span(start, -math.inf if at_first else core_start, math.inf if at_last else core_end)
            )
        return spans

    def window(self, column: _Span, row: _Span) -> Window:
        cores = column.core_start, row.core_start, column.core_end, row.core_end
        return Window(column.start, row.start, self.side_px, *cores)


def windows_over(width_px: int, height_px: int, side_px: int, mpp: float) -> tuple[Window, ...]:
    """Windows of one side that cover a picture of `mpp` µm/px."""
    layout = _Layout.of(side_px, mpp)
    columns, rows = layout.spans(0, width_px, width_px), layout.spans(0, height_px, height_px)
    return tuple(layout.window(column, row) for row in rows for column in columns)


def windows_on(tissue: Mask, width_px: int, height_px: int, side_px: int, mpp: float) -> tuple[Window, ...]:
    """Windows of one side that cover the tissue of a picture of `mpp` µm/px, and little of its glass.

    The mask is one of the whole picture, in coarser pixels. Each piece of tissue has rows of windows that
    begin where it begins, and each row as many windows as it is wide there.
    """
    layout = _Layout.of(side_px, mpp)
    # Pixels of the picture in one of the mask.
    across, down = width_px / tissue.shape[1], height_px / tissue.shape[0]
    wanted = _grown(tissue, math.ceil(SLACK_UM / mpp / min(across, down)))
    windows: list[Window] = []
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(wanted.astype(np.uint8), connectivity=8)
    for number in 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable"):  # largest first; 0 is glass
        top, height = stats[number, [cv2.CC_STAT_TOP, cv2.CC_STAT_HEIGHT]]
        for row in layout.spans(top * down, (top + height) * down, height_px):
            rows = _in_core(row, down, whole=False)
            band = (pieces[rows] == number) & wanted[rows]
            for left, right in _runs(np.asarray(band.any(axis=0)), layout.step_px / across):
                for column in layout.spans(left * across, right * across, width_px):
                    windows.append(layout.window(column, row))
                    wanted[_in_core(row, down, whole=True), _in_core(column, across, whole=True)] = False
    return tuple(windows)


def merged(circles_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scored circles (n, 4), best first, one for each glomerulus."""
    return circles_px[suppress(circles_px[:, :3], circles_px[:, 3], SAME_IOU)]


def _grown(mask: Mask, by_px: int) -> Mask:
    """What lies that near to a mask, too."""
    side = 2 * by_px + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(np.bool_)


def _runs(line: NDArray[np.bool_], gap: float) -> Iterator[tuple[int, int]]:
    """First and one after the last of what is set in a line (n,); wider gaps than `gap` part it."""
    places = np.flatnonzero(line)
    if len(places):
        for run in np.split(places, np.flatnonzero(np.diff(places) > gap) + 1):
            yield int(run[0]), int(run[-1]) + 1


def _in_core(span: _Span, scale: float, *, whole: bool) -> slice:
    """The rows or columns of a mask, `scale` pixels each, that lie in a core, as a whole or at all."""
    first, last = max(0.0, span.core_start / scale), span.core_end / scale
    begin, end = (math.ceil, math.floor) if whole else (math.floor, math.ceil)
    return slice(begin(first), None if last == math.inf else end(last))
