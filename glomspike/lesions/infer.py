"""The lesions of detected glomeruli, each seen in the square crop that its circle gives."""

from collections.abc import Sequence

from glomspike.findings import Circle, Lesion
from glomspike.lesions.evaluate import probabilities
from glomspike.models import Model
from glomspike.segment.crop import crop_of
from glomspike.slide.field import RegionReader


def tell_lesions(slide: RegionReader, circles: Sequence[Circle], model: Model) -> list[Lesion]:
    """The lesion of each glomerulus, the likeliest of the model's classes, with all their probabilities."""
    card = model.card
    crops = [crop_of(slide, circle, card.input_px).pixels for circle in circles]
    found = probabilities(model.network, crops, card.normalisation)
    return [Lesion.likeliest(dict(zip(card.classes, own.tolist(), strict=True))) for own in found]
