"""The regions of all layers sorted by what they are for: ellipses, outlines, boxes, holes, areas."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import shapely

from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import AREA, LESION_PREFIX, OTHER, OUTLINES, SPIKE_TILES, SPIKED, UNDETERMINED
from glomspike.findings import Label, Points, SlideFacts
from glomspike.geometry.circles import enclosing_circle
from glomspike.geometry.frames import Viewer, from_viewer
from glomspike.geometry.raster import largest, vertices

Role = Literal[Label, "outline", "box", "area"]  # what a layer is for; labels are those of its glomeruli
Box = tuple[float, float, float, float]  # x, y, width, height in level-0 pixels

LARGEST_BOX_UM = 60.0  # a larger rectangle does not say where in it the spikes are
LEAST_GLOMERULUS_UM = 5.0  # across; smaller shapes are slips of the hand

_ROLES: dict[str, Role] = {
    SPIKED.name.casefold(): "spiked",
    OTHER.name.casefold(): "normal",
    UNDETERMINED.name.casefold(): "undetermined",
    OUTLINES.name.casefold(): "outline",
    SPIKE_TILES.name.casefold(): "box",
    AREA.name.casefold(): "area",
}
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
    """A shape in a layer of a lesion; glomspike's own have a number."""

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
    notes: list[str] = field(default_factory=list)


def sorted_shapes(layers: Iterable[Layer], slide: SlideFacts, viewer: Viewer) -> Shapes:
    """The regions of layers, as the viewer counts pixels; arrows, rulers and counters say nothing.

    In a file that has none of glomspike's layers, polygons and ellipses are glomeruli without a label and
    rectangles are boxes. Beside glomspike's layers, what others hold is unclear.
    """
    shapes = Shapes()
    roles = [(layer, _ROLES.get(layer.name.strip().casefold())) for layer in layers]
    ours = any(role is not None for _, role in roles)
    for layer, role in roles:
        areal = list(_areal(layer.regions, slide, viewer))
        if layer.name.startswith(LESION_PREFIX):  # a second outline of what has one already
            name = layer.name.removeprefix(LESION_PREFIX).strip()
            shapes.lesions += [
                DrawnLesion(name, one, _number(region) is None) for region, one in areal if name
            ]
            continue
        if ours and role is None:
            _set_aside(shapes, layer.name, [polygon for _, polygon in areal])
            continue
        for region, polygon in areal:
            _sort(shapes, region, polygon, role, slide)
    return shapes


def _areal(
    regions: Sequence[Region], slide: SlideFacts, viewer: Viewer
) -> Iterator[tuple[Region, shapely.Polygon]]:
    """The regions that have an area, each with its valid polygon; that of an ellipse is its box."""
    for region in regions:
        points = region.vertices_viewer
        if region.type is RegionType.ELLIPSE:
            left, top, right, bottom = region.box_viewer
            points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        elif region.type not in (RegionType.POLYGON, RegionType.RECTANGLE):
            continue
        ring = shapely.make_valid(shapely.Polygon(from_viewer(points, slide, viewer)))
        polygon = largest(ring)
        if polygon is not None:
            yield region, shapely.Polygon(polygon.exterior)


def _set_aside(shapes: Shapes, layer: str, polygons: Sequence[shapely.Polygon]) -> None:
    shapes.unclear0 += polygons
    if polygons:
        count = f"{len(polygons)} shape{'s' * (len(polygons) > 1)}"
        shapes.notes.append(f"layer {layer!r} is not one of glomspike's, {count} in it left out and blanked")


def _sort(
    shapes: Shapes, region: Region, polygon: shapely.Polygon, role: Role | None, slide: SlideFacts
) -> None:
    left, top, right, bottom = polygon.bounds
    box0 = (left, top, right - left, bottom - top)
    side_um = max((right - left) * slide.mpp.x, (bottom - top) * slide.mpp.y)
    is_rectangle = region.type is RegionType.RECTANGLE
    place = f"shape at {(left + right) / 2:.0f}, {(top + bottom) / 2:.0f}"
    if region.negative:
        shapes.holes0.append(polygon)
    elif role == "area":
        shapes.areas0.append(polygon)
    elif role == "box" and side_um > LARGEST_BOX_UM:
        shapes.notes.append(f"{place} is wider than {LARGEST_BOX_UM:.0f} µm and no box on spikes: left out")
    elif role == "box" or (is_rectangle and (role is None or side_um <= LARGEST_BOX_UM)):
        if _RUNS_BOX.fullmatch(region.text):
            shapes.runs_boxes += 1
        else:
            shapes.boxes0.append(box0)
    elif side_um < LEAST_GLOMERULUS_UM:
        shapes.notes.append(f"{place} is too small for a glomerulus: left out")
    elif region.type is RegionType.POLYGON:
        shapes.outlines.append(_outline(region, polygon, role))
    else:
        shapes.ellipses.append(_ellipse(region, box0, role))


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
