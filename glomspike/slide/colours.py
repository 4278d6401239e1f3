"""How the samples of a TIFF become RGB on white: grey, inverted grey, palettes, inks, alpha, 1 to 16 bits."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glomspike.errors import SlideError
from glomspike.findings import RGB

SAVE_AS_RGB = "save it again as 8-bit RGB"

# TIFF's photometric interpretations, and its codes of what decodes to RGB by itself.
WHITE_IS_ZERO, BLACK_IS_ZERO, RED_GREEN_BLUE, PALETTE, INKS, YCBCR = 0, 1, 2, 3, 5, 6
DECODED_TO_RGB = (6, 7, 33003, 33005, 34712, 50001)
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2

DEPTHS = (8, 10, 12, 14, 16)  # bits of cameras

_Samples = NDArray[Any]  # (height, width, samples)
_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Colours:
    """The kind of a page's colours. `bits` is how many of a value are used, `palette` (n, 3) or None,
    `alpha` the TIFF code of what a last sample of transparency is multiplied with, or None.
    """

    photometric: int
    bits: int
    palette: _Bytes | None = None
    alpha: int | None = None

    def with_bits(self, bits: int) -> "Colours":
        """The same where values use fewer bits."""
        return replace(self, bits=bits)

    def rgb(self, samples: _Samples) -> RGB:
        """A tile's samples (height, width, samples per pixel) as RGB on white."""
        if self.palette is not None:
            return np.asarray(
                self.palette[np.minimum(samples[..., 0], len(self.palette) - 1)], dtype=np.uint8
            )
        values = self._bytes(samples)
        if self.photometric == INKS:
            return np.asarray(Image.fromarray(np.ascontiguousarray(values[..., :4]), "CMYK").convert("RGB"))
        if self.photometric == YCBCR:
            return np.asarray(Image.fromarray(np.ascontiguousarray(values[..., :3]), "YCbCr").convert("RGB"))
        if self.photometric == RED_GREEN_BLUE:
            colours = values[..., :3]
        else:
            grey = 255 - values[..., :1] if self.photometric == WHITE_IS_ZERO else values[..., :1]
            colours = np.repeat(grey, 3, axis=-1)
        shown = colours if self.alpha is None else self._on_white(colours, values[..., -1:])
        rgb: RGB = np.ascontiguousarray(shown, dtype=np.uint8)
        return rgb

    def _bytes(self, samples: _Samples) -> _Bytes:
        if self.bits == 8:
            return np.asarray(np.minimum(samples, 255), dtype=np.uint8)
        highest = 2**self.bits - 1
        shares = np.minimum(samples, highest).astype(np.float32) / highest
        return np.asarray(np.rint(shares * 255), dtype=np.uint8)

    def _on_white(self, colours: _Bytes, alpha: _Bytes) -> _Bytes:
        opaque = alpha.astype(np.float32) / 255
        shown = colours * (opaque if self.alpha == UNASSOCIATED_ALPHA else 1.0) + 255 * (1 - opaque)
        return np.rint(np.minimum(shown, 255)).astype(np.uint8)


def bits_of(highest: int) -> int:
    """How many bits of 16 are used where no value is higher."""
    return next(bits for bits in DEPTHS if highest < 2**bits)


def bits_notes(bits: int) -> tuple[str, ...]:
    """A note where 16-bit values use fewer bits."""
    if bits == DEPTHS[-1]:
        return ()
    return (f"16-bit values use only {bits} bits, and are shown on that scale",)


def colours_of(path: Path, page: Any) -> Colours:
    """The colours of a TIFF page as tifffile has it. Raises SlideError for kinds without a known white."""
    bits, photometric = int(page.bitspersample), int(page.photometric)
    if int(page.sampleformat) != 1 or bits > 16:
        raise SlideError(
            path, f"cannot be decoded as a picture ({bits}-bit pixels have no known white)", SAVE_AS_RGB
        )
    if photometric == PALETTE:
        table = np.asarray(page.colormap, np.uint16).T
        return Colours(
            photometric, bits, palette=(table >> 8 if table.max() > 255 else table).astype(np.uint8)
        )
    if photometric == YCBCR:
        if int(page.compression) in DECODED_TO_RGB:
            photometric = RED_GREEN_BLUE
        elif page.subsampling != (1, 1):
            raise SlideError(path, "has colours of reduced resolution (YCbCr) that are not JPEG", SAVE_AS_RGB)
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RED_GREEN_BLUE, INKS, YCBCR):
        name = getattr(page.photometric, "name", photometric)
        raise SlideError(path, f"has colours of the kind {name}, which are not read", SAVE_AS_RGB)
    needed = {RED_GREEN_BLUE: 3, YCBCR: 3, INKS: 4}.get(photometric, 1)
    if page.samplesperpixel < needed:
        raise SlideError(
            path, f"has {page.samplesperpixel} samples a pixel where {needed} are needed", SAVE_AS_RGB
        )
    alpha = int(page.extrasamples[0]) if page.extrasamples and page.samplesperpixel == needed + 1 else None
    return Colours(
        photometric, bits, alpha=alpha if alpha in (ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA) else None
    )
