"""Annotations that mark empty glass: they are of another slide, and would teach that glass is glomeruli."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from glomspike.annotate.meaning import ANOTHER_SLIDES, Meaning
from glomspike.annotate.shapes import Shape
from glomspike.errors import AnnotationError
from glomspike.slide.field import read_field
from glomspike.slide.reader import Slide
from glomspike.slide.tissue import Tissue

LOOKED_AT_MPP = 4.0
# Standard deviation of grey levels around a circle: bare glass of scans has 0.3 to 0.6, stained tissue 15.
SMOOTHEST_TISSUE = 4.0


def without_glass(meant: Meaning, slide: Slide, tissue: Tissue, annotations: Path) -> Meaning:
    """The same without glomeruli marked where the slide is empty glass, which a note names.

    Raises AnnotationError where all of them are.
    """
    on_glass = [one for one in meant.glomeruli if _is_glass(one, slide, tissue)]
    if not on_glass:
        return meant
    if len(on_glass) == len(meant.glomeruli):
        cause = f"marks glomeruli only where {slide.facts.name} is empty glass"
        raise AnnotationError(annotations, cause, ANOTHER_SLIDES)
    places = "; ".join(f"{one.circle0[0]:.0f}, {one.circle0[1]:.0f}" for one in on_glass)
    note = f"glomeruli marked where the slide is empty glass, omitted: {len(on_glass)} at {places}"
    left = tuple(one for one in meant.glomeruli if one not in on_glass)
    return replace(meant, glomeruli=left, notes=(*meant.notes, note))


def _is_glass(shape: Shape, slide: Slide, tissue: Tissue) -> bool:
    """Whether a circle holds no tissue and nothing that stands out: single pieces may be missed as tissue."""
    x0, y0, radius0 = shape.circle0
    corner0, side0 = (x0 - radius0, y0 - radius0), 2 * radius0
    if tissue.fraction(*corner0, side0, side0) > 0:
        return False
    side_px = max(1, round(side0 * slide.facts.mpp.mean / LOOKED_AT_MPP))
    field = read_field(slide, *corner0, side_px, side_px, LOOKED_AT_MPP)
    if not field.readable.all():
        return False
    return float(np.std(field.pixels.mean(axis=2))) < SMOOTHEST_TISSUE
