"""Colours as the scanner meant them: brought to sRGB by the ICC profile that a file carries.

Scanners store the same colour differently, which moves spike probabilities and changes some calls:
docs/adr/0026-colours-go-to-srgb.md has the numbers.
"""

import io

import numpy as np
from PIL import Image, ImageCms

SAME = 2  # grey levels: a profile that is sRGB by another name changes no more

UNUSABLE = "its colour profile cannot be used, and colours are as stored"


class ColourProfile:
    """The way from a file's colours to sRGB; `notes` says where its profile cannot be used."""

    def __init__(self, profile: bytes | None) -> None:
        self._transform: ImageCms.ImageCmsTransform | None = None
        self.notes: tuple[str, ...] = ()
        if profile is None:
            return
        try:
            transform = _to_srgb(profile)
        except (ImageCms.PyCMSError, OSError):
            self.notes = (UNUSABLE,)
            return
        self._transform = transform if _changes(transform) else None

    def in_srgb(self, pixels: Image.Image) -> Image.Image:
        """An RGB picture with its colours in sRGB; the picture itself where they are that already."""
        if self._transform is not None:
            ImageCms.applyTransform(pixels, self._transform, inPlace=True)
        return pixels


def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform:
    stored, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(stored, srgb, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)


def _changes(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether any colour of a coarse cube becomes another one."""
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    changed = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform))
    return bool(np.abs(changed.astype(int) - cube).max() > SAME)
