"""Random texture: seamless for a slide that is painted block by block, and free for a separate raster."""

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

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
            tile = _blurred(white, sigma)
            self._tiles[sigma] = (tile - tile.mean()) / tile.std()
        return self

    def at(self, x_px: int, y_px: int, width_px: int, height_px: int, sigma_px: float) -> Texture:
        """The texture of a block, (height, width), of the scale `sigma_px`."""
        rows = np.arange(y_px, y_px + height_px) % PERIOD_PX
        columns = np.arange(x_px, x_px + width_px) % PERIOD_PX
        return self._tiles[sigma_px][rows[:, None], columns[None, :]]


def _blurred(tile: Texture, sigma_px: float) -> Texture:
    """A periodic tile under a Gaussian: by Fourier transform, for which a wide one costs no more."""
    transfer = np.exp(-2 * (np.pi * sigma_px * scipy.fft.fftfreq(PERIOD_PX)) ** 2).astype(np.float32)
    spectrum = scipy.fft.rfft2(tile) * transfer[:, None] * transfer[None, : PERIOD_PX // 2 + 1]
    return np.asarray(scipy.fft.irfft2(spectrum), dtype=np.float32)


def cloud(rng: np.random.Generator, shape: tuple[int, int], sigma_px: float) -> Texture:
    """Smooth noise (height, width) of unit variance whose features are about `sigma_px` wide.

    Wide features are drawn on a coarser raster and enlarged: they cost no more than narrow ones.
    """
    step = max(1.0, sigma_px / 2)
    small = (int(shape[0] / step) + 3, int(shape[1] / step) + 3)
    white = rng.standard_normal(small, dtype=np.float32)
    soft = cv2.GaussianBlur(white, (0, 0), sigma_px / step, borderType=cv2.BORDER_REFLECT)
    soft = (soft - soft.mean()) / max(float(soft.std()), 1e-6)
    if step == 1.0:
        return np.asarray(soft[: shape[0], : shape[1]], dtype=np.float32)
    return np.asarray(cv2.resize(soft, shape[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float32)
