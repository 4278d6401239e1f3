"""What is drawn on a slide for its glomeruli, the same for every viewer: styles, shapes, labels, numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from glomspike.annotate.layers import Colour, Region, RegionType
from glomspike.findings import LESION, Call, Glomerulus, Points, SlideFacts, SlideResult, TopTile
from glomspike.geometry.frames import Viewer, to_viewer


@dataclass(frozen=True)
class Style:
    """A layer's name and colour."""

    name: str
    colour: Colour


SPIKED = Style("Spiked glomeruli", (255, 0, 0))
OTHER = Style("Other glomeruli", (0, 255, 0))
UNCERTAIN = Style("Uncertain glomeruli", (255, 191, 0))
OUTLINES = Style("Outlines", (255, 255, 0))
SPIKE_TILES = Style("Spike tiles", (0, 0, 255))
STYLES = (
    SPIKED,
    OTHER,
    UNCERTAIN,
    OUTLINES,
    SPIKE_TILES,
)  # what a run writes; listed in this order by viewers
STYLE_OF_CALL: dict[Call, Style] = {"spiked": SPIKED, "not spiked": OTHER, "uncertain": UNCERTAIN}
# A layer for each class that a model gave, named by subject and class.
CLASS_COLOUR = (160, 80, 255)
LESION_PREFIX = f"{LESION.capitalize()}: "
# Layers that only people make.
UNDETERMINED = Style("Undetermined glomeruli", (255, 128, 0))
AREA = Style("Corrected area", (0, 0, 0))
# What `glomspike review` adds for those that the reviewer did not come to.
NOT_REVIEWED = Style("Not reviewed", (128, 128, 128))


@dataclass(frozen=True, eq=False)
class Mark:
    """One shape to draw, as the viewer counts pixels, whose it is, and the numbers that belong to it."""

    style: Style
    region: Region
    glomerulus: int
    measurements: dict[str, float] = field(default_factory=dict)


def styles_of(result: SlideResult) -> tuple[Style, ...]:
    """The layers of a slide in the order that viewers list them: `STYLES`, then one for each lesion."""
    classes = {(found.subject, found.name) for one in result.glomeruli for found in one.classifications}
    return STYLES + tuple(class_style(subject, name) for subject, name in sorted(classes))


def class_style(subject: str, name: str) -> Style:
    """The layer of a class that a model gave, such as "Lesion: globally sclerosed"."""
    return Style(f"{subject.capitalize()}: {name}", CLASS_COLOUR)


def lesion_style(lesion: str) -> Style:
    """The layer of a lesion."""
    return class_style(LESION, lesion)


def slide_marks(result: SlideResult, viewer: Viewer) -> tuple[Mark, ...]:
    """Every mark of a slide: circles, outlines, lesions, top tiles of spiked and uncertain ones."""
    return tuple(mark for glomerulus in result.glomeruli for mark in _marks(glomerulus, result.slide, viewer))


def _marks(glomerulus: Glomerulus, slide: SlideFacts, viewer: Viewer) -> Iterator[Mark]:
    yield _circle_mark(glomerulus, slide, viewer)
    polygon = to_viewer(glomerulus.outline.polygon0, slide, viewer)
    outline = Region(RegionType.POLYGON, polygon, f"{glomerulus.id}")
    yield Mark(OUTLINES, outline, glomerulus.id, {"Area µm²": glomerulus.outline.area_um2})
    for found in glomerulus.classifications:
        text = f"{glomerulus.id}: {found.name} {found.probability:.2f}"
        numbers = {f"{found.subject.capitalize()} probability": found.probability}
        region = Region(RegionType.POLYGON, polygon, text)
        yield Mark(class_style(found.subject, found.name), region, glomerulus.id, numbers)
    spikes = glomerulus.judgement
    if spikes is not None and spikes.call != "not spiked":
        for tile in spikes.top_tiles:
            yield _tile_mark(tile, glomerulus.id, spikes.tile_side_um, slide, viewer)


def _circle_mark(glomerulus: Glomerulus, slide: SlideFacts, viewer: Viewer) -> Mark:
    circle, spikes = glomerulus.circle, glomerulus.judgement
    numbers = {"Detection score": circle.score, "Radius µm": circle.radius_um}
    label = f"{glomerulus.id}: not scored"
    if spikes is not None:
        numbers |= {"Spike probability": spikes.probability, "Spike fraction": spikes.fraction}
        if spikes.membrane.tiles:
            numbers["Spiked membrane"] = spikes.membrane.share
        # Nobody shall take the score of a scar for that of a glomerulus.
        doubt = f", {glomerulus.lesion.name}" if glomerulus.lesion and glomerulus.is_sclerosed else ""
        label = f"{glomerulus.id}: spike {spikes.probability:.2f}{doubt}"
    style = OTHER if spikes is None else STYLE_OF_CALL[spikes.call]
    region = circle_region(circle.x0, circle.y0, circle.radius_um, label, slide, viewer)
    return Mark(style, region, glomerulus.id, numbers)


def _tile_mark(tile: TopTile, glomerulus_id: int, side_um: float, slide: SlideFacts, viewer: Viewer) -> Mark:
    box0 = (tile.x0, tile.y0, side_um / slide.mpp.x, side_um / slide.mpp.y)
    region = box_region(box0, f"{glomerulus_id}: spike {tile.probability:.2f}", slide, viewer)
    return Mark(SPIKE_TILES, region, glomerulus_id, {"Spike probability": tile.probability})


def circle_region(
    x0: float, y0: float, radius_um: float, text: str, slide: SlideFacts, viewer: Viewer
) -> Region:
    """A circle in level-0 pixels and µm as the viewer counts; an ellipse where the axes' µm/px differ."""
    centre0, half0 = np.array([x0, y0]), np.array([radius_um / slide.mpp.x, radius_um / slide.mpp.y])
    box = _box(np.stack([centre0 - half0, centre0 + half0]), slide, viewer)
    return Region(RegionType.ELLIPSE, box, text)


def box_region(
    box0: tuple[float, float, float, float], text: str, slide: SlideFacts, viewer: Viewer
) -> Region:
    """A box, given as x, y, width and height in level-0 pixels, as the viewer counts."""
    x0, y0, width0, height0 = box0
    (left, top), (right, bottom) = _box(np.array([[x0, y0], [x0 + width0, y0 + height0]]), slide, viewer)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return Region(RegionType.RECTANGLE, corners, text)


def _box(corners0: Points, slide: SlideFacts, viewer: Viewer) -> Points:
    """Upper left and lower right corner in the viewer, where a turned slide has others than in level 0."""
    corners = to_viewer(corners0, slide, viewer)
    return np.stack([corners.min(axis=0), corners.max(axis=0)])
