"""Masks: pictures that mark what is glomerulus."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from glomspike.errors import SlideError
from glomspike.findings import Mask
from glomspike.slide.orientation import UPRIGHT
from glomspike.slide.picture import FORMATS, decoded
from glomspike.slide.readable import check_readable

LOSSY = ("JPEG", "MPO")
LEAST_HOLES = 0.02  # of a mask
FAINT = 64  # grey levels: a JPEG's marks are brighter than what its compression leaves beside them


def read_mask(path: Path) -> Mask:
    """Return where a PNG, JPEG or TIFF mask is marked, (height, width): neither black nor transparent.

    Of a JPEG what is at least half as bright as its brightest: compression leaves grey specks beside marks.
    Raises SlideError for a file that is none of these, is damaged, is a JPEG of faint marks, marks the ground
    instead of glomeruli, or is a TIFF of several pictures or one to be shown turned, which Pillow would turn.
    """
    with opened_mask(path) as picture:
        marked = _brightest(path, picture) if is_lossy(picture) else _marked(picture)
        if not is_lossy(picture) and marked.all() and _is_colourful(picture):
            cause = "marks all of the picture, in several colours"
            raise SlideError(path, cause, "make the ground black and glomeruli any other colour")
    if _is_ground(marked):
        cause = "marks all of its border and leaves holes: it seems to mark the ground"
        raise SlideError(path, cause, "make the ground black and glomeruli any other colour")
    return marked


@contextmanager
def opened_mask(path: Path) -> Iterator[Image.Image]:
    """The picture of a mask. Raises SlideError for a file that cannot be one, as `read_mask` does."""
    check_readable(path)
    with decoded(path, (*FORMATS, "TIFF")) as picture:
        if picture.format == "TIFF":
            turned = picture.getexif().get(ExifTags.Base.Orientation, UPRIGHT) != UPRIGHT
            if turned or getattr(picture, "n_frames", 1) > 1:
                raise SlideError(path, "holds several pictures, or a turned one", "save the mask as PNG")
        yield picture


def is_lossy(picture: Image.Image) -> bool:
    """Whether a mask's compression has changed its grey levels."""
    return picture.format in LOSSY or picture.info.get("compression") in ("jpeg", "tiff_jpeg")


def _brightest(path: Path, picture: Image.Image) -> Mask:
    """Where a JPEG is marked."""
    brightness = np.asarray(picture.convert("RGB")).max(axis=2)
    brightest = int(brightness.max())
    if 0 < brightest < FAINT:
        raise SlideError(path, "is a JPEG, and its marks are too faint to be seen", "save the mask as PNG")
    return np.asarray(brightness >= max(1, brightest / 2))


def _is_colourful(picture: Image.Image) -> bool:
    """Whether a mask in colours has several, one of which may mean the ground."""
    colours = picture.convert("RGB").getcolors(maxcolors=1) if picture.mode in ("P", "RGB") else []
    return colours is None  # more than that


def _is_ground(marked: Mask) -> bool:
    """Whether what is marked surrounds what is not, as in a mask with black and white exchanged."""
    border = (marked[0], marked[-1], marked[:, 0], marked[:, -1])
    return all(side.all() for side in border) and (~marked).mean() > LEAST_HOLES


def _marked(picture: Image.Image) -> Mask:
    if picture.has_transparency_data:
        shown = np.asarray(picture.convert("RGBA"))
        return np.asarray(shown[..., :3].any(axis=2) & (shown[..., 3] > 0))
    if len(picture.getbands()) == 1 and picture.mode != "P":
        return np.asarray(np.asarray(picture) != 0)
    return np.asarray(np.asarray(picture.convert("RGB")).any(axis=2))
