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

import numpy as np
from PIL import Image

from glomspike.errors import SlideError
from glomspike.findings import Mpp
from glomspike.slide.scale import mpp_of_dots
from glomspike.slide.source import Bounds, Level

FORMATS = ("PNG", "JPEG")
COLOUR_MODES = ("RGB", "RGBA", "P")  # whose profiles are of RGB

# What Pillow raises for damaged files.
_DAMAGE = (OSError, ValueError, TypeError, SyntaxError, KeyError, IndexError, EOFError, struct.error)


class Picture:
    """The pixels of a plain picture, decoded whole as RGB on white.

    `mpp` is that of the file's resolution where this is a microscope's; what most files say of dots per inch
    is about printing, and `mpp` is then None. Raises SlideError where the file is no such picture, is
    damaged, or has more pixels than Pillow holds to be safe.
    """

    vendor = "picture"
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self._pixels, self.mpp, self.profile = _decode(path)
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


def _decode(path: Path) -> tuple[Image.Image, Mpp | None, bytes | None]:
    with decoded(path) as picture:
        profile = picture.info.get("icc_profile") if picture.mode in COLOUR_MODES else None
        return _to_rgb(picture), mpp_of_dots(picture.info.get("dpi", (0, 0))), profile or None


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


def _to_rgb(picture: Image.Image) -> Image.Image:
    """RGB on white. Sixteen bits are scaled by their full range; raises ValueError for modes without one."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray(np.rint(np.asarray(picture) / 257).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError("32-bit pixels have no known white")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    white = Image.new("RGB", picture.size, "white")
    shown = picture.convert("RGBA")
    white.paste(shown, mask=shown)
    return white
