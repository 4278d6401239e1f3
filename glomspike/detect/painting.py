"""Brushes for what is drawn into the detector's training tissue: shapes, colours and textures."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.detect.cut import KnownGlomerulus
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng

Plane = NDArray[np.float32]

SOFT_PX = 6
CAPSULE_UM = 12.0
NUCLEUS_UM = 7.0


def density_of(pixels: RGB) -> Plane:
    """The optical density of each colour of a picture (h, w, 3)."""
    return np.asarray(-np.log(np.maximum(pixels, 1) / np.float32(255)), np.float32)


def shown(density: Plane) -> RGB:
    """The picture (h, w, 3) of optical densities."""
    return np.asarray((255 * np.exp(-density)).clip(0, 255), np.uint8)


def wall_and_lumen(
    shape: tuple[int, ...], centre_px: NDArray[np.float64], radius_px: float, lumen: float, turn: int
) -> tuple[Plane, Plane]:
    """A filled roundish shape, and the one of `lumen` times its size within it; `turn` seeds its outline."""
    outer, inner = (
        blob(shape, centre_px, radius_px * share, np.random.default_rng(turn)) for share in (1, lumen)
    )
    return outer, inner


def keep_glomeruli(pixels: RGB, tissue: RGB, glomeruli: Sequence[KnownGlomerulus], mpp: float) -> None:
    """Puts glomeruli, with what is close around them, back as they were in the tissue, in place."""
    kept: Plane = np.zeros(tissue.shape[:2], np.float32)
    for one in glomeruli:
        cv2.fillPoly(kept, [one.outline_px.round().astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(cv2.dilate(kept, disc(CAPSULE_UM / mpp)), (0, 0), 1.0)
    paint(pixels, np.asarray(soft, np.float32), tissue.astype(np.float32))


def strewn_nuclei(share: Plane | float, shape: tuple[int, ...], mpp: float, rng: Rng) -> Plane:
    """Nuclei strewn at random: 1 within, 0 outside; `share` is that of the area which they could fill."""
    middles = np.asarray(rng.random(shape) < share * (mpp / NUCLEUS_UM) ** 2, np.float32)
    dots = cv2.GaussianBlur(middles, (0, 0), max(0.5, NUCLEUS_UM / 2.5 / mpp)) * 2.5
    return np.asarray(np.minimum(dots, 1), np.float32)


def blob(
    shape: tuple[int, ...], centre_px: NDArray[np.float64], radius_px: float, rng: Rng, rough: float = 0.12
) -> Plane:
    """A filled roundish shape: 1 within, 0 outside, soft for a pixel at its edge."""
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waves = np.zeros_like(turn)
    for n in range(2, 7):
        waves += rng.normal(0, rough / n) * np.cos(n * turn + rng.uniform(0, 2 * np.pi))
    edge = radius_px * (1 + waves)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    edge *= rng.uniform(0.75, 1.0, 2)
    filled: Plane = np.zeros(shape[:2], np.float32)
    cv2.fillPoly(filled, [(centre_px + edge).round().astype(np.int32)], 1.0)
    return np.asarray(cv2.GaussianBlur(filled, (0, 0), 0.7), np.float32)


def disc(radius_px: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def colour_at(pixels: RGB, share: float) -> NDArray[np.float64]:
    """The colour of a picture's pixels at a share of all by brightness, 0 the darkest."""
    some = pixels[::8, ::8].reshape(-1, 3)
    order = np.argsort(some.sum(axis=1))
    at = int(share * (len(order) - 1))
    reach = max(1, len(order) // 50)
    return np.asarray(some[order[max(0, at - reach) : at + reach]].mean(axis=0), np.float64)


def textured(shape: tuple[int, ...], colour: NDArray[np.float64], grain: float, rng: Rng) -> Plane:
    """A picture of one colour with soft and fine variations of brightness."""
    height_px, width_px = shape[:2]
    varied = rng.standard_normal((height_px, width_px), dtype=np.float32)
    coarse = rng.standard_normal((height_px // SOFT_PX + 1, width_px // SOFT_PX + 1), dtype=np.float32)
    varied += cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    varied *= np.float32(grain)
    return np.asarray(np.maximum(colour.astype(np.float32) + varied[..., None], 0), np.float32)


def paint(pixels: RGB, shape: Plane, picture: Plane, opacity: float = 1.0) -> None:
    """Sets a picture into another of its size where a shape is, in place."""
    cover = np.float32(opacity) * shape[..., None]
    pixels[:] = np.minimum(pixels * (1 - cover) + picture * cover, 255)
