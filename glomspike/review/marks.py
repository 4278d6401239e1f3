"""A reviewer's state of a slide as annotations: what `glomspike samples` reads as it reads ImageScope's.

The rules are those of `docs/annotations.md`: an ellipse says that there is a glomerulus, what a person drew
has no number, an outline without its ellipse is a glomerulus that was removed. What was not reviewed is
the run's opinion only, and nothing shall be learnt from it: it is in a separate layer, and the
corrected area is then only what surrounds the glomeruli that were reviewed.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from glomspike.annotate.layers import Region, RegionType
from glomspike.annotate.marks import (
    AREA,
    NOT_REVIEWED,
    OTHER,
    OUTLINES,
    SPIKE_TILES,
    SPIKED,
    UNDETERMINED,
    Mark,
    Style,
    box_region,
    circle_region,
    lesion_style,
)
from glomspike.findings import SCLEROSED, Call, Points, SlideFacts
from glomspike.geometry.frames import Viewer, to_viewer
from glomspike.review.state import ReviewedGlomerulus

STYLES: dict[Call | None, Style] = {
    "spiked": SPIKED,
    "not spiked": OTHER,
    "uncertain": UNDETERMINED,
    None: UNDETERMINED,
}
LAYERS = (SPIKED, OTHER, UNDETERMINED, OUTLINES, SPIKE_TILES, NOT_REVIEWED, AREA)
GLOBALLY_SCLEROSED, NOT_SCLEROSED = "globally sclerosed", "not sclerosed"
AREA_RADII = 2.4  # around a glomerulus's middle that counts as gone through, where not all of the slide does
BY_HAND = "by "  # a text that begins with a number would be the run's


def reviewed_marks(
    state: Sequence[ReviewedGlomerulus], reviewer: str, slide: SlideFacts, viewer: Viewer
) -> tuple[Mark, ...]:
    """What a reviewer says of a slide, as the viewer counts pixels."""
    marks = [mark for one in state for mark in _marks(one, reviewer, slide, viewer)]
    if all(one.reviewed for one in state):
        return tuple(marks)
    areas = [_area_mark(one, slide, viewer) for one in state if one.reviewed]
    return (*marks, *areas)


def styles_used(marks: Sequence[Mark]) -> tuple[Style, ...]:
    """The layers of a reviewed slide in the order that viewers list them; those of lesions come last."""
    lesions = {mark.style.name: mark.style for mark in marks if mark.style not in LAYERS}
    return LAYERS + tuple(lesions[name] for name in sorted(lesions))


def _marks(one: ReviewedGlomerulus, reviewer: str, slide: SlideFacts, viewer: Viewer) -> Iterator[Mark]:
    number = 0 if one.finding is None else one.finding.id
    if not one.reviewed:
        yield Mark(NOT_REVIEWED, _circle(one, f"{number}: not reviewed", slide, viewer), number)
        return
    name = f"{BY_HAND}{reviewer}" if one.finding is None else f"{number}: {BY_HAND}{reviewer}"
    if one.is_glomerulus:
        yield Mark(STYLES[one.call], _circle(one, name, slide, viewer), number)
    if one.outline0 is not None and (one.is_glomerulus or one.finding is not None):
        text = f"{BY_HAND}{reviewer}" if one.redrawn else f"{number}"
        yield Mark(OUTLINES, _polygon(one.outline0, text, slide, viewer), number)
    if not one.is_glomerulus:
        return
    for box0 in one.boxes0:
        yield Mark(SPIKE_TILES, box_region(box0, f"{BY_HAND}{reviewer}", slide, viewer), number)
    if one.sclerosed is not None:
        edge0 = _square_around(one, slide) if one.outline0 is None else one.outline0
        region = _polygon(edge0, f"{BY_HAND}{reviewer}", slide, viewer)
        yield Mark(lesion_style(_lesion_of(one)), region, number)


def _lesion_of(one: ReviewedGlomerulus) -> str:
    """The run's lesion where the reviewer agrees with it, else that which was chosen."""
    lesion = None if one.finding is None else one.finding.lesion
    if lesion is not None and (lesion.name in SCLEROSED) == one.sclerosed:
        return lesion.name
    return GLOBALLY_SCLEROSED if one.sclerosed else NOT_SCLEROSED


def _circle(one: ReviewedGlomerulus, text: str, slide: SlideFacts, viewer: Viewer) -> Region:
    circle = one.circle
    return circle_region(circle.x0, circle.y0, circle.radius_um, text, slide, viewer)


def _polygon(polygon0: Points, text: str, slide: SlideFacts, viewer: Viewer) -> Region:
    return Region(RegionType.POLYGON, to_viewer(polygon0, slide, viewer), text)


def _square_around(one: ReviewedGlomerulus, slide: SlideFacts) -> Points:
    half0 = one.circle.radius_um / np.array([slide.mpp.x, slide.mpp.y])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return np.asarray(np.array([one.circle.x0, one.circle.y0]) + corners * half0, dtype=np.float64)


def _area_mark(one: ReviewedGlomerulus, slide: SlideFacts, viewer: Viewer) -> Mark:
    half_x0 = AREA_RADII * one.circle.radius_um / slide.mpp.x
    half_y0 = AREA_RADII * one.circle.radius_um / slide.mpp.y
    box0 = (one.circle.x0 - half_x0, one.circle.y0 - half_y0, 2 * half_x0, 2 * half_y0)
    return Mark(AREA, box_region(box0, "", slide, viewer), 0)
