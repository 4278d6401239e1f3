"""From the probability of each pixel to the outline of the one glomerulus that is meant."""

from dataclasses import replace

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from glomspike.findings import Circle, Mask, Outline, Points, SlideFacts
from glomspike.geometry.circles import circle_polygon
from glomspike.geometry.frames import FieldFrame
from glomspike.geometry.raster import largest, traced, vertices

Probability = NDArray[np.float32]  # (height, width), 0 to 1

IS_GLOMERULUS = 0.5
TOLERANCE_PX = 0.4
# Smaller than this share of the crop is not a glomerulus that the crop was made for.
LEAST_SHARE = 0.01
# An outline this close to the slide's edge, in pixels of the crop, is taken to be cut by it.
EDGE_PX = 1.5


def glomerulus_polygon(probability: Probability, centre_px: tuple[float, float]) -> Points | None:
    """The outline (n, 2) of the region that holds the centre, else of the largest; None where there is none.

    Holes are filled. The line runs where the probability is 0.5, between pixels, in pixels of the crop.
    """
    region = central_region(probability >= IS_GLOMERULUS, centre_px)
    if region is None:
        return None
    # Outside the region the probability counts as none, inside its filled holes as certain.
    surface = np.where(region, np.maximum(probability, 0.5 + 1e-3), np.minimum(probability, 0.5 - 1e-3))
    surface = np.where(ndimage.binary_dilation(region, iterations=2), surface, 0.0)
    polygon = traced(surface)
    simple = None if polygon is None else largest(polygon.simplify(TOLERANCE_PX))
    return None if simple is None else vertices(simple)


def central_region(mask: Mask, centre_px: tuple[float, float]) -> Mask | None:
    """The connected region, in the mask's shape, that holds the centre, else the largest; holes filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count == 1:
        return None
    column = min(max(int(centre_px[0]), 0), mask.shape[1] - 1)
    row = min(max(int(centre_px[1]), 0), mask.shape[0] - 1)
    label = labels[row, column] or 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    region: Mask = ndimage.binary_fill_holes(labels == label)
    return region if region.mean() >= LEAST_SHARE else None


def outline_on_slide(polygon_px: Points, frame: FieldFrame, slide: SlideFacts) -> Outline | None:
    """The outline of a polygon in a crop's pixels, cut where the slide ends; None where nothing is left."""
    drawn = shapely.Polygon(frame.to_level0(polygon_px))
    polygon = largest(shapely.intersection(drawn, shapely.box(0, 0, slide.width0, slide.height0)))
    if polygon is None:
        return None
    left, top, right, bottom = polygon.bounds
    near_x0, near_y0 = EDGE_PX * frame.scale_x0, EDGE_PX * frame.scale_y0
    touches = (
        left < near_x0 or top < near_y0 or right > slide.width0 - near_x0 or bottom > slide.height0 - near_y0
    )
    return Outline(vertices(polygon), float(polygon.area) * slide.mpp.x * slide.mpp.y, touches)


def outline_of_circle(circle: Circle, slide: SlideFacts) -> Outline:
    """A circle as an outline, cut where the slide ends."""
    round_um = circle_polygon(0, 0, circle.radius_um)
    outline = outline_on_slide(round_um, FieldFrame.at(circle.x0, circle.y0, slide.mpp, 1.0), slide)
    assert outline is not None  # the centre of a detected circle lies on the slide
    return replace(outline, is_circle=True)
