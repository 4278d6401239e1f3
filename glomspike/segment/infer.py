"""The glomeruli of a slide as outlines."""

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np

from glomspike.findings import Circle, Outline
from glomspike.models import Model
from glomspike.segment.crop import crop_of
from glomspike.segment.outline import glomerulus_polygon, outline_on_slide
from glomspike.segment.probability import glomerulus_probability
from glomspike.slide.reader import Slide

BATCH = 8


def outline_glomeruli(
    slide: Slide, circles: Sequence[Circle], segmenter: Model, readers: Executor
) -> tuple[Outline | None, ...]:
    """The outline of the glomerulus in each circle; None where the segmenter sees none there.

    The slide is read by the threads of `readers`.
    """
    side_px = segmenter.card.input_px
    outlines: list[Outline | None] = []
    for first in range(0, len(circles), BATCH):
        fields = list(readers.map(lambda c: crop_of(slide, c, side_px), circles[first : first + BATCH]))
        crops = np.stack([field.pixels for field in fields])
        probabilities = glomerulus_probability(segmenter.network, crops, segmenter.card.normalisation)
        for field, probability in zip(fields, probabilities, strict=True):
            polygon_px = glomerulus_polygon(probability, (side_px / 2, side_px / 2))
            outlines.append(
                None if polygon_px is None else outline_on_slide(polygon_px, field.frame, slide.facts)
            )
    return tuple(outlines)
