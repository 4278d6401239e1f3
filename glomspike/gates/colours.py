"""The colours of stained tissue as numbers: statistics of optical density, light and dark parts apart."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB, Scores

Density = NDArray[np.float32]

MPP = 2.0  # µm/px at which colours are measured, or coarser
LIGHT = 99.5  # percentile of each channel that is taken for the light: lumina and glass are hardly darker
DARKEST = 2.4  # density of what lets nearly nothing through
TISSUE = 0.07  # mean density from which a pixel shows tissue
LEAST_SHARE = 0.03  # of the pixels that have to be tissue, so that their colours mean anything
BANDS = (0, 50, 80, 93, 98, 100)  # percentiles of density: from the ground to what is darkest
SECTORS = 8  # of the circle of hues
NEUTRAL = 0.22  # saturation below which a density counts as black or grey
COLOURLESS = 0.11  # saturation that a tenth of stained tissue exceeds: the palest silver has 0.13
DARK = 90  # percentile of density from which a pixel belongs to the dark parts
MOST_PX = 60_000  # looked at, taken evenly


def stain_colours(pictures: Sequence[RGB]) -> Scores | None:
    """The colours (n,) of tissue in pictures (h, w, 3) of one slide; None where they show too little tissue.

    Densities are against the light of these pictures, so that lamp and camera matter little. In each band of
    density: its mean, how much darker red is than green, and how much darker blue is than both, and these
    relative to the mean; then shares of hues and quantiles of saturation, as in the HSD model (van der Laak
    et al. 2000), of all tissue and of its dark parts.
    """
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
    density = _density(pixels[:: 1 + len(pixels) // MOST_PX])
    grey = density.mean(axis=1)
    tissue = grey > TISSUE
    if tissue.mean() < LEAST_SHARE:
        return None
    density, grey = density[tissue], grey[tissue]
    limits = np.percentile(grey, BANDS)
    bands = [_band(density[(grey >= low) & (grey <= high)]) for low, high in pairwise(limits)]
    dark = grey >= np.percentile(grey, DARK)
    hues = [_hues(density, grey), _hues(density[dark], grey[dark])]
    return np.concatenate([*bands, *hues]).astype(np.float64)


def is_colourless(colours: Scores) -> bool:
    """Whether tissue of these colours has none, as in a scan in shades of grey."""
    widest = len(BANDS) * 5 - 5 + SECTORS + 3  # the highest quantile of saturation of all tissue
    return float(colours[widest]) < COLOURLESS


def _density(pixels: RGB) -> Density:
    """Optical density (n, 3) against the brightest of each channel."""
    light = np.maximum(np.percentile(pixels, LIGHT, axis=0), 1.0).astype(np.float32)
    levels = (np.arange(256, dtype=np.float32)[:, None] + 1) / (light + 1)
    table = np.clip(-np.log10(levels), 0, DARKEST).astype(np.float32)
    return np.stack([table[pixels[:, channel], channel] for channel in range(3)], axis=1)


def _band(density: Density) -> Density:
    """Mean density, differences of the channels, and these relative to the mean."""
    red, green, blue = density.mean(axis=0)
    mean = max((red + green + blue) / 3, TISSUE)
    apart, cold = red - green, blue - (red + green) / 2
    return np.array([mean, apart, cold, apart / mean, cold / mean], dtype=np.float32)


def _hues(density: Density, grey: Density) -> Density:
    """Shares of the density in each sector of hue, the neutral share, and quantiles of saturation."""
    red, green, blue = (density / np.maximum(grey, TISSUE)[:, None]).T
    x, y = red - 1, (green - blue) / np.sqrt(3)
    saturation = np.hypot(x, y)
    sector = np.floor(np.arctan2(y, x) / (2 * np.pi) % 1 * SECTORS).astype(int) % SECTORS
    weight = np.where(saturation > NEUTRAL, grey, 0)
    shares = np.bincount(sector, weight, SECTORS) / grey.sum()
    quantiles = np.percentile(saturation, (10, 50, 90))
    return np.concatenate([shares, [1 - shares.sum()], quantiles]).astype(np.float32)


def at_measuring_scale(picture: RGB, mpp: float) -> RGB:
    """A picture of `mpp` µm/px, no finer than colours are measured at."""
    if mpp >= MPP:
        return picture
    height_px, width_px = picture.shape[:2]
    size = max(1, round(width_px * mpp / MPP)), max(1, round(height_px * mpp / MPP))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
