"""The lesion of each glomerulus, from the square crop that its circle gives: the main job's lesion stage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glomspike.findings import Circle, Classification, Glomerulus, StainName
from glomspike.lesions.probability import calibrated, lesion_probabilities, over_thresholds
from glomspike.networks.models import Model
from glomspike.networks.stage import Candidate
from glomspike.segment.crop import crop_of
from glomspike.slide.field import Field, RegionReader


@dataclass(frozen=True, eq=False)
class LesionStage:
    """Names the lesion that is called, with the calibrated probabilities of all that the model knows."""

    model: Model
    stain: StainName | None = None
    name = "lesions"

    def region(self, slide: RegionReader, circle: Circle) -> Field:
        """The crop around a circle at the size that the network sees."""
        return crop_of(slide, circle, self.model.card.input_px)

    def apply(
        self, _candidates: Sequence[Candidate], regions: Sequence[Field | None]
    ) -> list[Classification]:
        """The lesion of each candidate."""
        card = self.model.card
        crops = [region.pixels for region in regions if region is not None]
        found = lesion_probabilities(self.model.network, crops, card.normalisation)
        known = calibrated(found, card, self.stain)
        called = over_thresholds(known, card).argmax(axis=1).tolist()
        return [
            Classification(card.classes[index], dict(zip(card.classes, probabilities.tolist(), strict=True)))
            for index, probabilities in zip(called, known, strict=True)
        ]

    def warnings(self, detected: Sequence[Glomerulus]) -> Iterator[str]:
        """What the card says of the model's limits, and which glomeruli the lesions cast doubt on."""
        if detected and self.model.card.limits:
            yield self.model.card.limits
