"""The regions of all layers sorted by what they are for: ellipses, outlines, boxes, holes, areas."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import shapely

from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.roles import Role, lesion_of, notes_on_names, role_of
from glomspike.findings import Label, Points, SlideFacts
from glomspike.geometry.circles import enclosing_circle
from glomspike.geometry.frames import Viewer, from_viewer
from glomspike.geometry.raster import largest, vertices

Box = tuple[float, float, float, float]  # x, y, width, height in level-0 pixels
_Drawn = tuple[Region, shapely.Polygon]  # a region, and its polygon in level-0 pixels

LARGEST_BOX_UM = 60.0  # a larger rectangle does not say where in it the spikes are
LEAST_GLOMERULUS_UM = 5.0  # across; smaller shapes are slips of the hand
LARGEST_GLOMERULUS_UM = 500.0  # human ones reach some 350 across; larger shapes are regions of interest
MOST_NAMED = 10  # shapes in one note

_LABELS: dict[Role | None, Label] = {label: label for label in get_args(Label)}
# What glomspike writes as text: "17", "17: spike 0.93", "17: not scored".
_NUMBERED = re.compile(r"(\d{1,9})(?::|$)")
_RUNS_BOX = re.compile(r"\d+: spike [01]\.\d\d")
_NOT_SCORED = re.compile(r"\d+: not scored")


@dataclass(frozen=True, eq=False)
class Shape:
    """One drawn glomerulus: its circle (x, y, radius) in level-0 pixels, and its outline unless an ellipse.

    `number` is None where it was drawn by hand; `runs_outline` where it stands as glomspike wrote it among
    the outlines.
    """

    circle0: tuple[float, float, float]
    outline0: Points | None
    label: Label | None
    number: int | None
    runs_outline: bool = False
    lesion: str | None = None

    def iou(self, other: "Shape") -> float:
        """Intersection over union of both circles."""
        mine, others = (shapely.Point(x, y).buffer(radius) for x, y, radius in (self.circle0, other.circle0))
        return float(mine.intersection(others).area / mine.union(others).area)

    def holds(self, x0: float, y0: float) -> bool:
        """Whether a point lies inside the outline, or the circle of an ellipse."""
        if self.outline0 is None:
            x, y, radius = self.circle0
            return float(np.hypot(x0 - x, y0 - y)) <= radius
        return bool(shapely.contains_xy(shapely.Polygon(self.outline0), x0, y0))


@dataclass(frozen=True, eq=False)
class DrawnLesion:
    """A shape in a layer of a lesion; those of glomspike have a number."""

    name: str
    polygon: shapely.Polygon
    by_hand: bool


@dataclass(eq=False)
class Shapes:
    """All regions of a slide by what they are for, in level-0 pixels; see `meaning.Meaning`."""

    ellipses: list[Shape] = field(default_factory=list)
    outlines: list[Shape] = field(default_factory=list)
    boxes0: list[Box] = field(default_factory=list)
    runs_boxes: int = 0
    holes0: list[shapely.Polygon] = field(default_factory=list)
    lesions: list[DrawnLesion] = field(default_factory=list)
    areas0: list[shapely.Polygon] = field(default_factory=list)
    unclear0: list[shapely.Polygon] = field(default_factory=list)
    drawn: int = 0  # shapes with an area
    outside: list[str] = field(default_factory=list)  # those of them that lie outside the slide
    notes: list[str] = field(default_factory=list)


def sorted_shapes(layers: Sequence[Layer], slide: SlideFacts, viewer: Viewer) -> Shapes:
    """The regions of layers, as the viewer counts pixels; arrows, rulers and counters say nothing.

    In a file that has none of glomspike's layers, rectangles up to `LARGEST_BOX_UM` are boxes, and other
    shapes are glomeruli without a label. Beside glomspike's layers, what others hold is unclear.
    """
    shapes = Shapes(notes=notes_on_names([layer.name for layer in layers if layer.regions]))
    ours = any(role_of(layer.name) is not None for layer in layers)
    for layer in layers:
        shapes.notes += [f"layer {layer.name!r}: {cause}, skipped" for cause in layer.skipped]
        role = role_of(layer.name)
        drawn = _on_slide(_areal(layer, slide, viewer, shapes.notes), role, slide, shapes)
        if role == "lesion":  # a second outline of what has one already
            name = lesion_of(layer.name)
            shapes.lesions += [DrawnLesion(name, one, _number(region) is None) for region, one in drawn]
        elif role == "not reviewed" or (ours and role is None):
            shapes.unclear0 += [polygon for _, polygon in drawn]
            shapes.notes += _notes_on_unclear(layer.name, role, len(drawn))
        else:
            for region, polygon in drawn:
                _sort(shapes, region, polygon, role, slide)
    _note_outside(shapes)
    return shapes


def _areal(layer: Layer, slide: SlideFacts, viewer: Viewer, notes: list[str]) -> list[_Drawn]:
    """The regions that have an area, each with its valid polygon; that of an ellipse is its box."""
    drawn: list[_Drawn] = []
    for region in layer.regions:
        points = region.vertices_viewer
        if region.type is RegionType.ELLIPSE:
            left, top, right, bottom = region.box_viewer
            points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        elif region.type not in (RegionType.POLYGON, RegionType.RECTANGLE):
            continue
        points0 = from_viewer(points, slide, viewer)
        polygon = largest(shapely.make_valid(shapely.Polygon(points0)))
        if polygon is None:
            notes.append(f"{_place(*points0.mean(axis=0))} in layer {layer.name!r} has no area: omitted")
        else:
            drawn.append((region, shapely.Polygon(polygon.exterior)))
    return drawn


def _on_slide(drawn: list[_Drawn], role: Role | None, slide: SlideFacts, shapes: Shapes) -> list[_Drawn]:
    """The shapes whose middle lies on what was scanned of the slide; the others are counted as outside.

    Areas and holes may reach beyond.
    """
    left, top = slide.bounds_x0, slide.bounds_y0
    scanned = shapely.box(left, top, left + slide.bounds_width0, top + slide.bounds_height0)
    kept = []
    for region, polygon in drawn:
        x0, y0 = _middle(polygon)
        if scanned.intersects(polygon if role == "area" or region.negative else shapely.Point(x0, y0)):
            kept.append((region, polygon))
        else:
            number = _number(region)
            shapes.outside.append(_place(x0, y0) if number is None else str(number))
    shapes.drawn += len(drawn)
    return kept


def _note_outside(shapes: Shapes) -> None:
    if shapes.outside:
        named = ", ".join(shapes.outside[:MOST_NAMED]) + ", ..." * (len(shapes.outside) > MOST_NAMED)
        count = f"{len(shapes.outside)} of {shapes.drawn} shapes"
        shapes.notes.append(f"{count} lie outside the slide and are omitted: {named}")


def _notes_on_unclear(layer: str, role: Role | None, count: int) -> list[str]:
    if not count:
        return []
    if role == "not reviewed":
        glomeruli = "1 glomerulus that was" if count == 1 else f"{count} glomeruli that were"
        return [f"{glomeruli} not reviewed: omitted and blanked"]
    shapes = f"{count} shape{'s' * (count > 1)}"
    return [f"layer {layer!r} is not one of glomspike's, {shapes} in it omitted and blanked"]


def _sort(
    shapes: Shapes, region: Region, polygon: shapely.Polygon, role: Role | None, slide: SlideFacts
) -> None:
    left, top, right, bottom = polygon.bounds
    box0 = (left, top, right - left, bottom - top)
    side_um = widest_um(polygon, slide)
    small_rectangle = region.type is RegionType.RECTANGLE and side_um <= LARGEST_BOX_UM
    place = _place(*_middle(polygon))
    if region.negative:
        shapes.holes0.append(polygon)
    elif role == "area":
        shapes.areas0.append(polygon)
    elif role == "box" and side_um > LARGEST_BOX_UM:
        shapes.notes.append(f"{place} is wider than {LARGEST_BOX_UM:.0f} µm and not a box on spikes: omitted")
    elif role == "box" or small_rectangle:
        if _RUNS_BOX.fullmatch(region.text):
            shapes.runs_boxes += 1
        else:
            shapes.boxes0.append(box0)
    elif side_um < LEAST_GLOMERULUS_UM:
        shapes.notes.append(f"{place} is too small for a glomerulus: omitted")
    elif side_um > LARGEST_GLOMERULUS_UM:
        shapes.notes.append(f"{place} is {side_um:.0f} µm wide, larger than any glomerulus: omitted")
    elif region.type is RegionType.POLYGON:
        shapes.outlines.append(_outline(region, polygon, role))
    else:
        shapes.ellipses.append(_ellipse(region, box0, role))


def widest_um(polygon: shapely.Polygon, slide: SlideFacts) -> float:
    """The longer side of the box around a polygon in level-0 pixels, in µm."""
    left, top, right, bottom = polygon.bounds
    return float(max((right - left) * slide.mpp.x, (bottom - top) * slide.mpp.y))


def _middle(polygon: shapely.Polygon) -> tuple[float, float]:
    left, top, right, bottom = polygon.bounds
    return (left + right) / 2, (top + bottom) / 2


def _place(x0: float, y0: float) -> str:
    return f"shape at {x0:.0f}, {y0:.0f}"


def _outline(region: Region, polygon: shapely.Polygon, role: Role | None) -> Shape:
    outline0, number = vertices(polygon), _number(region)
    runs = role == "outline" and number is not None
    return Shape(enclosing_circle(outline0), outline0, _LABELS.get(role), number, runs)


def _ellipse(region: Region, box0: Box, role: Role | None) -> Shape:
    left, top, width, height = box0
    circle0 = (left + width / 2, top + height / 2, (width + height) / 4)
    unscored = role == "normal" and _NOT_SCORED.fullmatch(region.text)
    return Shape(circle0, None, "undetermined" if unscored else _LABELS.get(role), _number(region))


def _number(region: Region) -> int | None:
    written = _NUMBERED.match(region.text)
    return int(written[1]) if written else None
