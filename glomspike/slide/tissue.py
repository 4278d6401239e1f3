"""Where on a slide there is tissue, whatever its stain, so that empty glass is never searched."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB, Mask, Points
from glomspike.geometry.frames import FieldFrame
from glomspike.slide.field import read_field
from glomspike.slide.reader import Slide

# The mask's scale: a level within this range where the slide has one, else the finer end.
FINEST_MPP = 8.0
COARSEST_MPP = 17.0

SMALLEST_TISSUE_MM2 = 0.01
LARGEST_HOLE_MM2 = 0.05  # a large vessel's lumen is filled, the gap between two cores is not

ROUNDING = 1e-6  # by which computing may miss a whole number of pixels

# Grey levels of the padding that scanners put around what they scanned.
BLACK = 12
WHITE = 254

TEXTURE_WINDOW_PX = 5
JPEG_BLOCK_PX = 8  # as far as what compression does to an edge reaches
HALO_SHARE, HALO_OD = 0.5, 0.015
NARROWEST_GAP_PX = 3  # between what counts as rough, which reaches some pixels beyond tissue
TEXTURE_OD = 0.006  # pale immunostains vary by 0.009 and more, glass by 0.002, under vignetting by 0.004
TINT_OD = 0.03
DARK_OD = 0.3  # vignetting darkens glass by less

_DENSITY_OF_GREY_LEVEL = -np.log10((np.arange(256, dtype=np.float32) + 1) / 256)

_Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tissue:
    """A mask of the slide's bounds in square pixels of `mpp` µm, true on tissue, and its frame."""

    mask: Mask
    frame: FieldFrame
    mpp: float

    def fraction(self, x0: float, y0: float, width0: float, height0: float) -> float:
        """How much of a region in level-0 pixels is tissue, 0 to 1, exact to parts of mask pixels."""
        (left, top), (right, bottom) = self.frame.from_level0(
            np.array([[x0, y0], [x0 + width0, y0 + height0]])
        )
        inside = (
            self._area_px(right, bottom)
            - self._area_px(left, bottom)
            - self._area_px(right, top)
            + self._area_px(left, top)
        )
        return float(np.clip(inside / ((right - left) * (bottom - top)), 0.0, 1.0))

    @property
    def area_mm2(self) -> float:
        """How much tissue there is."""
        return float(self.mask.sum()) * self.mpp**2 / 1e6

    def edges0(self) -> tuple[Points, ...]:
        """The outer edge (n, 2) of each connected piece in level-0 pixels, within a pixel of the mask."""
        found, _ = cv2.findContours(self.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        edges = (cv2.approxPolyDP(edge, 1.0, closed=True)[:, 0] for edge in found)
        return tuple(self.frame.to_level0(edge.astype(np.float64) + 0.5) for edge in edges if len(edge) > 2)

    @cached_property
    def _integral(self) -> NDArray[np.float64]:
        return np.pad(self.mask.cumsum(0).cumsum(1), ((1, 0), (1, 0))).astype(np.float64)

    def _area_px(self, x_px: float, y_px: float) -> float:
        """Tissue above and to the left of a point of the mask."""
        height, width = self.mask.shape
        x_px, y_px = min(max(x_px, 0.0), width), min(max(y_px, 0.0), height)
        left, top = min(int(x_px), width - 1), min(int(y_px), height - 1)
        along_x = np.array([left + 1 - x_px, x_px - left])
        along_y = np.array([top + 1 - y_px, y_px - top])
        return float(along_y @ self._integral[top : top + 2, left : left + 2] @ along_x)


def find_tissue(slide: Slide) -> Tissue:
    """The slide's tissue: silver, PAS, H&E, trichrome and immunostains, on glass of any shade.

    Parts of the low level that cannot be decoded count as tissue: the finer levels may still be whole.
    """
    facts = slide.facts
    mpp = min((m for m in slide.level_mpps if FINEST_MPP <= m <= COARSEST_MPP), default=FINEST_MPP)
    # Whole pixels only: one that the slide's edge cuts is partly of no colour, and its rim would be rough.
    width_px = max(1, int(facts.bounds_width0 * facts.mpp.x / mpp + ROUNDING))
    height_px = max(1, int(facts.bounds_height0 * facts.mpp.y / mpp + ROUNDING))
    field = read_field(slide, facts.bounds_x0, facts.bounds_y0, width_px, height_px, mpp)
    return Tissue(tissue_mask(field.pixels, mpp) | ~field.readable, field.frame, mpp)


def tissue_mask(pixels: RGB, mpp: float) -> Mask:
    """True on tissue in a picture of about 8 to 16 µm/px, in its height and width.

    Tissue is rough at this scale and glass is smooth: what varies locally in optical density is tissue,
    and so is what is smooth but tinted or much darker than the glass. The glass is the brightest colour
    common among the smooth pixels. A picture without glass is nearly all rough, so all tissue.
    """
    padding = _padding(pixels)
    density = np.asarray(cv2.LUT(pixels, _DENSITY_OF_GREY_LEVEL), dtype=np.float32)
    smooth = (_texture(density) <= TEXTURE_OD) & ~padding
    if not smooth.any():
        return _tidy(~padding, ~padding, mpp)
    glass = _glass(density, smooth)
    density[padding] = glass  # or else its rim would be rough
    texture, excess = _texture(density), density - glass
    tissue = (texture > TEXTURE_OD) | _stained(excess)
    return _tidy(tissue, tissue & ~_halo(excess, texture), mpp)


def _padding(pixels: RGB) -> Mask:
    """Areas that were never scanned: flat black or flat white squares."""
    black = cv2.inRange(pixels, (0, 0, 0), (BLACK, BLACK, BLACK))
    white = cv2.inRange(pixels, (WHITE, WHITE, WHITE), (255, 255, 255))
    squares = cv2.morphologyEx(cv2.bitwise_or(black, white), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    # Resampling has blurred their rims into what is next to them.
    return cv2.dilate(squares, np.ones((3, 3), np.uint8)).astype(np.bool_)


def _grey(planes: _Plane) -> _Plane:
    return np.asarray(cv2.transform(planes, np.full((1, 3), 1 / 3, dtype=np.float32)))


def _texture(density: _Plane) -> _Plane:
    """Local standard deviation of the grey density about its local mean, which slow shading hardly moves."""
    window = (TEXTURE_WINDOW_PX, TEXTURE_WINDOW_PX)
    grey = _grey(density)
    detail = grey - cv2.blur(grey, window)
    variance = np.asarray(cv2.blur(detail * detail, window), dtype=np.float32)
    return np.sqrt(np.maximum(variance, 0))  # a running sum of rounded numbers may end below nought


def _glass(density: _Plane, smooth: Mask) -> _Plane:
    """The brightest density (3,) that is common among the smooth pixels."""
    grey = _grey(density)
    counts, edges = np.histogram(grey[smooth], bins=125, range=(0.0, 2.5))
    brightest = np.flatnonzero(counts >= 0.2 * counts.max())[0]
    alike = smooth & (grey >= edges[brightest]) & (grey <= edges[brightest + 1])
    return np.array(cv2.mean(density, alike.astype(np.uint8))[:3], dtype=np.float32)


def _halo(excess: _Plane, texture: _Plane) -> Mask:
    """Glass that compression has made rough: near tissue that is rougher, and on average of no density."""
    near = cv2.dilate(texture, np.ones((2 * JPEG_BLOCK_PX + 1,) * 2, np.uint8))
    away = np.abs(cv2.blur(excess, (3, 3))).max(axis=2)
    return np.asarray((texture < HALO_SHARE * near) & (away < HALO_OD))


def _stained(excess: _Plane) -> Mask:
    """Pixels of another tint than the glass, or much darker, by how much denser they are (h, w, 3)."""
    grey = _grey(excess)
    tint_squared = 3 * (_grey(excess * excess) - grey * grey)
    return np.asarray((tint_squared > TINT_OD**2) | (grey > DARK_OD))


def _tidy(tissue: Mask, sure: Mask, mpp: float) -> Mask:
    """Without the margin that the texture window adds, thin lines and specks, and with small holes filled.

    What is loose grows together, but not across glass that reaches in from outside between what is `sure`:
    sections may lie close to each other.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    closed = cv2.morphologyEx(tissue.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    gaps = _reached_from_outside(closed > 0, sure)
    mask = cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc)
    margin = np.ones((TEXTURE_WINDOW_PX, TEXTURE_WINDOW_PX), np.uint8)
    solid = np.asarray((cv2.erode(mask, margin) > 0) & ~gaps)
    px_per_mm2 = 1e6 / mpp**2
    filled = solid | _small_regions(_enclosed(solid), LARGEST_HOLE_MM2 * px_per_mm2)
    return filled & ~_small_regions(filled, SMALLEST_TISSUE_MM2 * px_per_mm2)


def _reached_from_outside(closed: Mask, sure: Mask) -> Mask:
    """What of a mask is not surely tissue, is no narrow gap, and touches what lies outside the mask."""
    narrowest = np.ones((NARROWEST_GAP_PX, NARROWEST_GAP_PX), np.uint8)
    wide = cv2.morphologyEx(np.where(sure, 0, 1).astype(np.uint8), cv2.MORPH_OPEN, narrowest)
    _, labels = cv2.connectedComponents(wide, connectivity=4)
    outside = np.unique(labels[~closed & (wide > 0)])
    return np.asarray((wide > 0) & np.isin(labels, outside))


def _enclosed(tissue: Mask) -> Mask:
    """What is not tissue and cannot be reached from outside the picture."""
    empty = np.pad(~tissue, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(empty, connectivity=4)
    return np.asarray(((labels != labels[0, 0]) & (labels > 0))[1:-1, 1:-1])


def _small_regions(mask: Mask, area_px: float) -> Mask:
    """The connected regions of a mask that are smaller than that."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < area_px
    small[0] = False  # the rest of the picture
    return np.asarray(small[labels], dtype=np.bool_)
