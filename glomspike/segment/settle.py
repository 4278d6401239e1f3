"""What is reported of each detection once it is outlined: the circle that fits the outline, or nothing.

The detector's circle says where to look; the segmenter sees the glomerulus finer. Where the outline fills too
little of its circles there was no glomerulus, which `benchmarks/quality/settling.py` measures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from glomspike.findings import Circle, Mpp, Outline, SlideFacts
from glomspike.geometry.circles import circle_area
from glomspike.segment.crop import circle_of_outline

# Area of an outline over that of the detector's circle, and over that of the least circle around it.
LEAST_OF_DETECTED, MOST_OF_DETECTED = 0.5, 3.0
LEAST_OF_ENCLOSING = 0.6
SAME = 0.5  # overlap of two outlines (IoU) from which they are of one glomerulus


@dataclass(frozen=True, eq=False)
class SettledGlomerulus:
    """A glomerulus: the circle that is reported, with the detector's score, and the outline."""

    circle: Circle
    outline: Outline


@dataclass(frozen=True, eq=False)
class Settlement:
    """The glomeruli of a slide in reading order, and how many detections were dropped and merged."""

    glomeruli: tuple[SettledGlomerulus, ...]
    dropped: int = 0
    merged: int = 0


def settle(circles: Sequence[Circle], outlines: Sequence[Outline | None], slide: SlideFacts) -> Settlement:
    """The glomeruli of detections and the outlines found in them, None where there was none.

    Dropped are detections without an outline, and whole ones whose outline does not fill its circles. Of
    detections whose outlines are the same, the one of the highest score remains.
    """
    found = [
        SettledGlomerulus(reported_circle(circle, outline, slide), outline)
        for circle, outline in zip(circles, outlines, strict=True)
        if outline is not None and is_glomerulus(circle, outline, slide)
    ]
    distinct = list(_distinct(found, slide.mpp))
    ordered = sorted(distinct, key=lambda one: (one.circle.y0, one.circle.x0))
    return Settlement(tuple(ordered), len(circles) - len(found), len(found) - len(distinct))


def is_glomerulus(circle: Circle, outline: Outline, slide: SlideFacts) -> bool:
    """Whether an outline fits the circle that it was found in; what the slide cuts is not judged."""
    if outline.touches_edge or outline.is_circle:
        return True
    of_detected = outline.area_um2 / circle_area(circle.radius_um)
    of_enclosing = outline.area_um2 / circle_area(circle_of_outline(outline, slide).radius_um)
    return LEAST_OF_DETECTED <= of_detected <= MOST_OF_DETECTED and of_enclosing >= LEAST_OF_ENCLOSING


def reported_circle(circle: Circle, outline: Outline, slide: SlideFacts) -> Circle:
    """The least circle around an outline; halfway to the detector's where the slide cuts the glomerulus.

    Of a cut one the outline ends at the edge, while the detector guesses at the rest.
    """
    if outline.is_circle:
        return circle
    around = circle_of_outline(outline, slide)
    if outline.touches_edge:
        pairs = ((around.x0, circle.x0), (around.y0, circle.y0), (around.radius_um, circle.radius_um))
        x0, y0, radius_um = (float(np.mean(pair)) for pair in pairs)
        around = Circle(x0, y0, radius_um, circle.score)
    return replace(around, score=circle.score, lesion=circle.lesion)


def _distinct(glomeruli: Sequence[SettledGlomerulus], mpp: Mpp) -> Iterator[SettledGlomerulus]:
    """The glomeruli by falling score, without those of an outline that came before."""
    taken: list[shapely.Polygon] = []
    for one in sorted(glomeruli, key=lambda one: -one.circle.score):
        polygon = shapely.Polygon(one.outline.polygon0 * (mpp.x, mpp.y)).buffer(0)
        if all(_iou(polygon, other) < SAME for other in taken):
            taken.append(polygon)
            yield one


def _iou(one: shapely.Polygon, other: shapely.Polygon) -> float:
    common = float(one.intersection(other).area)
    return common / max(float(one.area) + float(other.area) - common, 1e-9)
