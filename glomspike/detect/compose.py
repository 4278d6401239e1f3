"""Fields composed for training: single glomeruli, cut out of crops, set into tissue."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.detect.cut import Known
from glomspike.findings import RGB, Points
from glomspike.learn.augmentation import Rng, tissue_share
from glomspike.learn.truth import Picture, TrueGlomerulus

Plane = NDArray[np.float32]

# Glomeruli whose scale is lost get a size at random; both in µm.
LEAST_DIAMETER_UM = 110.0
LARGEST_DIAMETER_UM = 320.0
MOST_SET_IN = 3
# How often what is set in is not a glomerulus but tissue of its shape: a seam must give nothing away.
DECOY_SHARE = 0.3
# How often it must lie in tissue; the rest may lie on glass, as what is torn off does.
IN_TISSUE, LEAST_TISSUE = 0.9, 0.6
# Share of its radius over which a glomerulus fades into its surroundings.
FEATHER = 0.12


def composed(
    tissue: RGB, glomeruli: Sequence[Known], crops: Sequence[Picture], other: RGB, mpp: float, rng: Rng
) -> tuple[RGB, list[Known]]:
    """The tissue with up to three of the crops' glomeruli set into it, and all glomeruli now in it.

    They keep clear of each other and of the `glomeruli` that were there. Some of what is set in is tissue of
    `other`, a picture without glomeruli of at least the tissue's size.
    """
    pixels, known = tissue.copy(), list(glomeruli)
    for _ in range(rng.integers(1, MOST_SET_IN + 1)):
        radius_px = rng.uniform(LEAST_DIAMETER_UM, LARGEST_DIAMETER_UM) / 2 / mpp
        centre = rng.uniform(0, tissue.shape[0], 2)
        if any(_near(one, centre, 1.15 * radius_px) for one in known):
            continue
        if rng.random() < IN_TISSUE and not _is_in_tissue(tissue, centre, radius_px):
            continue
        crop = crops[int(rng.integers(len(crops)))]
        linear, shift = _placed(crop, centre, radius_px, rng)
        largest = _largest(crop)
        outline_px = _outline(largest) @ linear.T + shift
        is_decoy = rng.random() < DECOY_SHARE
        if is_decoy:
            patch, there = other, np.ones(tissue.shape[:2], np.uint8)
        else:
            patch, there = _warped(crop, linear, shift, tissue.shape)
            known.append(Known(outline_px, largest.lesion))
        _blend(pixels, patch, _opacity(outline_px, there, max(1.0, FEATHER * radius_px)), rng)
    return pixels, known


def _near(glomerulus: Known, centre_px: np.ndarray, reach_px: float) -> bool:
    x_px, y_px, radius_px = glomerulus.circle_px
    return bool(np.hypot(x_px - centre_px[0], y_px - centre_px[1]) < radius_px + reach_px)


def _is_in_tissue(tissue: RGB, centre_px: np.ndarray, radius_px: float) -> bool:
    left, top = np.maximum(centre_px - radius_px, 0).astype(int)
    right, bottom = (centre_px + radius_px).astype(int) + 1
    return tissue_share(tissue[top:bottom, left:right]) > LEAST_TISSUE


def _largest(crop: Picture) -> TrueGlomerulus:
    """The largest glomerulus of a crop, which has outlines."""
    return max(crop.truth.glomeruli, key=lambda g: g.radius_px)


def _outline(glomerulus: TrueGlomerulus) -> Points:
    assert glomerulus.outline_px is not None
    return glomerulus.outline_px


def _placed(crop: Picture, centre_px: np.ndarray, radius_px: float, rng: Rng) -> tuple[Points, Points]:
    """A matrix (2, 2) and a shift that bring a crop's glomerulus to a place and size, turned and mirrored."""
    glomerulus = _largest(crop)
    scale = radius_px / glomerulus.radius_px
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    return linear, centre_px - linear @ np.array([glomerulus.x_px, glomerulus.y_px])


def _warped(
    crop: Picture, linear: Points, shift: Points, shape: tuple[int, ...]
) -> tuple[RGB, NDArray[np.uint8]]:
    """The crop in a picture of a shape, and where (1) it has pixels there."""
    affine, size = np.column_stack([linear, shift]), (shape[1], shape[0])
    # Without the mean over the crop's many pixels for each of the picture, it would be too sharp.
    shrunk = max(1.0, 1 / float(np.sqrt(abs(np.linalg.det(linear)))))
    soft = cv2.GaussianBlur(crop.pixels, (0, 0), 0.4 * shrunk) if shrunk > 1.2 else crop.pixels
    patch = cv2.warpAffine(soft, affine, size, borderMode=cv2.BORDER_REPLICATE)
    known = cv2.warpAffine(np.ones_like(crop.pixels[..., 0]), affine, size)
    return np.asarray(patch, np.uint8), np.asarray(known, np.uint8)


def _opacity(outline_px: Points, known: NDArray[np.uint8], margin_px: float) -> Plane:
    opacity: Plane = np.zeros(known.shape, np.float32)
    cv2.fillPoly(opacity, [outline_px.round().astype(np.int32)], 1.0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(margin_px) + 1,) * 2)
    opacity = np.asarray(cv2.dilate(opacity, kernel) * cv2.erode(known, kernel, borderValue=1), np.float32)
    return np.asarray(cv2.GaussianBlur(opacity, (0, 0), margin_px / 2), np.float32)[..., None]


def _blend(pixels: RGB, patch: RGB, opacity: Plane, rng: Rng) -> None:
    """Sets a patch into a picture of the same size, in place."""
    patch_like = _coloured_like(patch, pixels, float(rng.uniform(0, 1)))
    pixels[:] = (patch_like * opacity + pixels * (1 - opacity)).astype(np.uint8)


def _coloured_like(patch: RGB, tissue: RGB, share: float) -> np.ndarray:
    """The patch with its mean colour brought by `share` to the tissue's: colour must give nothing away."""
    bright = tissue.min(axis=2) > 215
    if bright.mean() > 0.9:
        return patch.astype(np.float32)
    goal = tissue[~bright].mean(axis=0)
    now = patch.reshape(-1, 3).mean(axis=0)
    factor = (1 - share) + share * goal / np.maximum(now, 1)
    return np.asarray(np.clip(patch * factor.astype(np.float32), 0, 255))
