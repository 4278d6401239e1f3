"""Where in a glomerulus the spikes are: the scores of overlapping tiles, averaged over each pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Outline, TileScores
from glomspike.geometry.raster import inside_outline
from glomspike.slide.field import Field

Heat = NDArray[np.float32]  # (height, width), in [0, 1] or NaN


def spike_heat(scores: TileScores, outline: Outline, field: Field) -> Heat:
    """Mean spike probability of the tiles over each pixel of a field, (height, width).

    NaN outside the outline and where no tile lies.
    """
    shape = (field.pixels.shape[0], field.pixels.shape[1])
    corners_px = field.frame.from_level0(scores.corners0)
    side_px = scores.side_um / field.mpp
    limits = np.array([shape[1], shape[0]])
    starts = np.clip(np.round(corners_px).astype(np.int64), 0, limits)
    ends = np.clip(np.round(corners_px + side_px).astype(np.int64), 0, limits)
    total = _stack(starts, ends, scores.probabilities, shape)
    count = _stack(starts, ends, np.ones(len(starts)), shape)
    heat = np.full(shape, np.nan, np.float32)
    seen = (count > 0.5) & inside_outline(outline, field.frame, shape)
    # Running sums leave rounding errors of about 1e-13, which must not push a mean out of [0, 1].
    heat[seen] = np.clip(total[seen] / count[seen], 0.0, 1.0)
    return heat


def _stack(
    starts: NDArray[np.int64], ends: NDArray[np.int64], weights: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """The sum of the weights of all boxes over each pixel, from the differences at their corners."""
    steps = np.zeros((shape[0] + 1, shape[1] + 1))
    (x1, y1), (x2, y2) = starts.T, ends.T
    np.add.at(steps, (y1, x1), weights)
    np.add.at(steps, (y2, x2), weights)
    np.add.at(steps, (y1, x2), -weights)
    np.add.at(steps, (y2, x1), -weights)
    return np.asarray(cv2.integral(steps)[1:-1, 1:-1], dtype=np.float64)
