"""Which tiles of a glomerulus cross membrane.

Silver blackens membrane, so a tile crosses some where enough of it is as dark as ink. What else takes silver,
such as mesangium, counts too: it is an estimate.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.classify.tiles import TileGrid, sums

LEAST_INK = 0.1  # of a tile that crosses membrane


def crosses_membrane(grid: TileGrid) -> NDArray[np.bool_]:
    """Which tiles (n,) cross membrane: at least a tenth of them is as dark as the glomerulus's ink.

    Ink is what Otsu's threshold (1979) of the glomerulus's grey levels parts from the rest.
    """
    if not grid.inside.any():
        return np.zeros(len(grid.corners_px), dtype=np.bool_)
    grey = cv2.cvtColor(grid.pixels, cv2.COLOR_RGB2GRAY)
    level, _ = cv2.threshold(grey[grid.inside][None], 0, 255, cv2.THRESH_OTSU)
    ink = sums((grey <= level) & grid.inside, grid.corners_px, grid.tile_px)
    return np.asarray(ink >= LEAST_INK * grid.tile_px**2)
