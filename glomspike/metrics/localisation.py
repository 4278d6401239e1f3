"""Whether high scores lie where the spikes are, within a glomerulus that has some."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from glomspike.findings import Points, Scores

STEP_PX = 0.5
LEAST_PX = 8.0  # a tile that holds less than this of a stretch (2 µm at 0.25 µm/px) is in doubt


def stretch_within(corners_px: Points, side_px: float, stretches_px: Sequence[Points]) -> NDArray[np.float64]:
    """The length in pixels of stretches, lines (k, 2), that lies in each tile (n,)."""
    if not stretches_px:
        return np.zeros(len(corners_px))
    points = np.concatenate([_even(line) for line in stretches_px])
    inside = (points >= corners_px[:, None]) & (points < corners_px[:, None] + side_px)
    return np.asarray(inside.all(axis=2).sum(axis=1) * STEP_PX)


def certain_length(
    corners_px: Points, side_px: float, seen_px: Sequence[Points], hidden_px: Sequence[Points]
) -> NDArray[np.float64]:
    """The length in pixels of visible stretches in each tile (n,); NaN where a hidden one leaves it in doubt.

    Both kinds of stretches are lines (k, 2). A tile that holds enough of a visible one is in no doubt.
    """
    length = stretch_within(corners_px, side_px, seen_px)
    doubtful = (stretch_within(corners_px, side_px, hidden_px) > 0) & (length < LEAST_PX)
    return np.where(doubtful, np.nan, length)


def _even(line: Points) -> Points:
    """Points every `STEP_PX` along a line."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(STEP_PX / 2, along[-1], STEP_PX)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], axis=1)


def localisation_auc(scores: Scores, length_px: NDArray[np.float64]) -> float | None:
    """The chance that a tile with spikes scores above one without, both of one glomerulus.

    `length_px` (n,) is how much spiked stretch each tile holds, NaN in doubt. None where there are not both
    kinds.
    """
    spiked, clear = length_px >= LEAST_PX, length_px == 0
    if not spiked.any() or not clear.any():
        return None
    sure = spiked | clear
    return float(roc_auc_score(spiked[sure], scores[sure]))
