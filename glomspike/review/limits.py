"""What of a reviewer's drawing is not taken: slips of the hand, and what would count something twice."""

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from glomspike.annotate.shapes import LARGEST_GLOMERULUS_UM
from glomspike.errors import RefusedChange
from glomspike.findings import Points, SlideFacts
from glomspike.review.changes import BoxesChange, DrawnGlomerulus, Edit, Redo, ReviewedCircle, Undo
from glomspike.review.state import ReviewedGlomerulus, labels

LEAST_DRAWN_UM = 20.0  # across
SAME_SHARE = 0.5  # of the smaller of two shapes, above which both are one glomerulus
BESIDE_UM = 10.0  # by which the middle of a box may lie outside its glomerulus


def check_change(edit: Edit | Undo | Redo, state: Sequence[ReviewedGlomerulus], slide: SlideFacts) -> None:
    """Raises RefusedChange where something drawn makes no sense in a reviewer's state of a slide."""
    match edit:
        case DrawnGlomerulus():
            _check_drawn(edit, state, slide)
        case BoxesChange():
            _check_boxes(edit, state, slide)
        case _:
            pass


def _check_drawn(edit: DrawnGlomerulus, state: Sequence[ReviewedGlomerulus], slide: SlideFacts) -> None:
    drawn = _shape_um(edit.circle, None if edit.polygon0 is None else np.array(edit.polygon0), slide)
    left, top, right, bottom = drawn.bounds
    across_um = max(right - left, bottom - top)
    if not LEAST_DRAWN_UM <= across_um <= LARGEST_GLOMERULUS_UM:
        too = "small" if across_um < LEAST_DRAWN_UM else "large"
        cure = f"draw one of {LEAST_DRAWN_UM:.0f} to {LARGEST_GLOMERULUS_UM:.0f} µm"
        raise RefusedChange("not added", f"{across_um:.0f} µm across is too {too} for a glomerulus", cure)
    for one in state:
        if one.reviewed and not one.is_glomerulus:
            continue
        other = _shape_um(one.circle, one.outline0, slide)
        if drawn.intersection(other).area > SAME_SHARE * min(drawn.area, other.area):
            cause = f"this is glomerulus {labels(state)[one.key]}, which is in the list"
            raise RefusedChange("not added", cause, "choose that one and correct it")


def _check_boxes(edit: BoxesChange, state: Sequence[ReviewedGlomerulus], slide: SlideFacts) -> None:
    one = next((one for one in state if one.key == edit.glomerulus), None)
    if one is None:
        return
    shape = _shape_um(one.circle, one.outline0, slide)
    for box0 in set(edit.boxes0) - set(one.boxes0):
        x0, y0, width0, height0 = box0
        middle = shapely.Point((x0 + width0 / 2) * slide.mpp.x, (y0 + height0 / 2) * slide.mpp.y)
        if middle.distance(shape) > BESIDE_UM:
            cause = f"the box does not lie on glomerulus {labels(state)[one.key]}"
            raise RefusedChange("not added", cause, "choose the one that it lies on, or redraw the outline")


def _shape_um(circle: ReviewedCircle, outline0: Points | None, slide: SlideFacts) -> BaseGeometry:
    """The outline, or the circle where there is none, in micrometres."""
    scale = np.array([slide.mpp.x, slide.mpp.y])
    if outline0 is not None:
        return shapely.make_valid(shapely.Polygon(outline0 * scale))
    return shapely.Point(np.array([circle.x0, circle.y0]) * scale).buffer(circle.radius_um)
