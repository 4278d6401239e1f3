"""The square crop that the segmenter sees of a circle: the glomerulus fills four fifths of its width."""

import numpy as np

from glomspike.findings import Circle, Mpp, Outline, SlideFacts
from glomspike.geometry.circles import enclosing_circle
from glomspike.slide.field import Field, RegionReader, read_field

SIDE_RADII = 2.5


def whole_circle(slide: SlideFacts) -> Circle:
    """The circle whose crop is a whole picture."""
    width_um, height_um = slide.width0 * slide.mpp.x, slide.height0 * slide.mpp.y
    return Circle(slide.width0 / 2, slide.height0 / 2, max(width_um, height_um) / SIDE_RADII, 1.0)


def circle_of_outline(outline: Outline, slide: SlideFacts) -> Circle:
    """The least circle around an outline, which is certain."""
    scale = np.array([slide.mpp.x, slide.mpp.y])
    x_um, y_um, radius_um = enclosing_circle(outline.polygon0 * scale)
    return Circle(x_um / slide.mpp.x, y_um / slide.mpp.y, radius_um, 1.0)


def crop_of(slide: RegionReader, circle: Circle, side_px: int) -> Field:
    """The field of `side_px` centred on a circle, 2.5 of its radii wide, at the µm/px that this makes."""
    slide_mpp: Mpp = slide.facts.mpp
    side_um = SIDE_RADII * circle.radius_um
    corner_x0 = circle.x0 - side_um / 2 / slide_mpp.x
    corner_y0 = circle.y0 - side_um / 2 / slide_mpp.y
    return read_field(slide, corner_x0, corner_y0, side_px, side_px, side_um / side_px)
