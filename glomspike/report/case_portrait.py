"""The pictures of a case's glomeruli, made from those of its slides' results."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glomspike.errors import SlideError
from glomspike.findings import RGB, Mpp
from glomspike.geometry.frames import FieldFrame
from glomspike.report.portrait import encode_jpeg, shrunk
from glomspike.results.case_record import CaseGlomerulus, CaseRecord, ProfileRecord
from glomspike.segment.ahead import MARGIN_UM
from glomspike.slide.reader import read_picture

MARGIN_SHARE = 0.25  # of a tile's side, around it, so that it is seen in its surroundings
_JPEG_QUALITY, _TILE_JPEG_QUALITY = 80, 90


@dataclass(frozen=True)
class TileCut:
    """A tile: its place and size as shares of the portrait's width and height, and its picture."""

    left: float
    top: float
    width: float
    height: float
    probability: float
    jpeg: bytes


@dataclass(frozen=True)
class ProfilePortrait:
    """A profile's picture as JPEG, its width over its height, its width in µm, its most suspicious tiles."""

    jpeg: bytes
    aspect: float
    width_um: float
    tiles: tuple[TileCut, ...]


def most_suspicious(one: CaseGlomerulus) -> ProfileRecord:
    """The profile with the highest spike probability, the largest where none was scored."""
    return max(one.profiles, key=lambda p: (p.spike_probability or -1.0, p.area_um2))


def portray_profile(
    profile: ProfileRecord, record: CaseRecord, out: Path, side_px: int
) -> ProfilePortrait | None:
    """A profile as the results in OUT show it; None where its picture is missing."""
    image = next(one for one in record.images if one.image == profile.image)
    if image.folder is None or image.mpp_x is None or image.mpp_y is None:
        return None
    try:
        picture = read_picture(out / image.folder / "images" / f"{profile.id:04d}.png")
    except SlideError:
        return None
    mpp = Mpp(image.mpp_x, image.mpp_y)
    frame = _frame(profile, picture, mpp)
    height_px, width_px = picture.shape[:2]
    return ProfilePortrait(
        encode_jpeg(shrunk(picture, side_px), _JPEG_QUALITY),
        width_px / height_px,
        width_px * frame.scale_x0 * mpp.x,
        _tiles(profile, picture, frame, mpp, record.tile_um),
    )


def _frame(profile: ProfileRecord, picture: RGB, mpp: Mpp) -> FieldFrame:
    """Where a profile's picture lies: around the outline's box, as the main job has cut it out."""
    left, top, right, bottom = profile.box0
    margin_x0, margin_y0 = MARGIN_UM / mpp.x, MARGIN_UM / mpp.y
    height_px, width_px = picture.shape[:2]
    return FieldFrame(
        float(np.floor(left - margin_x0)),
        float(np.floor(top - margin_y0)),
        (right - left + 2 * margin_x0) / width_px,
        (bottom - top + 2 * margin_y0) / height_px,
    )


def _tiles(
    profile: ProfileRecord, picture: RGB, frame: FieldFrame, mpp: Mpp, tile_um: float | None
) -> tuple[TileCut, ...]:
    if tile_um is None:
        return ()
    height_px, width_px = picture.shape[:2]
    tile_px = np.array([tile_um / mpp.x / frame.scale_x0, tile_um / mpp.y / frame.scale_y0])
    cuts = []
    for tile in profile.top_tiles:
        corner_px = frame.from_level0(np.array([[tile.x0, tile.y0]]))[0]
        low = np.clip(np.round(corner_px - MARGIN_SHARE * tile_px), 0, None).astype(int)
        high = np.round(corner_px + (1 + MARGIN_SHARE) * tile_px).astype(int)
        cut = picture[low[1] : high[1], low[0] : high[0]]
        if not cut.size:
            continue
        (left, top), (width, height) = corner_px.tolist(), tile_px.tolist()
        place = (left / width_px, top / height_px, width / width_px, height / height_px)
        cuts.append(TileCut(*place, tile.probability, encode_jpeg(cut, _TILE_JPEG_QUALITY)))
    return tuple(cuts)
