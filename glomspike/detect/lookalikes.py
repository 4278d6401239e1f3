"""What is round and no glomerulus, drawn into tissue for training: casts, vessels, lymphocytes, fat, tears.

Real tissue at hand shows few of them. Drawn roughly, in the colours of the tissue around: at the detector's
µm/px little more than size, edge and texture is left of them.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.detect.cut import KnownGlomerulus
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng

Plane = NDArray[np.float32]

MOST_DRAWN = 3
NUCLEUS_UM = 7.0
SOFT_PX = 6
# Darkest, middle and lightest of the tissue around, as shares of its pixels by brightness.
DARK, MIDDLE, LIGHT = 0.03, 0.5, 0.97


def with_lookalikes(tissue: RGB, glomeruli: Sequence[KnownGlomerulus], mpp: float, rng: Rng) -> RGB:
    """The tissue, in its shape, with one to three look-alikes drawn behind its glomeruli."""
    pixels = tissue.copy()
    for _ in range(rng.integers(1, MOST_DRAWN + 1)):
        draw = _KINDS[int(rng.integers(len(_KINDS)))]
        centre = rng.uniform(0, tissue.shape[0], 2)
        draw(pixels, centre, mpp, rng)
    kept: Plane = np.zeros(tissue.shape[:2], np.float32)
    for one in glomeruli:
        cv2.fillPoly(kept, [one.outline_px.round().astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(cv2.dilate(kept, _disc(12 / mpp)), (0, 0), 1.0)
    _paint(pixels, np.asarray(soft, np.float32), tissue.astype(np.float32))
    return pixels


def _cast(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """A tubule widened by a cast: smooth, of the tissue's colour or denser, mostly with cells around."""
    radius_px = rng.uniform(15, 50) / mpp
    shape = _blob(pixels.shape, centre_px, radius_px, rng)
    colour = _colour(pixels, rng.uniform(0.1, 0.7)) * rng.uniform(0.8, 1.15, 3)
    _paint(pixels, shape, _textured(pixels.shape, colour, rng.uniform(2, 9), rng))
    if rng.random() < 0.8:
        rim = shape - cv2.erode(shape, _disc(max(1.0, NUCLEUS_UM / mpp)))
        _paint(pixels, rim, _textured(pixels.shape, _colour(pixels, DARK), 12, rng), 0.7)


def _vessel(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """An artery or vein cut across: a wall, layered at times, round a lumen, empty or full of blood."""
    radius_px, lumen = rng.uniform(20, 130) / mpp, rng.uniform(0.2, 0.9)
    turn = int(rng.integers(2**31))
    outer, inner = (
        _blob(pixels.shape, centre_px, radius_px * share, np.random.default_rng(turn)) for share in (1, lumen)
    )
    _paint(pixels, outer, _textured(pixels.shape, _colour(pixels, rng.uniform(0.15, 0.6)), 10, rng))
    for share in rng.uniform(lumen, 1, int(rng.integers(0, 4))):
        ring = _blob(pixels.shape, centre_px, radius_px * share, np.random.default_rng(turn))
        ring = np.clip(ring - cv2.erode(ring, _disc(1)), 0, 1)
        _paint(pixels, ring, _textured(pixels.shape, _colour(pixels, DARK), 8, rng), rng.uniform(0.2, 0.7))
    filling = _colour(pixels, LIGHT if rng.random() < 0.7 else rng.uniform(0.2, 0.6))
    _paint(pixels, inner, _textured(pixels.shape, filling, 3, rng))


def _lymphocytes(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """An aggregate of dark nuclei, close together, without an edge."""
    radius_px = rng.uniform(35, 150) / mpp
    shape = cv2.GaussianBlur(_blob(pixels.shape, centre_px, radius_px, rng), (0, 0), 0.15 * radius_px)
    nuclei = np.asarray(rng.random(shape.shape) < 1.2 * (mpp / NUCLEUS_UM) ** 2, np.float32)
    dots = np.minimum(cv2.GaussianBlur(nuclei, (0, 0), max(0.5, NUCLEUS_UM / 2.5 / mpp)) * 2.5, 1)
    _paint(pixels, shape * dots, _textured(pixels.shape, _colour(pixels, DARK), 8, rng), rng.uniform(0.6, 1))


def _fat(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """Fat cells, or bubbles: round holes with thin walls, one or many."""
    for _ in range(rng.integers(1, 14)):
        radius_px = rng.uniform(15, 50) / mpp
        shape = _blob(pixels.shape, centre_px + rng.normal(0, 60 / mpp, 2), radius_px, rng, rough=0.05)
        rim = np.asarray(cv2.dilate(shape, _disc(1)), np.float32)
        _paint(pixels, rim, _textured(pixels.shape, _colour(pixels, rng.uniform(0.1, 0.6)), 4, rng), 0.8)
        _paint(pixels, shape, _textured(pixels.shape, _colour(pixels, LIGHT), 2, rng))


def _tear(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """A hole or cleft with ragged edges, with an island of what was there in it at times."""
    radius_px = rng.uniform(30, 160) / mpp
    shape = _blob(pixels.shape, centre_px, radius_px, rng, rough=0.25)
    if rng.random() < 0.5:
        shape = np.clip(shape - _blob(pixels.shape, centre_px, 0.75 * radius_px, rng, rough=0.2), 0, 1)
    _paint(pixels, shape, _textured(pixels.shape, _colour(pixels, LIGHT), 2, rng))


def _pen(pixels: RGB, centre_px: NDArray[np.float64], mpp: float, rng: Rng) -> None:
    """A ring, dot or stroke of a felt pen, of any colour."""
    mark = np.zeros(pixels.shape[:2], np.float32)
    radius, thick = int(rng.uniform(30, 250) / mpp), int(rng.uniform(20, 90) / mpp)
    x, y = map(int, centre_px)
    if rng.random() < 0.5:
        cv2.circle(mark, (x, y), radius, 1.0, thick if rng.random() < 0.7 else -1)
    else:
        end = centre_px + rng.normal(0, 400 / mpp, 2)
        cv2.line(mark, (x, y), (int(end[0]), int(end[1])), 1.0, thick)
    ink = rng.uniform(0, 1, 3).astype(np.float32)
    cover = cv2.GaussianBlur(mark, (0, 0), 1.5)[..., None] * np.float32(0.9)
    pixels[:] = pixels * (1 - cover * (1 - ink))


_KINDS: tuple[Callable[[RGB, NDArray[np.float64], float, Rng], None], ...] = (
    _cast, _cast, _vessel, _vessel, _lymphocytes, _fat, _tear, _pen
)  # fmt: skip


def _blob(
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


def _disc(radius_px: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _colour(pixels: RGB, share: float) -> NDArray[np.float64]:
    """The colour of a picture's pixels at a share of all by brightness, 0 the darkest."""
    some = pixels[::8, ::8].reshape(-1, 3)
    order = np.argsort(some.sum(axis=1))
    at = int(share * (len(order) - 1))
    reach = max(1, len(order) // 50)
    return np.asarray(some[order[max(0, at - reach) : at + reach]].mean(axis=0), np.float64)


def _textured(shape: tuple[int, ...], colour: NDArray[np.float64], grain: float, rng: Rng) -> Plane:
    """A picture of one colour with soft and fine variations of brightness."""
    height_px, width_px = shape[:2]
    varied = rng.standard_normal((height_px, width_px), dtype=np.float32)
    coarse = rng.standard_normal((height_px // SOFT_PX + 1, width_px // SOFT_PX + 1), dtype=np.float32)
    varied += cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    varied *= np.float32(grain)
    return np.asarray(np.maximum(colour.astype(np.float32) + varied[..., None], 0), np.float32)


def _paint(pixels: RGB, shape: Plane, picture: Plane, opacity: float = 1.0) -> None:
    """Sets a picture into another of its size where a shape is, in place."""
    cover = np.float32(opacity) * shape[..., None]
    pixels[:] = np.minimum(pixels * (1 - cover) + picture * cover, 255)
