"""The calibration of a classifier's tiles, fitted to those of which it is known whether they show spikes.

A tile counts as spiked that holds 2 µm of a line along which spikes visibly stand, as clear where it holds
none; others, and those whose spikes cannot be seen, count as neither.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glomspike.classify.bags import Bag
from glomspike.metrics.localisation import LEAST_PX
from glomspike.metrics.roc import Labels
from glomspike.networks.weights import Calibration


def known_tiles(bags: Sequence[Bag]) -> tuple[NDArray[np.bool_], Labels]:
    """Of which tiles of bags (n,) it is known whether they show spikes, and of those (k,) whether they do."""
    length_px = np.concatenate([np.zeros(0), *(bag.spiked_px for bag in bags)])
    known = (length_px >= LEAST_PX) | (length_px == 0)
    return known, length_px[known] >= LEAST_PX


def tile_calibration(scale: float, offset: float, tiles: float, spiked: float, whose: str) -> Calibration:
    """A card's, of so many tiles, a share of them spiked; `whose` they are is in its description."""
    data = f"{tiles:,.0f} tiles of {whose}, {100 * spiked:.0f} % of them spiked"
    return Calibration(method="platt", scale=scale, offset=offset, data=data)
