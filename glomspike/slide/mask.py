"""Masks: pictures that mark what is glomerulus."""

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from glomspike.errors import SlideError
from glomspike.findings import Mask
from glomspike.slide.picture import FORMATS, decoded
from glomspike.slide.readable import check_readable

UPRIGHT = 1


def read_mask(path: Path) -> Mask:
    """Return where a PNG, JPEG or TIFF mask is marked, (height, width): neither black nor transparent.

    Raises SlideError for a file that is none of these, is damaged, or is a TIFF of several pictures or one to
    be shown turned, which Pillow would turn.
    """
    check_readable(path)
    with decoded(path, (*FORMATS, "TIFF")) as picture:
        if picture.format == "TIFF":
            turned = picture.getexif().get(ExifTags.Base.Orientation, UPRIGHT) != UPRIGHT
            if turned or getattr(picture, "n_frames", 1) > 1:
                raise SlideError(path, "holds several pictures, or a turned one", "save the mask as PNG")
        return _marked(picture)


def _marked(picture: Image.Image) -> Mask:
    if picture.has_transparency_data:
        shown = np.asarray(picture.convert("RGBA"))
        return np.asarray(shown[..., :3].any(axis=2) & (shown[..., 3] > 0))
    if len(picture.getbands()) == 1 and picture.mode != "P":
        return np.asarray(np.asarray(picture) != 0)
    return np.asarray(np.asarray(picture.convert("RGB")).any(axis=2))
