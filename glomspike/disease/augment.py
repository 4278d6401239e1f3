"""How an image of any modality might have looked: turned, at another scale, in another light and focus."""

from typing import NamedTuple

import cv2
import numpy as np

from glomspike.disease.places import Places
from glomspike.disease.prepare import WHITE, Grey, Instance
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng, appearance, turned, warped

SCALE = 0.15


class View(NamedTuple):
    """A square (side, side, 3) as it is shown in training, with where deposits lie on it then."""

    rgb: RGB
    places: Places | None


def varied(instance: Instance, rng: Rng) -> View:
    """An image as it might have looked."""
    side_px = instance.pixels.shape[0]
    matrix = turned(rng, side_px, (side_px / 2, side_px / 2), float(np.exp(rng.uniform(-SCALE, SCALE))))
    pixels = warped(instance.pixels, matrix, side_px, None)
    if pixels.ndim == 2:
        places = None
        if instance.places is not None:
            places = warped(instance.places, matrix, side_px, None, labels=True)
        return View(np.repeat(_exposed(pixels, rng)[..., None], 3, axis=2), places)
    pixels = appearance(pixels, rng)
    if instance.inside is None:
        return View(pixels, None)
    inside = warped(instance.inside.astype(np.uint8) * np.uint8(255), matrix, side_px, (0.0, 0.0, 0.0)) > 127
    return View(np.where(inside[..., None], pixels, np.uint8(WHITE)), None)


def _exposed(grey: Grey, rng: Rng) -> Grey:
    """Another film or camera: gamma, focus, grain."""
    gamma = float(np.exp(rng.normal(0, 0.15)))
    shown = (np.linspace(0, 1, 256) ** gamma * 255).astype(np.uint8)[grey]
    if rng.random() < 0.3:
        shown = np.asarray(cv2.GaussianBlur(shown, (0, 0), rng.uniform(0.4, 1.5)), dtype=np.uint8)
    if rng.random() < 0.5:
        grain = rng.standard_normal(shown.shape, dtype=np.float32) * np.float32(rng.uniform(1, 8))
        shown = np.clip(shown + grain, 0, 255).astype(np.uint8)
    return shown
