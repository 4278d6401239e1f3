"""What preparation leaves on a phantom slide: folds, bubbles, dust, pigment."""

from dataclasses import dataclass

import cv2
import numpy as np

from glomspike.findings import Points
from glomspike.phantom.dyes import SHIFT, Dyes
from glomspike.phantom.stain import Dye


@dataclass(frozen=True, eq=False)
class Fold:
    """Tissue that lies double along a line."""

    line_um: Points
    width_um: float


@dataclass(frozen=True, eq=False)
class Speck:
    """A particle above or in the tissue: its outline and how dark it is."""

    edge_um: Points
    darkness: float


@dataclass(frozen=True)
class Bubble:
    """Air under the cover slip: out of focus inside, a dark rim around."""

    x_um: float
    y_um: float
    radius_um: float


@dataclass(frozen=True)
class Artefacts:
    """All artefacts of a slide."""

    folds: tuple[Fold, ...]
    specks: tuple[Speck, ...]
    bubbles: tuple[Bubble, ...]

    @classmethod
    def sample(cls, rng: np.random.Generator, width_um: float, height_um: float) -> "Artefacts":
        """Few or none of each kind, drawn at random."""
        size = np.array([width_um, height_um])
        area_mm2 = width_um * height_um / 1e6
        folds = [_fold(rng, size) for _ in range(rng.poisson(0.35 * area_mm2))]
        dust = rng.choice([0.0, 20.0], p=[0.6, 0.4]) * area_mm2
        pigment = rng.choice([0.0, 12.0], p=[0.7, 0.3]) * area_mm2
        specks = [_dust(rng, rng.uniform(0, 1, 2) * size) for _ in range(rng.poisson(dust))]
        for _ in range(rng.poisson(pigment)):
            specks += _pigment(rng, rng.uniform(0, 1, 2) * size)
        bubbles = [_bubble(rng, size) for _ in range(rng.poisson(0.2 * area_mm2))]
        return cls(tuple(folds), tuple(specks), tuple(bubbles))

    def paint(self, dyes: Dyes) -> Dye:
        """Adds the artefacts to a block; what comes out is where it is out of focus, 0 to 1."""
        for fold in self.folds:
            _paint_fold(dyes, fold)
        specks = np.zeros(dyes.silver.shape, dtype=np.uint8)
        for speck in self.specks:
            if _near(dyes, speck.edge_um, 0.0):
                cv2.fillPoly(
                    specks, [dyes.pixels(speck.edge_um)], int(255 * speck.darkness), cv2.LINE_AA, SHIFT
                )
        if specks.any():
            np.maximum(dyes.silver, specks.astype(np.float32) / 255, out=dyes.silver)
        blurred = np.zeros(dyes.silver.shape, dtype=np.float32)
        for bubble in self.bubbles:
            _paint_bubble(dyes, blurred, bubble)
        return blurred


def _fold(rng: np.random.Generator, size_um: Points) -> Fold:
    start = rng.uniform(0, 1, 2) * size_um
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, size=30))
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 14.0
    return Fold(start + np.cumsum(steps, axis=0), rng.uniform(5, 25))


def _bubble(rng: np.random.Generator, size_um: Points) -> Bubble:
    x_um, y_um = rng.uniform(0, 1, 2) * size_um
    return Bubble(float(x_um), float(y_um), rng.uniform(25, 140))


def _dust(rng: np.random.Generator, at_um: Points) -> Speck:
    """A crumb, or as often a fibre."""
    turn = np.sort(rng.uniform(0, 2 * np.pi, size=8))
    shape = np.stack([np.cos(turn), np.sin(turn)], axis=1) * rng.uniform(0.6, 3.5)
    stretch = np.array([rng.choice([1.0, 5.0]), 1.0])
    angle = rng.uniform(0, np.pi)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    edge = at_um + (shape * stretch / np.sqrt(stretch[0])) @ turned.T
    return Speck(edge, rng.uniform(0.3, 1.0))


def _pigment(rng: np.random.Generator, at_um: Points) -> list[Speck]:
    """A cluster of small brown grains."""
    turn = np.linspace(0, 2 * np.pi, 7)[:-1]
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    spots = at_um + rng.normal(0, rng.uniform(1.5, 4.0), size=(rng.integers(5, 30), 2))
    return [Speck(spot + circle * rng.uniform(0.25, 0.8), rng.uniform(0.25, 0.6)) for spot in spots]


def _paint_fold(dyes: Dyes, fold: Fold) -> None:
    if not _near(dyes, fold.line_um, fold.width_um):
        return
    mask = np.zeros(dyes.silver.shape, dtype=np.uint8)
    width_px = max(1, round(fold.width_um / dyes.mpp))
    cv2.polylines(mask, [dyes.pixels(fold.line_um)], False, 255, width_px, cv2.LINE_AA, SHIFT)
    double = 1 + cv2.GaussianBlur(mask, (0, 0), 0.5 / dyes.mpp).astype(np.float32) * np.float32(0.8 / 255)
    for dye in (dyes.silver, dyes.cytoplasm, dyes.nuclei):
        np.multiply(dye, double, out=dye)


def _paint_bubble(dyes: Dyes, blurred: Dye, bubble: Bubble) -> None:
    middle = np.array([[bubble.x_um, bubble.y_um]])
    if not _near(dyes, middle, bubble.radius_um + 8.0):
        return
    (x, y), radius = dyes.pixels(middle)[0].tolist(), round(bubble.radius_um / dyes.mpp * (1 << SHIFT))
    inside, rim = np.zeros((2, *blurred.shape), dtype=np.uint8)
    cv2.circle(inside, (x, y), radius, 255, -1, cv2.LINE_AA, SHIFT)
    cv2.circle(rim, (x, y), radius, 255, max(1, round(2.5 / dyes.mpp)), cv2.LINE_AA, SHIFT)
    np.maximum(blurred, inside.astype(np.float32) / 255, out=blurred)
    soft = cv2.GaussianBlur(rim, (0, 0), 0.6 / dyes.mpp).astype(np.float32) / 255
    np.maximum(dyes.silver, 0.6 * soft, out=dyes.silver)


def _near(dyes: Dyes, points_um: Points, reach_um: float) -> bool:
    height, width = dyes.silver.shape
    low, high = dyes.local(points_um.min(axis=0) - reach_um), dyes.local(points_um.max(axis=0) + reach_um)
    return bool(low[0] < width and high[0] > 0 and low[1] < height and high[1] > 0)
