"""The lesions of detected glomeruli, each seen in the square crop that its circle gives."""

from collections.abc import Sequence

from glomspike.findings import Lesion
from glomspike.lesions.probability import lesion_probabilities
from glomspike.networks.models import Model
from glomspike.slide.field import Field


def tell_lesions(crops: Sequence[Field], model: Model) -> list[Lesion]:
    """The lesion of the glomerulus in each crop (`crop_of`), the likeliest of the model's classes.

    It comes with the probabilities of all of them.
    """
    card = model.card
    found = lesion_probabilities(model.network, [crop.pixels for crop in crops], card.normalisation)
    return [Lesion.likeliest(dict(zip(card.classes, own.tolist(), strict=True))) for own in found]
