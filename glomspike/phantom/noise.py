"""Seamless random texture: the same at a place whichever block of a slide is painted around it."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Texture = NDArray[np.float32]
PERIOD_PX = 1024


class Noise:
    """Periodic Gaussian noise at several scales, each with zero mean and unit variance."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._tiles: dict[float, Texture] = {}

    def prepare(self, *sigmas_px: float) -> "Noise":
        """Draws the textures for these scales, in this order, so that later use changes nothing."""
        for sigma in sigmas_px:
            white = self._rng.standard_normal((PERIOD_PX, PERIOD_PX), dtype=np.float32)
            tile = gaussian_filter(white, sigma, mode="wrap") if sigma else white
            self._tiles[sigma] = (tile - tile.mean()) / tile.std()
        return self

    def at(self, x_px: int, y_px: int, width_px: int, height_px: int, sigma_px: float) -> Texture:
        """The texture of a block, (height, width), of the scale `sigma_px`."""
        rows = np.arange(y_px, y_px + height_px) % PERIOD_PX
        columns = np.arange(x_px, x_px + width_px) % PERIOD_PX
        return self._tiles[sigma_px][rows[:, None], columns[None, :]]
