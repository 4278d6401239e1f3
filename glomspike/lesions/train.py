"""The lesion classifier's training, from glomeruli whose row names their lesion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng, appearance
from glomspike.learn.pretrain.encoder import begin_with
from glomspike.learn.samples import in_split, read_samples
from glomspike.learn.sheets import evenly, sheet
from glomspike.learn.training import (
    LICENCE,
    NORMALISATION,
    Batch,
    Example,
    task_signature,
    training_data,
    validation_metrics,
)
from glomspike.lesions.crops import load_lesions
from glomspike.lesions.evaluate import Prediction, arrays, check_classes, predict
from glomspike.lesions.model import LesionNetwork, focal_loss
from glomspike.metrics.classes import class_statistics
from glomspike.networks.weights import Card, CardDraft
from glomspike.segment.crop import SIDE_RADII
from glomspike.segment.patches import inexact_crop

EXAMPLES = 24


@dataclass(frozen=True)
class LesionOptions:
    """Which network learns, and what it sees. A `linear_probe` leaves the encoder as it begins."""

    encoder: str = "resnet50"
    input_px: int = 96
    samples_per_epoch: int = 1000
    linear_probe: bool = False

    @classmethod
    def of(cls, card: Card) -> Self:
        """Those of a trained classifier that is to go on learning."""
        arguments: dict[str, Any] = {n: v for n, v in card.arguments.items() if n != "classes"}
        return cls(input_px=card.input_px, **arguments)


class LesionTask:
    """Brings the lesion classifier to the training loop."""

    quality = "auc"

    def __init__(
        self,
        tables: Sequence[Path],
        options: LesionOptions,
        begin: dict[str, Tensor] | None,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        """Loads all glomeruli; `begin` are weights to go on from, `classes` theirs, else those of the rows.

        Raises SamplesError where a split lacks glomeruli of two lesions, or has one that is not learnt.
        """
        self.tables, self.options, self.begin = tables, options, begin
        samples = read_samples(tables)
        training = load_lesions(in_split(samples, "train"), options.input_px)
        self.validation = load_lesions(in_split(samples, "val"), options.input_px)
        self.classes = classes or tuple(sorted({patch.lesion for patch in training}))
        by_lesion = ([p for p in training if p.lesion == name] for name in self.classes)
        self.training = [alike for alike in by_lesion if alike]
        for patches, split in ((training, "train"), (self.validation, "val")):
            check_classes(patches, self.classes, f"{', '.join(map(str, tables))}, split {split}")

    @property
    def signature(self) -> str:
        return task_signature(self.tables, self.options, self.begin)

    def network(self) -> nn.Module:
        network = LesionNetwork(self.options.encoder, len(self.classes))
        if self.begin is not None:
            begin_with(network, self.begin)
        if self.options.linear_probe:
            network.freeze_encoder()
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        return self.options.samples_per_epoch

    def sample(self, index: int, rng: Rng) -> Example:
        # Every lesion as often as any other: focal loss alone leaves rare ones untold.
        alike = self.training[rng.integers(len(self.training))]
        one = alike[rng.integers(len(alike))]
        pixels = appearance(inexact_crop(one.patch, self.options.input_px, rng).pixels, rng)
        return {"image": pixels, "truth": np.array(self.classes.index(one.lesion))}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The focal loss of a batch, a scalar."""
        return focal_loss(network(NORMALISATION.apply(batch["image"])), batch["truth"])

    def validate(self, network: nn.Module) -> dict[str, float]:
        return class_statistics(*arrays(self._predictions(network)))

    def _predictions(self, network: nn.Module) -> list[Prediction]:
        return predict(network, self.validation, self.classes, self.options.input_px, NORMALISATION)

    def examples(self, network: nn.Module) -> RGB:
        """A sheet of validation glomeruli with their true and predicted lesions."""
        examples = evenly(self._predictions(network), EXAMPLES)
        return sheet([one.drawn() for one in examples], [one.caption for one in examples])

    def card(self, measured: dict[str, float]) -> CardDraft:
        options = self.options
        return CardDraft(
            kind="lesions",
            name="glomspike lesion classifier",
            version="1",
            architecture=options.encoder,
            arguments={"encoder": options.encoder, "classes": len(self.classes)},
            # A crop's µm/px follows from its circle; this is that of a glomerulus of 100 µm radius.
            mpp=SIDE_RADII * 100 / options.input_px,
            input_px=options.input_px,
            normalisation=NORMALISATION,
            classes=self.classes,
            thresholds={},
            training_data=training_data(self.tables),
            metrics=validation_metrics(measured, len(self.validation)),
            intended_use="research: classifying whole glomeruli in kidney tissue by lesion",
            licence=LICENCE,
        )
