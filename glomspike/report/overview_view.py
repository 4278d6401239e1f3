"""The report's overview: the slide small, and a marker for each glomerulus that leads to its card."""

from dataclasses import dataclass

import numpy as np

from glomspike.findings import RGB, Call, Glomerulus, SlideResult
from glomspike.geometry.frames import FieldFrame
from glomspike.report.card_view import verdict
from glomspike.report.html import data_uri
from glomspike.report.plots import grey
from glomspike.report.portrait import encode_jpeg, shrunk

SIDE_PX = 1600  # of the longer side
_JPEG_QUALITY = 78
_LEAST_RADIUS = 0.008  # of a marker, as a share of the longer side: what is smaller cannot be hit


@dataclass(frozen=True)
class Marker:
    """A glomerulus on the overview, in its pixels; `grey` is None where it has no score."""

    id: int
    x_px: float
    y_px: float
    width_px: float
    height_px: float
    reach_px: float
    label_x_px: float
    anchor: str
    grey: str | None
    call: Call | None
    description: str


@dataclass(frozen=True)
class OverviewView:
    """The slide as a picture that is part of the page, and its markers in reading order."""

    image: str
    width_px: int
    height_px: int
    extent: str
    font_px: float
    markers: tuple[Marker, ...]


def overview_view(thumbnail: RGB, frame: FieldFrame, result: SlideResult) -> OverviewView:
    """The overview of a slide, of its thumbnail that lies at `frame`."""
    picture = shrunk(thumbnail, SIDE_PX)
    height_px, width_px = picture.shape[:2]
    scale_x, scale_y = width_px / thumbnail.shape[1], height_px / thumbnail.shape[0]
    shown = FieldFrame(frame.corner_x0, frame.corner_y0, frame.scale_x0 / scale_x, frame.scale_y0 / scale_y)
    mpp, facts = result.slide.mpp, result.slide
    width_mm, height_mm = facts.bounds_width0 * mpp.x / 1000, facts.bounds_height0 * mpp.y / 1000
    return OverviewView(
        image=data_uri("jpeg", encode_jpeg(picture, _JPEG_QUALITY)),
        width_px=width_px,
        height_px=height_px,
        extent=f"{width_mm:.1f} × {height_mm:.1f} mm",
        font_px=max(width_px, height_px) / 42,
        markers=tuple(_marker(one, shown, result, (width_px, height_px)) for one in result.glomeruli),
    )


def _marker(
    glomerulus: Glomerulus, frame: FieldFrame, result: SlideResult, size_px: tuple[int, int]
) -> Marker:
    circle, mpp, judgement = glomerulus.circle, result.slide.mpp, glomerulus.judgement
    x_px, y_px = frame.from_level0(np.array([[circle.x0, circle.y0]]))[0].tolist()
    least_px = _LEAST_RADIUS * max(size_px)
    half_width_px = max(circle.radius_um / mpp.x / frame.scale_x0, least_px)
    half_height_px = max(circle.radius_um / mpp.y / frame.scale_y0, least_px)
    fits = x_px + half_width_px + 5 * least_px < size_px[0]
    away_px = half_width_px + 0.6 * least_px
    return Marker(
        id=glomerulus.id,
        x_px=round(x_px, 1),
        y_px=round(y_px, 1),
        width_px=round(half_width_px, 1),
        height_px=round(half_height_px, 1),
        reach_px=round(max(half_width_px, half_height_px) + least_px, 1),
        label_x_px=round(x_px + away_px if fits else x_px - away_px, 1),
        anchor="start" if fits else "end",
        grey=None if judgement is None else grey(judgement.probability),
        call=None if judgement is None else judgement.call,
        description=_description(glomerulus),
    )


def _description(glomerulus: Glomerulus) -> str:
    judgement = glomerulus.judgement
    if judgement is None:
        return verdict(judgement)
    return f"probability {judgement.probability:.2f}, {verdict(judgement)}"
