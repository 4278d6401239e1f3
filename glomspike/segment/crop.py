"""The square crop that the segmenter sees of a circle: the glomerulus fills four fifths of its width."""

from glomspike.findings import Circle, Mpp
from glomspike.slide.field import Field, RegionReader, read_field

SIDE_RADII = 2.5


def crop_of(slide: RegionReader, circle: Circle, side_px: int) -> Field:
    """The field of `side_px` centred on a circle, 2.5 of its radii wide, at the µm/px that this makes."""
    slide_mpp: Mpp = slide.facts.mpp
    side_um = SIDE_RADII * circle.radius_um
    corner_x0 = circle.x0 - side_um / 2 / slide_mpp.x
    corner_y0 = circle.y0 - side_um / 2 / slide_mpp.y
    return read_field(slide, corner_x0, corner_y0, side_px, side_px, side_um / side_px)
