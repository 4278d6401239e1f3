"""In which order glomeruli of a whole folder are best corrected, so that a few corrections teach much.

A correction teaches something of all glomeruli that are like the corrected one, and more where they are in
doubt. So the next in the order is always the one that adds most to what is covered: the sum over all
glomeruli of their doubt, times how like the nearest corrected one they are (facility location, as in Wei,
Iyer and Bilmes, 2015). Choosing what is both in doubt and far from all before it was worse than chance on
phantoms: that finds the odd ones, of which there is nothing to learn for others.
"""

from heapq import heapify, heappop, heappush

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB
from glomspike.results.findings import Finding

Features = NDArray[np.float64]  # (n, k), any units
LOOK_PX = 128  # longer side of the picture from which a look is measured
LOOKS = 7  # numbers of a look
CERTAIN = 0.2  # what is certain counts this much of what is in doubt
NEAR = 0.5  # of the usual distance, at which likeness has fallen to exp(-1/2)
DIGITS = 9  # of gains, so that those of equal ones are equal
SAMPLED = 200  # glomeruli by which the usual distance is measured
LEAST_ODDS = 1e-4  # probabilities nearer to 0 and 1 are alike
_NO_LOOK = (np.nan,) * LOOKS


def informative_order(doubts: NDArray[np.float64], features: Features, known: NDArray[np.bool_]) -> list[int]:
    """The glomeruli that are not known yet (n,), by how much a correction teaches.

    `doubts` (n,) are in [0, 1]. Features (n, k) that are not known, NaN, count as usual ones.
    """
    weights = CERTAIN + (1 - CERTAIN) * doubts
    places = _Places(standardised(features))
    covered = np.zeros(len(weights))
    for index in np.flatnonzero(known).tolist():
        covered = np.maximum(covered, places.likeness(index))

    def rank(index: int) -> tuple[float, float, int]:
        gain = float((weights * np.maximum(places.likeness(index) - covered, 0)).sum())
        return -round(gain, DIGITS), -float(weights[index]), index

    waiting = [rank(index) for index in np.flatnonzero(~known).tolist()]
    heapify(waiting)
    order: list[int] = []
    while waiting:
        # Gains only ever fall, so that whatever is still first when it is reckoned again is the greatest.
        now = rank(heappop(waiting)[2])
        if waiting and waiting[0] < now:
            heappush(waiting, now)
            continue
        order.append(now[2])
        covered = np.maximum(covered, places.likeness(now[2]))
    return order


class _Places:
    """Where glomeruli lie in the space of their features (n, k)."""

    def __init__(self, features: Features) -> None:
        self._features = features
        sample = features[:: max(1, len(features) // SAMPLED)]
        apart = np.linalg.norm(sample[:, None] - sample[None], axis=2)
        self._near = NEAR * float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0

    def likeness(self, index: int) -> NDArray[np.float64]:
        """How like one of them all are (n,), in [0, 1]."""
        distances = np.linalg.norm(self._features - self._features[index], axis=1)
        return np.asarray(np.exp(-((distances / self._near) ** 2) / 2))


def standardised(features: Features) -> Features:
    """Features (n, k) with mean 0 and standard deviation 1 in each column, 0 where they are not known."""
    if not len(features):
        return features
    known = np.ma.masked_invalid(features)
    spread = known.std(axis=0)
    return np.asarray(((known - known.mean(axis=0)) / np.where(spread > 0, spread, 1)).filled(0))


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
