"""The lesions of detected glomeruli, each seen in the square crop that its circle gives."""

from collections.abc import Sequence
from concurrent.futures import Executor

from glomspike.findings import Circle, Lesion
from glomspike.lesions.evaluate import probabilities
from glomspike.models import Model
from glomspike.segment.crop import crop_of
from glomspike.slide.field import RegionReader


def tell_lesions(
    slide: RegionReader, circles: Sequence[Circle], model: Model, readers: Executor
) -> list[Lesion]:
    """The lesion of each glomerulus, the likeliest of the model's classes, with all their probabilities.

    The slide is read by the threads of `readers`.
    """
    card = model.card
    crops = [field.pixels for field in readers.map(lambda c: crop_of(slide, c, card.input_px), circles)]
    found = probabilities(model.network, crops, card.normalisation)
    return [Lesion.likeliest(dict(zip(card.classes, own.tolist(), strict=True))) for own in found]
