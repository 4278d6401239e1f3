"""Fields composed for training: single glomeruli, cut out of crops, set into tissue."""

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.augment import Rng
from glomspike.detect.circles import Circles
from glomspike.findings import RGB
from glomspike.truth import Picture, outlined

Plane = NDArray[np.float32]

# Glomeruli whose scale is lost get a size at random; both in µm.
LEAST_DIAMETER_UM = 130.0
LARGEST_DIAMETER_UM = 300.0
MOST_GLOMERULI = 3
# Share of its radius over which a glomerulus fades into its surroundings.
FEATHER = 0.12


def composed(
    tissue: RGB, circles_px: Circles, crops: list[Picture], mpp: float, rng: Rng
) -> tuple[RGB, Circles]:
    """The tissue with up to three of the crops' glomeruli set into it, and all circles (n, 3) now in it.

    They keep clear of each other and of the glomeruli that were there (`circles_px`).
    """
    pixels, circles = tissue.copy(), circles_px
    for _ in range(rng.integers(1, MOST_GLOMERULI + 1)):
        radius_px = rng.uniform(LEAST_DIAMETER_UM, LARGEST_DIAMETER_UM) / 2 / mpp
        centre = rng.uniform(0, tissue.shape[0], 2)
        if (np.hypot(*(circles[:, :2] - centre).T) < circles[:, 2] + 1.15 * radius_px).any():
            continue
        crop = crops[rng.integers(len(crops))]
        circles = np.vstack([circles, _set_in(pixels, crop, centre, radius_px, rng)])
    return pixels, circles


def _set_in(pixels: RGB, crop: Picture, centre_px: np.ndarray, radius_px: float, rng: Rng) -> np.ndarray:
    """Sets a crop's largest glomerulus into a picture, in place; gives its true circle."""
    glomerulus = max(crop.truth.glomeruli, key=lambda g: g.radius_px)
    assert glomerulus.outline_px is not None
    scale = radius_px / glomerulus.radius_px
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    shift = centre_px - linear @ np.array([glomerulus.x_px, glomerulus.y_px])
    outline_px = glomerulus.outline_px @ linear.T + shift
    height_px, width_px = pixels.shape[:2]
    affine = np.column_stack([linear, shift])
    patch = np.asarray(
        cv2.warpAffine(crop.pixels, affine, (width_px, height_px), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
    opacity: Plane = np.zeros((height_px, width_px), np.float32)
    cv2.fillPoly(opacity, [outline_px.round().astype(np.int32)], 1.0)
    margin = max(1.0, FEATHER * radius_px)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(margin) + 1,) * 2)
    known = cv2.warpAffine(np.ones_like(crop.pixels[..., 0]), affine, (width_px, height_px))
    opacity = np.asarray(cv2.dilate(opacity, kernel) * cv2.erode(known, kernel, borderValue=1), np.float32)
    opacity = np.asarray(cv2.GaussianBlur(opacity, (0, 0), margin / 2), np.float32)[..., None]
    patch = _coloured_like(patch, pixels, float(rng.uniform(0, 1)))
    pixels[:] = (patch * opacity + pixels * (1 - opacity)).astype(np.uint8)
    circle = outlined(outline_px)
    return np.array([circle.x_px, circle.y_px, circle.radius_px])


def _coloured_like(patch: RGB, tissue: RGB, share: float) -> np.ndarray:
    """The patch with its mean colour brought by `share` to the tissue's: colour must give nothing away."""
    bright = tissue.min(axis=2) > 215
    if bright.mean() > 0.9:
        return patch.astype(np.float32)
    goal = tissue[~bright].mean(axis=0)
    now = patch.reshape(-1, 3).mean(axis=0)
    factor = (1 - share) + share * goal / np.maximum(now, 1)
    return np.asarray(np.clip(patch * factor.astype(np.float32), 0, 255))
