"""How an image of any modality might have looked: turned, at another scale, in another light and focus."""

from typing import NamedTuple

import cv2
import numpy as np

from glomspike.disease.places import Places
from glomspike.disease.prepare import WHITE, Grey, Instance
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng, appearance, turned, warped

SCALE = 0.15
AT_DEPOSITS = 0.7  # share of the parts of marked micrographs that are cut out around a deposit


class View(NamedTuple):
    """A square (side, side, 3) as it is shown in training, with where deposits lie on it then.

    `deposits` is whether it shows any, None where nobody knows.
    """

    rgb: RGB
    places: Places | None
    deposits: bool | None


def varied(instance: Instance, rng: Rng, part_px: int | None = None) -> View:
    """An image as it might have looked, whole or a part of it with sides of `part_px`."""
    whole_px = instance.pixels.shape[0]
    side_px = part_px or whole_px
    middle_px = (whole_px / 2, whole_px / 2) if part_px is None else _middle(instance, part_px, rng)
    matrix = turned(rng, side_px, middle_px, float(np.exp(rng.uniform(-SCALE, SCALE))))
    pixels = warped(instance.pixels, matrix, side_px, None)
    if pixels.ndim == 2:
        places = None
        if instance.places is not None:
            places = warped(instance.places, matrix, side_px, None, labels=True)
        shown = np.repeat(_exposed(pixels, rng)[..., None], 3, axis=2)
        return View(shown, places, _deposits(instance, places, part_px is None))
    pixels = appearance(pixels, rng)
    if instance.inside is None:
        return View(pixels, None, None)
    inside = warped(instance.inside.astype(np.uint8) * np.uint8(255), matrix, side_px, (0.0, 0.0, 0.0)) > 127
    return View(np.where(inside[..., None], pixels, np.uint8(WHITE)), None, None)


def _middle(instance: Instance, part_px: int, rng: Rng) -> tuple[float, float]:
    """The middle of a part: anywhere, or where a deposit that a mask marks is not far, of any kind alike."""
    places = instance.places
    if places is not None and places.any() and rng.random() < AT_DEPOSITS:
        marked = np.argwhere(places == rng.choice(np.unique(places[places > 0])))
        y_px, x_px = marked[rng.integers(len(marked))]
        nearby_px = rng.uniform(-0.35, 0.35, size=2) * part_px
        return float(x_px + nearby_px[0]), float(y_px + nearby_px[1])
    edge_px = part_px / 2
    x_px, y_px = rng.uniform(edge_px, max(edge_px, instance.pixels.shape[0] - edge_px), size=2)
    return float(x_px), float(y_px)


def _deposits(instance: Instance, places: Places | None, whole: bool) -> bool | None:
    """Whether a view shows deposits, as far as mask or table say; a part need not show those of the whole."""
    if places is not None:
        return bool(places.any())
    return instance.deposits if whole or instance.deposits is False else None


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
