"""Which fields of a corrected slide become samples: one around each glomerulus, and tissue without any.

A field around a glomerulus is as wide as a detector's window and shows what the segmenter sees around an
outline, as finely as the classifier wants it, so that one picture serves all three. It is wrong to leave a
glomerulus in it unmarked: what a field shows of others is marked too. Fields without a glomerulus show the
detector what else there is, above all where glomeruli were deleted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from glomspike.annotate.meaning import Meaning
from glomspike.annotate.shapes import Shape
from glomspike.findings import SlideFacts
from glomspike.learn.sheets import evenly
from glomspike.slide.tissue import Tissue

FIELD_UM = 640.0
CONTEXT_RADII = 2.4  # from a glomerulus's middle to the border of its field, where that is more
FINEST_MPP = 0.25
EMPTY_MPP = 2.0
LEAST_MARGIN_UM = 40.0  # around glomeruli that share a field
LEAST_TISSUE = 0.3  # of a field without a glomerulus
FEWEST_EMPTY = 4


@dataclass(frozen=True, eq=False)
class FieldPlan:
    """A field to cut: its box in level-0 pixels, its µm/px, the glomeruli inside and those that reach in."""

    box0: shapely.Polygon
    mpp: float
    inside: tuple[Shape, ...]
    others: tuple[Shape, ...]


def plan_fields(slide: SlideFacts, meant: Meaning, tissue: Tissue) -> list[FieldPlan]:
    """The fields of a slide: every glomerulus belongs to one, and those without any are spread evenly."""
    mpp = max(FINEST_MPP, min(slide.mpp.x, slide.mpp.y))
    fields: list[FieldPlan] = []
    waiting = list(meant.glomeruli)
    while waiting:
        box0 = _box_around(slide, _group_circle(waiting, slide))
        inside = (waiting[0], *(one for one in waiting[1:] if _lies_inside(one, box0, slide)))
        fields.append(_field(box0, mpp, inside, meant))
        waiting = [one for one in waiting if one not in inside]
    for x0, y0, radius0 in meant.deleted0:
        if not any(shapely.contains_xy(field.box0, x0, y0) for field in fields):
            fields.append(_field(_box_around(slide, (x0, y0, radius0)), mpp, (), meant))
    empty = evenly(list(_empty_boxes(slide, meant, tissue)), max(FEWEST_EMPTY, len(fields)))
    return fields + [FieldPlan(box0, max(EMPTY_MPP, mpp), (), ()) for box0 in empty]


def _group_circle(waiting: Sequence[Shape], slide: SlideFacts) -> tuple[float, float, float]:
    """The first glomerulus's circle, moved so that a field around it holds its nearest neighbours as well."""
    x0, y0, radius0 = waiting[0].circle0
    wide0 = (FIELD_UM - 2 * LEAST_MARGIN_UM) / np.array([slide.mpp.x, slide.mpp.y])
    group = [_disc(waiting[0])]
    for other in sorted(waiting[1:], key=lambda one: np.hypot(one.circle0[0] - x0, one.circle0[1] - y0)):
        left, top, right, bottom = shapely.total_bounds([*group, _disc(other)])
        if right - left <= wide0[0] and bottom - top <= wide0[1]:
            group.append(_disc(other))
    left, top, right, bottom = shapely.total_bounds(group).tolist()
    return (left + right) / 2, (top + bottom) / 2, radius0


def _field(box0: shapely.Polygon, mpp: float, inside: tuple[Shape, ...], meant: Meaning) -> FieldPlan:
    others = tuple(one for one in meant.glomeruli if one not in inside and _disc(one).intersects(box0))
    return FieldPlan(box0, mpp, inside, others)


def _box_around(slide: SlideFacts, circle0: tuple[float, float, float]) -> shapely.Polygon:
    """The box of a field with a circle in its middle, moved and cut to lie within the slide's bounds."""
    x0, y0, radius0 = circle0
    side_um = max(FIELD_UM, 2 * CONTEXT_RADII * radius0 * slide.mpp.mean)
    left, right = _span(x0, side_um / slide.mpp.x, slide.bounds_x0, slide.bounds_width0)
    top, bottom = _span(y0, side_um / slide.mpp.y, slide.bounds_y0, slide.bounds_height0)
    return shapely.box(left, top, right, bottom)


def _span(middle0: float, side0: float, low0: float, length0: float) -> tuple[float, float]:
    side0 = min(side0, length0)
    begin = min(max(middle0 - side0 / 2, low0), low0 + length0 - side0)
    return begin, begin + side0


def _disc(shape: Shape) -> shapely.Polygon:
    x0, y0, radius0 = shape.circle0
    return shapely.Point(x0, y0).buffer(radius0)


def _lies_inside(shape: Shape, box0: shapely.Polygon, slide: SlideFacts) -> bool:
    return bool(box0.contains(_disc(shape).buffer(LEAST_MARGIN_UM / slide.mpp.mean)))


def _empty_boxes(slide: SlideFacts, meant: Meaning, tissue: Tissue) -> Iterator[shapely.Polygon]:
    """Boxes of tissue with neither a glomerulus nor anything unclear in it, apart from one another."""
    taken: list[shapely.Geometry] = [*map(_disc, meant.glomeruli), *meant.unclear0]
    corrected = shapely.union_all(meant.areas0) if meant.areas0 else None
    step_x0, step_y0 = FIELD_UM / 2 / slide.mpp.x, FIELD_UM / 2 / slide.mpp.y
    for y0 in np.arange(slide.bounds_y0, slide.bounds_y0 + slide.bounds_height0, step_y0):
        for x0 in np.arange(slide.bounds_x0, slide.bounds_x0 + slide.bounds_width0, step_x0):
            box0 = _box_around(slide, (float(x0), float(y0), 0.0))
            left, top, right, bottom = box0.bounds
            if tissue.fraction(left, top, right - left, bottom - top) < LEAST_TISSUE:
                continue
            free = not np.any(shapely.area(shapely.intersection(box0, taken)) > 0)
            if free and (corrected is None or corrected.contains(box0)):
                taken.append(box0)
                yield box0
