"""How good a lesion classifier is: the lesion predicted for each glomerulus against that of its row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import JsonValue
from torch import nn

from glomspike.errors import SamplesError
from glomspike.findings import RGB, Scores
from glomspike.learn.evaluation import Evaluation, Progress, interval_numbers, worst_sheet
from glomspike.learn.samples import Sample, names_of_tables
from glomspike.lesions.confusion import confusion_picture
from glomspike.lesions.crops import LesionPatch, load_lesions, network_crop
from glomspike.lesions.probability import calibrated, lesion_probabilities, over_thresholds
from glomspike.metrics.classes import STATISTICS, Classes, class_quality
from glomspike.modalities import STAIN_OF_MARKER
from glomspike.networks.models import Model
from glomspike.networks.weights import Card, Normalisation


@dataclass(frozen=True, eq=False)
class Prediction:
    """A glomerulus and the probability of each of the classes (n,)."""

    patch: LesionPatch
    pixels: RGB
    classes: tuple[str, ...]
    probabilities: Scores

    @property
    def truth(self) -> int:
        return self.classes.index(self.patch.lesion)

    @property
    def badness(self) -> float:
        return float(1 - self.probabilities[self.truth])

    @property
    def caption(self) -> str:
        best = int(self.probabilities.argmax())
        predicted = f"predicted {self.classes[best]} {self.probabilities[best]:.2f}"
        return f"{self.patch.lesion}, {predicted}: {self.patch.patch.sample.image.name}"

    def drawn(self) -> RGB:
        """The crop that the network was given."""
        return self.pixels


def evaluate_lesions(samples: Sequence[Sample], model: Model, progress: Progress) -> Evaluation:
    """Balanced accuracy, macro F1 and AUC over all glomeruli of known lesion, and a picture of the confusion.

    Raises SamplesError where there are not at least two lesions, or one that the classifier does not know.
    """
    card = model.card
    patches = load_lesions(samples, card.input_px)
    check_classes(patches, card.classes, names_of_tables(samples))
    progress(0, len(patches))
    predictions = predict(model.network, patches, card.classes, card.input_px, card.normalisation)
    progress(len(patches), len(patches))
    predictions = [_calibrated(one, card) for one in predictions]
    patients = np.array([one.patch.patient for one in predictions])
    probabilities, truth = arrays(predictions)
    quality = class_quality(over_thresholds(probabilities, card), truth, patients)
    numbers: dict[str, JsonValue] = {**quality.values, **interval_numbers(STATISTICS, quality.ci95)}
    numbers |= {
        "classes": list(card.classes),
        "confusion": quality.confusion.tolist(),
        "n": len(predictions),
        "n_patients": len(np.unique(patients)),
    }
    pictures = {"confusion": confusion_picture(quality.confusion, card.classes)}
    return Evaluation(numbers, worst_sheet(predictions), pictures)


def check_classes(patches: Sequence[LesionPatch], classes: Sequence[str], subject: str) -> None:
    """Raises SamplesError unless the glomeruli have two lesions at least, all of them among the classes."""
    there = {patch.lesion for patch in patches}
    if unknown := sorted(there - set(classes)):
        cause = f"lesion {unknown[0]!r} is not among those learnt ({', '.join(classes)})"
        raise SamplesError(subject, cause, "correct the column, or add it to the training rows")
    if len(there) < 2:
        cause = f"{'only one lesion' if there else 'no glomerulus of known lesion'} among these samples"
        raise SamplesError(subject, cause, "name the lesions of more patients in the column lesion")


def predict(
    network: nn.Module,
    patches: Sequence[LesionPatch],
    classes: tuple[str, ...],
    side_px: int,
    normalisation: Normalisation,
) -> list[Prediction]:
    """What the network says of each glomerulus."""
    crops = [network_crop(patch, side_px) for patch in patches]
    found = lesion_probabilities(network, crops, normalisation)
    return [
        Prediction(p, crop, classes, scores) for p, crop, scores in zip(patches, crops, found, strict=True)
    ]


def _calibrated(prediction: Prediction, card: Card) -> Prediction:
    """A prediction with the probabilities that the main job gives in tissue of its stain."""
    marker = prediction.patch.patch.sample.marker
    stain = None if marker is None else STAIN_OF_MARKER.get(marker)
    return replace(prediction, probabilities=calibrated(prediction.probabilities[None], card, stain)[0])


def arrays(predictions: Sequence[Prediction]) -> tuple[Scores, Classes]:
    """Probabilities (n, classes) and true classes (n,)."""
    return np.stack([one.probabilities for one in predictions]), np.array([one.truth for one in predictions])
