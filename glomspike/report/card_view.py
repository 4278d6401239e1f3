"""A glomerulus's card in the report: its portrait and what is known of it, ready to be filled in."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glomspike.annotate.marks import Mark
from glomspike.findings import Call, CallRule, Glomerulus, Points, SlideFacts, SpikeScore
from glomspike.geometry.frames import to_viewer
from glomspike.report.html import data_uri, percent
from glomspike.report.plots import grey
from glomspike.report.portrait import Portrait, TilePicture

SCALE_UM = (200, 100, 50, 20, 10)  # lengths a scale bar may have
_SCALE_SHARE = 0.3  # of the image's width at most
_SCALE_MARGIN_PX = 16

Fact = tuple[str, str, str]  # what it is, its value, more about it


@dataclass(frozen=True)
class ScaleBar:
    """A bar at the lower left of an image, in its pixels."""

    x_px: float
    y_px: float
    width_px: float
    um: int


@dataclass(frozen=True)
class TileView:
    """A tile's enlarged picture and its box in the glomerulus's image, in pixels."""

    image: str
    x_px: float
    y_px: float
    side_px: float
    share: float
    margin: float
    probability: float


@dataclass(frozen=True)
class CardView:
    """What the card of a glomerulus shows; `probability` is None where it has no score.

    `fixed` is its call where that does not follow from the probability, so that no other cut changes it.
    """

    id: int
    image: str
    heat: str | None
    width_px: int
    height_px: int
    extent: str
    outline: str
    scale: ScaleBar
    probability: float | None
    grey: str
    percent: float
    call: Call | None
    fixed: Call | None
    verdict: str
    calibration: str
    area_um2: float
    facts: tuple[Fact, ...]
    tiles: tuple[TileView, ...]
    notes: tuple[str, ...]


def card_view(
    glomerulus: Glomerulus,
    portrait: Portrait,
    mark: Mark,
    slide: SlideFacts,
    calibration: str,
    rule: CallRule,
) -> CardView:
    """The card of a glomerulus, called by a rule.

    `mark` is its circle in ImageScope, `calibration` a note on the score.
    """
    judgement = glomerulus.judgement
    probability = None if judgement is None else judgement.probability
    call = None if judgement is None else judgement.call
    return CardView(
        id=glomerulus.id,
        image=data_uri("jpeg", portrait.jpeg),
        heat=None if portrait.heat is None else data_uri("png", portrait.heat),
        width_px=portrait.width_px,
        height_px=portrait.height_px,
        extent=f"{portrait.width_px * portrait.mpp:.0f} × {portrait.height_px * portrait.mpp:.0f} µm",
        outline=_points(portrait.outline_px),
        scale=_scale_bar(portrait),
        probability=probability,
        grey=grey(probability or 0.0),
        percent=round(100 * (probability or 0.0), 1),
        call=call,
        fixed=None if judgement is None or call == rule.call(judgement.probability) else call,
        verdict=verdict(judgement),
        calibration=calibration,
        area_um2=glomerulus.outline.area_um2,
        facts=tuple(_facts(glomerulus, mark, slide)),
        tiles=tuple(tile_view(tile) for tile in portrait.tiles),
        notes=tuple(_notes(glomerulus)),
    )


def verdict(judgement: SpikeScore | None) -> str:
    """A judgement in a word or two."""
    return "not scored" if judgement is None else judgement.call


def _points(points_px: Points) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points_px.tolist())


def _scale_bar(portrait: Portrait) -> ScaleBar:
    longest_um = _SCALE_SHARE * portrait.width_px * portrait.mpp
    um = next((length for length in SCALE_UM if length <= longest_um), SCALE_UM[-1])
    return ScaleBar(_SCALE_MARGIN_PX, portrait.height_px - _SCALE_MARGIN_PX, round(um / portrait.mpp, 1), um)


def tile_view(picture: TilePicture) -> TileView:
    """A tile's picture, ready to be filled in."""
    return TileView(
        image=data_uri("jpeg", picture.jpeg),
        x_px=round(picture.x_px, 1),
        y_px=round(picture.y_px, 1),
        side_px=round(picture.side_px, 1),
        share=round(picture.share, 4),
        margin=round((1 - picture.share) / 2, 4),
        probability=picture.tile.probability,
    )


def _facts(glomerulus: Glomerulus, mark: Mark, slide: SlideFacts) -> Iterator[Fact]:
    circle, outline, judgement = glomerulus.circle, glomerulus.outline, glomerulus.judgement
    if judgement is not None:
        counted = f"{judgement.positive_tiles} of {judgement.tiles} tiles"
        yield "Spike fraction", percent(judgement.fraction), counted
        membrane = judgement.membrane
        counted = f"{membrane.positive_tiles} of {membrane.tiles} tiles that cross membrane"
        yield "Extent of spikes", f"{membrane.extent} ({percent(membrane.share)})", counted
    yield "Diameter", f"{2 * circle.radius_um:.0f} µm", f"outline {outline.area_um2:,.0f} µm²"
    yield "Detector's score", f"{circle.score:.2f}", "0 to 1"
    for found in glomerulus.classifications:
        yield found.subject.capitalize(), found.name, f"probability {found.probability:.2f}"
    left, top, right, bottom = mark.region.box_viewer
    place = _place((left + right) / 2, (top + bottom) / 2)
    yield "In ImageScope", place, f"“{mark.region.text}” in layer {mark.style.name}"
    in_qupath = _place(*to_viewer(np.array([[circle.x0, circle.y0]]), slide, "qupath")[0])
    if in_qupath != place:
        yield "In QuPath", in_qupath, ""


def _place(x_viewer: float, y_viewer: float) -> str:
    return f"X {x_viewer:.0f}, Y {y_viewer:.0f} px"


def _notes(glomerulus: Glomerulus) -> Iterator[str]:
    if glomerulus.is_sclerosed:
        yield "Classified as globally sclerosed: interpret the spike score with caution."
    if glomerulus.is_blurred:
        yield "Out of focus: the call is uncertain."
    if glomerulus.outline.touches_edge:
        yield "Cut by the slide edge: the measured size is an underestimate."
    if glomerulus.spikes is not None and glomerulus.spikes.unreadable_tiles:
        yield f"{glomerulus.spikes.unreadable_tiles} of its tiles could not be read and have no score."
