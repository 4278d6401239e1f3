"""Fields composed for training: single glomeruli, cut out of crops, set into tissue."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.detect.cut import KnownGlomerulus, is_in_tissue
from glomspike.findings import RGB, Points
from glomspike.learn.augmentation import Rng
from glomspike.learn.truth import Picture, TrueGlomerulus

Plane = NDArray[np.float32]

# Glomeruli whose scale is lost get a size at random, every doubling as often as any other: from those of mice
# and obsolescent ones to hypertrophic ones; both in µm.
LEAST_DIAMETER_UM = 55.0
LARGEST_DIAMETER_UM = 380.0
# How often colours are brought near the tissue's in optical density, and how much stronger or weaker they
# stay: a solid scar stands out in PAS, but hardly in H&E.
LIKE_TISSUE, STRENGTH_SD, CONTRAST = 0.8, 0.25, (0.4, 1.0)
LIGHTEST_TISSUE, LEAST_STAINED = 215, 0.1
MOST_SET_IN = 3
# How often what is set in is not a glomerulus but tissue of its shape: a seam must give nothing away.
DECOY_SHARE = 0.3
# How often it must lie in tissue; the rest may lie on glass, as what is torn off does.
IN_TISSUE, LEAST_TISSUE = 0.9, 0.6
# Share of its radius over which a glomerulus fades into its surroundings, and how much of those comes along:
# little, since many crops end where their glomerulus does, and their corners would give it away.
FEATHER, BEYOND = 0.1, 0.03


def composed(
    tissue: RGB,
    glomeruli: Sequence[KnownGlomerulus],
    crops: Sequence[Sequence[Picture]],
    other: RGB,
    mpp: float,
    rng: Rng,
) -> tuple[RGB, list[KnownGlomerulus]]:
    """The tissue, in its shape, with up to three of the crops' glomeruli set into it, and all its glomeruli.

    Each table's crops come as often as any other's. They keep clear of each other and of the `glomeruli` that
    were there. Some of what is set in is tissue of `other`, a picture without glomeruli of at least the
    tissue's size.
    """
    pixels, known = tissue.copy(), list(glomeruli)
    for _ in range(rng.integers(1, MOST_SET_IN + 1)):
        sizes_um = np.log([LEAST_DIAMETER_UM, LARGEST_DIAMETER_UM])
        radius_px = float(np.exp(rng.uniform(*sizes_um))) / 2 / mpp
        centre = rng.uniform(0, tissue.shape[0], 2)
        if any(one.is_near(centre, 1.15 * radius_px) for one in known):
            continue
        if rng.random() < IN_TISSUE and not is_in_tissue(tissue, centre, radius_px, LEAST_TISSUE):
            continue
        table = crops[int(rng.integers(len(crops)))]
        crop = table[int(rng.integers(len(table)))]
        is_decoy = rng.random() < DECOY_SHARE
        glomerulus = set_in(pixels, crop, centre, radius_px, rng, other if is_decoy else None)
        if not is_decoy:
            known.append(glomerulus)
    return pixels, known


def set_in(
    pixels: RGB,
    crop: Picture,
    centre_px: Points,
    radius_px: float,
    rng: Rng,
    decoy: RGB | None = None,
    alike: float | None = None,
) -> KnownGlomerulus:
    """Sets a crop's largest glomerulus into a picture, in place; what it then is there.

    It is turned and mirrored at random, or is of the `decoy`'s tissue in its shape, where that is given. Its
    colours come as near to the tissue's as `alike` says, 0 not at all, 1 wholly, or by a share at random.
    """
    linear, shift = _placed(crop, centre_px, radius_px, rng)
    largest = _largest(crop)
    outline_px = _outline(largest) @ linear.T + shift
    if decoy is None:
        patch, there = _warped(crop, linear, shift, pixels.shape)
    else:
        patch, there = decoy, np.ones(pixels.shape[:2], np.uint8)
    _blend(pixels, patch, _opacity(outline_px, there, max(1.0, FEATHER * radius_px)), rng, alike)
    return KnownGlomerulus(outline_px, largest.lesion)


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
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(margin_px * BEYOND / FEATHER) + 1,) * 2)
    opacity = np.asarray(cv2.dilate(opacity, kernel) * known, np.float32)
    return np.asarray(cv2.GaussianBlur(opacity, (0, 0), margin_px / 2), np.float32)[..., None]


def _blend(pixels: RGB, patch: RGB, opacity: Plane, rng: Rng, alike: float | None) -> None:
    """Sets a patch into a picture of the same size, in place; `alike` as of `set_in`."""
    if alike is None:
        alike = float(np.sqrt(rng.random())) if rng.random() < LIKE_TISSUE else 0.0
    strength, contrast = float(np.exp(rng.normal(0, STRENGTH_SD))), float(rng.uniform(*CONTRAST))
    patch = _coloured_like(patch, opacity[..., 0] > 0.5, pixels, alike, strength, contrast)
    pixels[:] = (patch * opacity + pixels * (1 - opacity)).astype(np.uint8)


def _coloured_like(
    patch: RGB, where: NDArray[np.bool_], tissue: RGB, alike: float, strength: float, contrast: float
) -> RGB:
    """The patch with its mean optical density, of each colour, brought near `strength` times the tissue's.

    The tissue's is that of what lies between nuclei: the lighter half in red. `contrast` is what is left of
    the differences within the patch.
    """
    stained = tissue[tissue.min(axis=2) <= LIGHTEST_TISSUE]
    if alike == 0 or len(stained) < LEAST_STAINED * tissue[..., 0].size or not where.any():
        return patch
    between = stained[stained[:, 0] >= np.median(stained[:, 0])]
    goal = strength * _DENSITY[between].mean(axis=0)
    now = np.maximum(_DENSITY[patch[where]].mean(axis=0), 0.02)
    tables = _DENSITY[:, None] * np.clip(goal / now, 0.2, 3.0) ** alike
    mean = np.stack([tables[patch[where][:, c], c] for c in range(3)]).mean(axis=1)
    shown = 255 * np.exp(-(mean + contrast * (tables - mean)))
    return np.stack([shown[patch[..., c], c] for c in range(3)], axis=-1).clip(0, 255).astype(np.uint8)


_DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255)
