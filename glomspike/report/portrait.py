"""The pictures of a glomerulus as the report shows them: small, encoded, heat apart so that it can be faded.

The main job makes them while it holds the pixels, and keeps some 90 kB of each glomerulus.
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from glomspike.classify.heatmap import Heat
from glomspike.findings import RGB, Glomerulus, Points, TopTile
from glomspike.slide.field import Field

SIDE_PX = 576  # of the image's longer side
HEAT_SIDE_PX = 256
TILE_MARGIN_PX = 12  # of the field, around a tile, so that it is seen in its surroundings
_JPEG_QUALITY, _TILE_JPEG_QUALITY = 75, 88


@dataclass(frozen=True, eq=False)
class TilePicture:
    """A tile with a margin round it, as JPEG; `share` is the tile's of the JPEG's side.

    `x_px, y_px, side_px` are the tile's corner and side in the glomerulus's image.
    """

    tile: TopTile
    jpeg: bytes
    x_px: float
    y_px: float
    side_px: float
    share: float


@dataclass(frozen=True, eq=False)
class Portrait:
    """A glomerulus as the report shows it; positions and sizes in pixels of the image, `mpp` its µm/px.

    `heat` is a PNG of the same extent: grey 0 to 255 for probabilities 0 to 1, transparent where there is
    none; None where nothing was scored. `outline_px` is (n, 2).
    """

    glomerulus_id: int
    jpeg: bytes
    width_px: int
    height_px: int
    mpp: float
    heat: bytes | None
    outline_px: Points
    tiles: tuple[TilePicture, ...]


def portray(glomerulus: Glomerulus, field: Field, heat: Heat | None) -> Portrait:
    """The report's pictures of a glomerulus, from the field it was judged in and its heat there."""
    image = shrunk(field.pixels, SIDE_PX)
    height_px, width_px = image.shape[:2]
    scale = width_px / field.pixels.shape[1]
    return Portrait(
        glomerulus_id=glomerulus.id,
        jpeg=encode_jpeg(image, _JPEG_QUALITY),
        width_px=width_px,
        height_px=height_px,
        mpp=field.mpp / scale,
        heat=None if heat is None else _encode_heat(heat),
        outline_px=field.frame.from_level0(glomerulus.outline.polygon0) * scale,
        tiles=_portray_tiles(glomerulus, field, scale),
    )


def shrunk(picture: RGB, side_px: int) -> RGB:
    """The picture in its proportions, its longer side at most `side_px`."""
    size_px = _fitting(picture.shape[1], picture.shape[0], side_px)
    return np.asarray(cv2.resize(picture, size_px, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _fitting(width_px: int, height_px: int, side_px: int) -> tuple[int, int]:
    """Width and height of a picture shrunk until its longer side is at most `side_px`."""
    scale = min(side_px / max(width_px, height_px), 1.0)
    return max(round(width_px * scale), 1), max(round(height_px * scale), 1)


def encode_jpeg(picture: RGB, quality: int) -> bytes:
    """A picture as JPEG."""
    blue_first = np.ascontiguousarray(picture[..., ::-1])
    _, encoded = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def _portray_tiles(glomerulus: Glomerulus, field: Field, scale: float) -> tuple[TilePicture, ...]:
    spikes = glomerulus.judgement
    if spikes is None:
        return ()
    margin = (TILE_MARGIN_PX,) * 4
    padded = np.asarray(cv2.copyMakeBorder(field.pixels, *margin, cv2.BORDER_REPLICATE), dtype=np.uint8)
    side_px = spikes.tile_side_um / field.mpp
    whole_px = round(side_px) + 2 * TILE_MARGIN_PX
    pictures = []
    for tile in spikes.top_tiles:
        x_px, y_px = field.frame.from_level0(np.array([[tile.x0, tile.y0]]))[0].tolist()
        left, top = round(x_px), round(y_px)
        jpeg = encode_jpeg(padded[top : top + whole_px, left : left + whole_px], _TILE_JPEG_QUALITY)
        place = (x_px * scale, y_px * scale, side_px * scale)
        pictures.append(TilePicture(tile, jpeg, *place, side_px / whole_px))
    return tuple(pictures)


def _encode_heat(heat: Heat) -> bytes:
    # Neighbours are picked, not averaged: at the edge an average would be colder than either.
    size_px = _fitting(heat.shape[1], heat.shape[0], HEAT_SIDE_PX)
    small = cv2.resize(heat, size_px, interpolation=cv2.INTER_NEAREST_EXACT)
    seen = ~np.isnan(small)
    grey = np.round(np.where(seen, small, 0.0) * 255).astype(np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(np.dstack([grey, np.where(seen, np.uint8(255), np.uint8(0))])).save(encoded, "PNG")
    return encoded.getvalue()
