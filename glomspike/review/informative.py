"""In which order glomeruli of a whole folder are best corrected, so that a few corrections teach much.

What is in doubt teaches more than what is certain, and a second glomerulus of the same look teaches less
than the first. So the next in the order is always that whose doubt, times its distance to the nearest one
before it, is greatest: uncertainty and diversity, as in BADGE (Ash et al., 2020), but without drawing lots.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB
from glomspike.results.findings import Finding

Features = NDArray[np.float64]  # (n, k), any units
LOOK_PX = 128  # longer side of the picture from which a look is measured
LOOKS = 7  # numbers of a look
LEAST_DOUBT = 0.05  # what is certain but unlike all others is still of some use
LEAST_ODDS = 1e-4  # probabilities nearer to 0 and 1 are alike
_NO_LOOK = (np.nan,) * LOOKS


def informative_order(doubts: NDArray[np.float64], features: Features, known: NDArray[np.bool_]) -> list[int]:
    """The glomeruli that are not known yet (n,), by how much a correction teaches.

    `doubts` (n,) are in [0, 1]. Features (n, k) that are not known, NaN, count as usual ones.
    """
    weights = np.maximum(doubts, LEAST_DOUBT)
    scaled = standardised(features)
    distances = np.full(len(weights), np.inf)
    for index in np.flatnonzero(known).tolist():
        distances = np.minimum(distances, _distances(scaled, index))
    order: list[int] = []
    waiting = ~known
    while waiting.any():
        gains = weights if np.isinf(distances).all() else weights * distances
        # Of those that are exactly like one before them, the most doubtful comes first.
        chosen = int(np.lexsort((-weights, -gains, ~waiting))[0])
        order.append(chosen)
        waiting[chosen] = False
        distances = np.minimum(distances, _distances(scaled, chosen))
    return order


def standardised(features: Features) -> Features:
    """Features (n, k) with mean 0 and standard deviation 1 in each column, 0 where they are not known."""
    if not len(features):
        return features
    known = np.ma.masked_invalid(features)
    spread = known.std(axis=0)
    return np.asarray(((known - known.mean(axis=0)) / np.where(spread > 0, spread, 1)).filled(0))


def _distances(features: Features, index: int) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(features - features[index], axis=1))


def features_of(finding: Finding, patch: RGB | None) -> NDArray[np.float64]:
    """What a run says of a glomerulus and how it looks, (k,); NaN where it is not known.

    `patch` is the picture of the glomerulus, black outside its outline.
    """
    tiles = [tile.probability for tile in finding.top_tiles]
    said = [
        _log_odds(finding.probability),
        _log_odds(tiles[0] if tiles else None),
        _log_odds(tiles[-1] if tiles else None),
        np.nan if finding.spike_fraction is None else np.sqrt(finding.spike_fraction),
        np.log(finding.circle.radius_um),
    ]
    return np.array([*said, *(_NO_LOOK if patch is None else look_of(patch))])


def look_of(patch: RGB) -> NDArray[np.float64]:
    """How a glomerulus looks as a whole, (LOOKS,): its colour, how uneven that is, how fine its detail is.

    `patch` (height, width, 3) is black outside the outline.
    """
    scale = LOOK_PX / max(patch.shape[:2])
    small = np.asarray(cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    inside = cv2.erode((small.max(axis=2) > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if not inside.any():
        return np.array(_NO_LOOK)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    light = lab[..., 0]
    details = [np.abs(light - cv2.GaussianBlur(light, (0, 0), sigma))[inside].mean() for sigma in (1.0, 3.0)]
    return np.array([*lab[inside].mean(axis=0), *lab[inside][:, :2].std(axis=0), *details])


def _log_odds(probability: float | None) -> float:
    if probability is None:
        return float("nan")
    kept = min(max(probability, LEAST_ODDS), 1 - LEAST_ODDS)
    return float(np.log(kept / (1 - kept)))
