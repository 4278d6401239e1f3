"""Annotated glomeruli with their surroundings, and the crops that the segmenter gets to see of them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB, Mask, Points
from glomspike.geometry.raster import filled
from glomspike.learn.augmentation import Rng, glass, mapped, turned, warped
from glomspike.learn.samples import Sample
from glomspike.learn.truth import Picture, TrueGlomerulus, is_plain, load_picture, resized
from glomspike.segment.crop import SIDE_RADII

# How far the detector's circles are off, in radii: their centres, and their radii either way.
OFF_CENTRE = 0.2
OFF_RADIUS = 0.25
# How often a picture that is one crop is learnt as it is.
AS_IT_IS = 0.3
# Surroundings kept of a glomerulus, in radii: what the widest inexact crop shows.
KEPT_RADII = 2.4
# Pieces smaller than this, in pixels of the loaded picture, have no outline worth learning.
LEAST_RADIUS_PX = 12
# Whole slides are loaded no finer: that of the crop of a glomerulus of 100 µm radius.
SLIDE_MPP = 1.0
READERS = 4

Affine = NDArray[np.float32]  # (2, 3)


@dataclass(frozen=True, eq=False)
class Patch:
    """A glomerulus with its surroundings: pixels, circle and outline (n, 2) in pixels of the patch.

    `is_crop` where the picture has no scale and so is one crop as it stands.
    """

    sample: Sample
    pixels: RGB
    glomerulus: TrueGlomerulus
    outline_px: Points
    is_crop: bool

    def truth(self, matrix: Affine, side_px: int) -> Mask:
        """The mask (side_px, side_px) of the glomerulus after an affine matrix."""
        return filled(mapped(self.outline_px, matrix), side_px)


def load_patches(samples: Sequence[Sample], input_px: int) -> list[Patch]:
    """All outlined glomeruli of some samples, with as much around them as an inexact crop may show."""
    annotated = [sample for sample in samples if sample.mask is not None or sample.xml is not None]
    with ThreadPoolExecutor(READERS) as pool:
        # Whole pictures are let go of as soon as their glomeruli are cut out.
        loaded = pool.map(lambda sample: _patches_of(_load(sample), input_px), annotated)
        return [patch for patches in loaded for patch in patches]


def _load(sample: Sample) -> Picture:
    return load_picture(sample, None if is_plain(sample) else SLIDE_MPP)


def _patches_of(picture: Picture, input_px: int) -> list[Patch]:
    glomeruli = [
        (g, g.outline_px)
        for g in picture.truth.glomeruli
        if g.outline_px is not None and g.radius_px >= LEAST_RADIUS_PX
    ]
    if picture.mpp is None:
        largest = max(glomeruli, key=lambda pair: pair[0].radius_px, default=None)
        return [] if largest is None else [_whole(picture, *largest, input_px)]
    return [_cut_out(picture, glomerulus, outline_px, input_px) for glomerulus, outline_px in glomeruli]


def _whole(picture: Picture, glomerulus: TrueGlomerulus, outline_px: Points, input_px: int) -> Patch:
    """The whole picture as a crop, no finer than the network's input."""
    factor = min(1.0, input_px / max(picture.pixels.shape[:2]))
    pixels = resized(picture.pixels, factor)
    return Patch(picture.sample, pixels, _moved(glomerulus, 0, 0, factor), outline_px * factor, is_crop=True)


def _cut_out(picture: Picture, glomerulus: TrueGlomerulus, outline_px: Points, input_px: int) -> Patch:
    """The glomerulus and its surroundings, no finer than the network's input."""
    height_px, width_px = picture.pixels.shape[:2]
    reach = KEPT_RADII * glomerulus.radius_px
    left, top = max(0, int(glomerulus.x_px - reach)), max(0, int(glomerulus.y_px - reach))
    right = min(width_px, int(glomerulus.x_px + reach) + 1)
    bottom = min(height_px, int(glomerulus.y_px + reach) + 1)
    factor = min(1.0, input_px / (SIDE_RADII * glomerulus.radius_px))
    pixels = resized(picture.pixels[top:bottom, left:right].copy(), factor)
    moved = _moved(glomerulus, left, top, factor)
    return Patch(picture.sample, pixels, moved, (outline_px - (left, top)) * factor, is_crop=False)


def _moved(glomerulus: TrueGlomerulus, left_px: int, top_px: int, factor: float) -> TrueGlomerulus:
    x_px, y_px = (glomerulus.x_px - left_px) * factor, (glomerulus.y_px - top_px) * factor
    radius_px = glomerulus.radius_px * factor
    return replace(glomerulus, x_px=x_px, y_px=y_px, radius_px=radius_px, outline_px=None)


@dataclass(frozen=True, eq=False)
class Crop:
    """A square of a patch, the true mask in it, and where it shows the picture rather than nothing."""

    pixels: RGB
    truth: Mask
    inside: Mask


def inexact_crop(patch: Patch, side_px: int, rng: Rng) -> Crop:
    """A crop as the detector would give it: off-centre, of wrong radius, and turned.

    A picture that is one crop stands at times as it is.
    """
    if patch.is_crop and rng.random() < AS_IT_IS:
        return _as_it_is(patch, side_px, rng)
    g = patch.glomerulus
    scale = side_px / (SIDE_RADII * g.radius_px * (1 + rng.uniform(-OFF_RADIUS, OFF_RADIUS)))
    off_px = rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2) * g.radius_px
    matrix = turned(rng, side_px, (g.x_px + off_px[0], g.y_px + off_px[1]), scale)
    return _crop(patch, matrix, side_px, glass(patch.pixels, rng))


def _as_it_is(patch: Patch, side_px: int, rng: Rng) -> Crop:
    """The whole picture, turned by right angles and mirrored."""
    crop, turns, mirror = exact_crop(patch, side_px), int(rng.integers(4)), int(rng.choice([-1, 1]))
    truth, inside = (np.rot90(mask, turns)[:, ::mirror] for mask in (crop.truth, crop.inside))
    return Crop(np.ascontiguousarray(np.rot90(crop.pixels, turns)[:, ::mirror]), truth, inside)


def ended(pixels: RGB, truth: Mask, rng: Rng) -> tuple[RGB, Mask]:
    """A crop and its mask, in their shapes, that end at one of the sides: white and no glomerulus beyond."""
    turns, kept_px = int(rng.integers(4)), round(rng.uniform(0.4, 0.9) * len(truth))
    pixels, truth = pixels.copy(), truth.copy()
    np.rot90(pixels, turns)[kept_px:] = 255
    np.rot90(truth, turns)[kept_px:] = False
    return pixels, truth


def exact_crop(patch: Patch, side_px: int) -> Crop:
    """The crop that the true circle gives, or the whole picture where that is one."""
    height_px, width_px = patch.pixels.shape[:2]
    g = patch.glomerulus
    x_px, y_px, radius_px = g.x_px, g.y_px, g.radius_px
    if patch.is_crop:
        x_px, y_px, radius_px = width_px / 2, height_px / 2, max(width_px, height_px) / SIDE_RADII
    scale = side_px / (SIDE_RADII * radius_px)
    shift_x, shift_y = side_px / 2 - scale * x_px, side_px / 2 - scale * y_px
    matrix = np.array([[scale, 0, shift_x], [0, scale, shift_y]], np.float32)
    return _crop(patch, matrix, side_px, (255.0, 255.0, 255.0))


def _crop(patch: Patch, matrix: Affine, side_px: int, background: tuple[float, float, float]) -> Crop:
    everywhere = np.full_like(patch.pixels, 255)
    inside = warped(everywhere, matrix, side_px, (0.0, 0.0, 0.0))[..., 0] == 255
    return Crop(warped(patch.pixels, matrix, side_px, background), patch.truth(matrix, side_px), inside)
