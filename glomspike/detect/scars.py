"""Tissue as of a scarred kidney, drawn for training: collagen where tubules were, lymphocytes among it.

Most sclerosed glomeruli lie in such tissue, of which there is little to learn from. There they stand out by
texture alone: nothing around them is light, and lymphocytes make edges as dark as theirs.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.detect.cut import KnownGlomerulus
from glomspike.detect.painting import Plane, density_of, disc, keep_glomeruli, shown, strewn_nuclei
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng

# Glass is the lightest there is; tissue is darker by this, in the darkest of a pixel's three channels.
GLASS_SHARE, STAINED, UNEVEN = 0.98, 18, 0.5
LUMEN_UM = 40.0  # what is light and narrower lies within tissue
PATCH_UM = (60.0, 400.0)
EVERYWHERE = 0.4  # how often all of the tissue is scarred
FILLED, CONTRAST = (0.4, 0.95), (0.45, 1.0)
FIBRE_UM = (4.0, 20.0)
MOST_NUCLEI = 0.8  # of the area that nuclei could fill


def scarred(tissue: RGB, glomeruli: Sequence[KnownGlomerulus], mpp: float, rng: Rng) -> RGB:
    """The tissue, in its shape, with lumens filled, contrast lost and lymphocytes; its glomeruli stay."""
    stained = _stained(tissue)
    if not stained.any():
        return tissue
    within = cv2.morphologyEx(stained, cv2.MORPH_CLOSE, disc(LUMEN_UM / 2 / mpp)).astype(np.float32)
    shape = tissue.shape[:2]
    where = within if rng.random() < EVERYWHERE else within * _patches(shape, mpp, rng)
    density = density_of(tissue)
    seen = density[stained > 0]
    collagen, nuclei = (_mean_near(seen, share) for share in (rng.uniform(0.3, 0.6), 0.97))
    fibrous = collagen * _fibres(shape, mpp, rng)[..., None]
    share = where[..., None]
    filled = density + rng.uniform(*FILLED) * share * np.maximum(fibrous - density, 0)
    flat = filled + (1 - rng.uniform(*CONTRAST)) * share * (fibrous - filled)
    among = where * _patches(shape, mpp, rng)
    dots = strewn_nuclei(MOST_NUCLEI * rng.random() ** 2 * among, shape, mpp, rng)[..., None]
    pixels = shown(flat * (1 - dots) + np.maximum(nuclei, flat) * dots)
    keep_glomeruli(pixels, tissue, glomeruli, mpp)
    return pixels


def _stained(tissue: RGB) -> NDArray[np.uint8]:
    """Where (1) a picture is darker than its glass, and not as even as what lies beyond its edges."""
    darkest = tissue.min(axis=2)
    is_dark = darkest < np.quantile(darkest[::4, ::4], GLASS_SHARE) - STAINED
    unevenness = cv2.blur(cv2.absdiff(darkest, cv2.blur(darkest, (5, 5))).astype(np.float32), (5, 5))
    return np.asarray(is_dark & (unevenness > UNEVEN), np.uint8)


def _mean_near(density: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """The mean density (3,) of pixels (n, 3) near a share of all by total density, 0 the lightest."""
    order = np.argsort(density.sum(axis=1))
    at, reach = int(share * (len(order) - 1)), 1 + len(order) // 50
    return np.asarray(density[order[max(0, at - reach) : at + reach]].mean(axis=0), np.float32)


def _patches(shape: tuple[int, int], mpp: float, rng: Rng) -> Plane:
    """Soft patches of random size: 1 within, 0 outside."""
    side_px = float(np.exp(rng.uniform(*np.log(PATCH_UM)))) / mpp
    coarse = rng.standard_normal((int(shape[0] / side_px) + 2, int(shape[1] / side_px) + 2), dtype=np.float32)
    waves = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(0.5 + 2 * (waves - rng.normal(0, 0.4)), 0, 1), np.float32)


def _fibres(shape: tuple[int, int], mpp: float, rng: Rng) -> Plane:
    """How dense collagen is, about 1: streaks that run along one another, and soft swellings."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    wide_px = rng.uniform(*FIBRE_UM) / mpp
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 5)
    size = 2 * int(3 * wide_px * stretch) + 1
    y, x = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1].astype(np.float32)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-0.5 * ((along / stretch) ** 2 + across**2) / max(0.5, wide_px / 2) ** 2)
    streaks = cv2.filter2D(noise, -1, kernel / np.sqrt((kernel**2).sum()), borderType=cv2.BORDER_REFLECT)
    return np.asarray(np.maximum(1 + rng.uniform(0.05, 0.3) * streaks + 0.06 * noise, 0.2), np.float32)
