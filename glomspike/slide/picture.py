"""Plain pictures as slides of one level: PNG and JPEG, eight or sixteen bits, any usual colour mode.

Pixels are as stored: a rotation that EXIF data call for is not applied, since ImageScope and QuPath don't
apply it either, and annotations would no longer lie where they were drawn.
"""

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from glomspike.errors import SlideError
from glomspike.slide.colours import (
    BLACK_IS_ZERO,
    RED_GREEN_BLUE,
    UNASSOCIATED_ALPHA,
    Colours,
    bits_notes,
    bits_of,
)
from glomspike.slide.orientation import UPRIGHT, turned_notes
from glomspike.slide.scale import mpp_of_dots
from glomspike.slide.source import Bounds, Level

FORMATS = ("PNG", "JPEG")
COLOUR_MODES = ("RGB", "RGBA", "P")  # whose profiles are of RGB
PNG_DEPTH_BYTE = 24  # of the file: bits of a sample

# What Pillow raises for damaged files.
_DAMAGE = (OSError, ValueError, TypeError, SyntaxError, KeyError, IndexError, EOFError, struct.error)


class Picture:
    """The pixels of a plain picture, decoded whole as RGB on white.

    `mpp` is that of the file's resolution where this is a microscope's; what most files say of dots per inch
    is about printing, and `mpp` is then None. Raises SlideError where the file is no such picture, is
    damaged, or has more pixels than Pillow holds to be safe.
    """

    vendor = "picture"

    def __init__(self, path: Path) -> None:
        with decoded(path) as picture:
            self.profile = (picture.info.get("icc_profile") or None) if picture.mode in COLOUR_MODES else None
            self.mpp = mpp_of_dots(picture.info.get("dpi", (0, 0)))
            self._pixels, bits = _to_rgb(picture, path)
            self.notes = (*bits_notes(bits), *turned_notes("EXIF", _orientation(picture)))
        width_px, height_px = self._pixels.size
        self.levels = (Level(width_px, height_px, 1.0, 1.0, 1.0),)
        self.bounds = Bounds(0, 0, width_px, height_px)

    def crop(self, level: int, corner_x0: int, corner_y0: int, width_px: int, height_px: int) -> Image.Image:
        """See `PixelSource.crop`."""
        white = Image.new("RGB", (width_px, height_px), "white")
        white.paste(self._pixels, (-corner_x0, -corner_y0))
        return white

    def close(self) -> None:
        """Nothing is open: the file was read whole."""


@contextmanager
def decoded(path: Path, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """Give a plain picture as Pillow has it. Damage is a SlideError, also where it is found inside."""
    with _no_warnings, _identified(path, formats) as picture:
        try:
            yield picture
        except _DAMAGE as error:
            cause = f"cannot be decoded as a picture ({error})"
            raise SlideError(path, cause, "copy it again, or save it again as 8-bit RGB") from error


class _NoWarnings:
    """A context without warnings while any thread is in it; `warnings.catch_warnings` is for one thread.

    Half a decompression bomb, odd tags: what matters comes as an error.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = warnings.catch_warnings(action="ignore")

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = warnings.catch_warnings(action="ignore")
                self._before.__enter__()
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._before.__exit__(None, None, None)


_no_warnings = _NoWarnings()


def _identified(path: Path, formats: tuple[str, ...]) -> Image.Image:
    """The picture, its pixels not decoded yet."""
    try:
        return Image.open(path, formats=formats)
    except Image.DecompressionBombError as error:
        cure = "save it as a tiled pyramidal TIFF"
        raise SlideError(path, "has too many pixels for a plain picture", cure) from error
    except _DAMAGE as error:
        cause = "is neither a slide that OpenSlide can open nor a PNG, JPEG or TIFF picture"
        raise SlideError(path, cause, "check that it is a slide and was copied whole") from error


def _to_rgb(picture: Image.Image, path: Path) -> tuple[Image.Image, int]:
    """RGB on white, and how many bits of 16 the values use, which are scaled by these; 16 for other pictures.

    Raises ValueError for modes without a known white.
    """
    if picture.format == "PNG" and _depth(path) == 16:
        picture.load()  # which finds damage
        return _of_sixteen_bits(path)
    if picture.mode in ("I", "F"):
        raise ValueError("32-bit pixels have no known white")
    if not picture.has_transparency_data:
        return picture.convert("RGB"), 16
    white = Image.new("RGB", picture.size, "white")
    shown = picture.convert("RGBA")
    white.paste(shown, mask=shown)
    return white, 16


def _depth(path: Path) -> int:
    """Bits of a sample of a PNG."""
    with path.open("rb") as file:
        return file.read(PNG_DEPTH_BYTE + 1)[-1]


def _of_sixteen_bits(path: Path) -> tuple[Image.Image, int]:
    """A PNG of 16 bits, of which Pillow gives the upper eight: those of a camera of 12 would be black."""
    samples = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16:
        raise ValueError("16-bit values cannot be read")
    if samples.ndim == 2:
        bits = bits_of(int(samples.max()))
        return Image.fromarray(Colours(BLACK_IS_ZERO, bits).rgb(samples[..., None])), bits
    colours = samples[..., 2::-1]  # OpenCV's are blue, green, red
    bits = bits_of(int(colours.max()))
    if samples.shape[2] == 3:
        return Image.fromarray(Colours(RED_GREEN_BLUE, bits).rgb(colours)), bits
    # Transparency uses the whole range whatever the colours use.
    shown = Colours(RED_GREEN_BLUE, bits).rgb(colours)
    alpha = Colours(BLACK_IS_ZERO, 16).rgb(samples[..., 3:])[..., :1]
    clear = np.concatenate([shown, alpha], axis=-1)
    return Image.fromarray(Colours(RED_GREEN_BLUE, 8, alpha=UNASSOCIATED_ALPHA).rgb(clear)), bits


def _orientation(picture: Image.Image) -> int:
    """How EXIF data want a picture to be shown; upright where they are damaged."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    except _DAMAGE:
        return UPRIGHT
