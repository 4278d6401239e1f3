"""The glomeruli of a slide as outlines."""

from collections.abc import Sequence

import numpy as np

from glomspike.errors import SlideError
from glomspike.findings import Circle, Outline, SlideFacts
from glomspike.networks.models import Model
from glomspike.segment.crop import circle_of_outline, crop_of, whole_circle
from glomspike.segment.outline import glomerulus_polygon, outline_on_slide
from glomspike.segment.probability import glomerulus_probability
from glomspike.slide.field import Field, RegionReader

LARGEST_PICTURE_UM = 2000.0  # four times the largest glomerulus


def outline_glomeruli(
    slide: SlideFacts, crops: Sequence[Field], segmenter: Model
) -> tuple[Outline | None, ...]:
    """The outline of the glomerulus in the middle of each crop (`crop_of`); None where none is seen."""
    side_px = segmenter.card.input_px
    pixels = np.stack([crop.pixels for crop in crops])
    probabilities = glomerulus_probability(segmenter.network, pixels, segmenter.card.normalisation)
    outlines: list[Outline | None] = []
    for crop, probability in zip(crops, probabilities, strict=True):
        polygon_px = glomerulus_polygon(probability, (side_px / 2, side_px / 2))
        outlines.append(None if polygon_px is None else outline_on_slide(polygon_px, crop.frame, slide))
    return tuple(outlines)


def search_crop(picture: RegionReader, segmenter: Model) -> Circle:
    """The circle of the one glomerulus that a picture shows; of the whole picture if none is seen.

    Raises SlideError for a picture that is too large to be of one glomerulus.
    """
    facts = picture.facts
    longest_um = max(facts.width0 * facts.mpp.x, facts.height0 * facts.mpp.y)
    if longest_um > LARGEST_PICTURE_UM:
        cause = f"is {longest_um / 1000:.1f} mm long, and shows more than one glomerulus"
        raise SlideError(facts.name, cause, "give it without `crops`, or check its µm/px")
    whole = whole_circle(facts)
    crop = crop_of(picture, whole, segmenter.card.input_px)
    (outline,) = outline_glomeruli(picture.facts, [crop], segmenter)
    return whole if outline is None else circle_of_outline(outline, picture.facts)
