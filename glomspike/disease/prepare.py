"""Images of each modality as the disease network sees them: squares of one scale and one exposure.

A square comes with a number that says what its making took away: of fluorescence the logarithm of its
brightness, of electron microscopy how much coarser than usual it is shown.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB, Mask, Points
from glomspike.geometry.raster import filled
from glomspike.modalities import BindingSite, Modality

Grey = NDArray[np.uint8]  # (height, width)

BRIGHTEST_PERCENTILE = 99.5
USUAL_BRIGHTNESS = 128.0
TUFT_UM = 190.0  # the disc of light that a glomerulus makes
# Black and white of a micrograph, which are red cells or chromatin and empty space, are brought to these grey
# levels. Deposits differ from what is beside them by a fifth of that.
ENDS_PERCENTILES, ENDS_GREY = (2.0, 98.0), (12.0, 243.0)
LEAST_SPREAD = 16.0
# A burnt-in bar of information: rows most of whose pixels have one grey.
BAR_SHARE, BAR_TOLERANCE = 0.6, 3
LEAST_BAR_PX, MOST_BAR_SHARE = 8, 0.2
WHITE, BLACK = 255, 0


@dataclass(frozen=True, eq=False)
class Instance:
    """One image as it is shown: a square (side, side) of grey or (side, side, 3) of colour, and its `number`.

    `inside` is what of a light micrograph belongs to the glomerulus; all else is white. `deposits` is whether
    an electron micrograph is known to show any, `places` where they are known to lie (`places.py`). `grade`
    and `site` are how strongly and where an antibody is known to bind (`binding.py`).
    """

    name: str
    modality: Modality
    marker: str | None
    pixels: NDArray[np.uint8]
    number: float = 0.0
    inside: Mask | None = None
    deposits: bool | None = None
    places: Grey | None = None
    grade: int | None = None
    site: BindingSite | None = None

    @property
    def rgb(self) -> RGB:
        """The square in three channels, white outside the glomerulus."""
        if self.pixels.ndim == 2:
            return np.repeat(self.pixels[..., None], 3, axis=2)
        if self.inside is None:
            return self.pixels
        return np.where(self.inside[..., None], self.pixels, np.uint8(WHITE))


def glomerulus_square(
    name: str,
    marker: str | None,
    pixels: RGB,
    outline_px: Points,
    middle_px: tuple[float, float],
    side_px: int,
) -> Instance:
    """A glomerulus cut out of a picture of the right scale around its middle, within `outline_px` (n, 2)."""
    corner = np.round(np.array(middle_px) - side_px / 2).astype(int)
    square = _cut(pixels, int(corner[0]), int(corner[1]), side_px, WHITE)
    return Instance(name, "om", marker, square, inside=filled(outline_px - corner, side_px))


def fluorescence_square(
    name: str, marker: str | None, pixels: RGB, scale: float | None, side_px: int
) -> Instance:
    """The brightest glomerulus of a fluorescence image, `scale` times as large; None where no scale is known.

    Any colour counts as brightness. The image is divided by the brightness of its brightest half per cent, so
    that exposure is in the number and not in the picture.
    """
    grey = pixels.max(axis=2)
    # An image without a scale is taken to be of one glomerulus.
    fitted = scale or side_px / max(grey.shape)
    grey = _resized(grey, fitted)
    x_px, y_px = _brightest(grey, side_px)
    square = _cut(grey, x_px, y_px, side_px, BLACK)
    brightness = max(float(np.percentile(square, BRIGHTEST_PERCENTILE)), 1.0)
    shown = np.clip(square * (255 / brightness), 0, 255).astype(np.uint8)
    return Instance(name, "if", marker, shown, float(np.log(brightness / USUAL_BRIGHTNESS)))


def micrograph_square(
    name: str,
    pixels: RGB,
    scale: float | None,
    side_px: int,
    deposits: bool | None = None,
    places: Grey | None = None,
) -> Instance:
    """An electron micrograph without its bar of information, `scale` times as large or as small as fits.

    Grey is brought to one black and one white. The number is the logarithm of how many times coarser than
    asked it is shown, 0 where its scale is not known. `places` has the size of `pixels`.
    """
    whole = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    rows = rows_without_bar(whole)
    grey = whole[rows]
    fits = side_px / max(grey.shape)
    used = fits if scale is None else min(scale, fits)
    low, high = np.percentile(grey, ENDS_PERCENTILES)
    gain = (ENDS_GREY[1] - ENDS_GREY[0]) / max(float(high - low), LEAST_SPREAD)
    evened = np.clip((np.arange(256) - low) * gain + ENDS_GREY[0], 0, 255).astype(np.uint8)[grey]
    shown = _resized(evened, used)
    left_px, top_px = ((size - side_px) // 2 for size in (shown.shape[1], shown.shape[0]))
    square = _cut(shown, left_px, top_px, side_px, 128)
    coarser = 0.0 if scale is None else float(np.log(scale / used))
    if places is not None:
        size = shown.shape[1], shown.shape[0]
        fitted = cv2.resize(places[rows], size, interpolation=cv2.INTER_NEAREST_EXACT)
        places = _cut(np.asarray(fitted, dtype=np.uint8), left_px, top_px, side_px, 0)
    return Instance(name, "tem", None, square, coarser, deposits=deposits, places=places)


def rows_without_bar(grey: Grey) -> slice:
    """The rows of a micrograph without the bar of information at its lower or upper edge, if it has one."""
    middle = np.median(grey, axis=1, keepdims=True)
    share = (np.abs(grey - middle) <= BAR_TOLERANCE).mean(axis=1)
    plain = share >= BAR_SHARE
    height = len(grey)
    below, above = _run(plain[::-1], height), _run(plain, height)
    return slice(above, height - below)


def _run(plain: NDArray[np.bool_], height: int) -> int:
    """How many rows from the first on are those of a bar; 0 where they are too few or too many."""
    length = int(plain.argmin()) if not plain.all() else height
    return length if LEAST_BAR_PX <= length <= MOST_BAR_SHARE * height else 0


def _brightest(grey: Grey, side_px: int) -> tuple[int, int]:
    """The corner of the square around the brightest disc, within the picture where it is large enough."""
    blur_px = max(1.0, TUFT_UM / 4 * side_px / 224)
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), blur_px)
    y_px, x_px = np.unravel_index(int(soft.argmax()), soft.shape)
    return _corner(int(x_px), grey.shape[1], side_px), _corner(int(y_px), grey.shape[0], side_px)


def _corner(middle_px: int, size_px: int, side_px: int) -> int:
    if size_px <= side_px:
        return (size_px - side_px) // 2
    return int(np.clip(middle_px - side_px // 2, 0, size_px - side_px))


def _cut(
    pixels: NDArray[np.uint8], left_px: int, top_px: int, side_px: int, ground: int
) -> NDArray[np.uint8]:
    """A square of a picture from a corner on, which may lie outside; there is `ground` there."""
    square = np.full((side_px, side_px, *pixels.shape[2:]), ground, np.uint8)
    height_px, width_px = pixels.shape[:2]
    rows = slice(max(0, top_px), min(height_px, top_px + side_px))
    columns = slice(max(0, left_px), min(width_px, left_px + side_px))
    if rows.start < rows.stop and columns.start < columns.stop:
        to_rows = slice(rows.start - top_px, rows.stop - top_px)
        to_columns = slice(columns.start - left_px, columns.stop - left_px)
        square[to_rows, to_columns] = pixels[rows, columns]
    return square


def _resized(grey: Grey, factor: float) -> Grey:
    size = (max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, size, interpolation=way), dtype=np.uint8)
