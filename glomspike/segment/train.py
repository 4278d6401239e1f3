"""The segmenter's training: crops of annotated glomeruli, as inexact as the detector's circles make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import cv2
import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng, appearance, glass, turned, warped
from glomspike.learn.pretrain.encoder import begin_with
from glomspike.learn.samples import read_samples
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
from glomspike.learn.truth import load_pictures
from glomspike.networks.weights import Card, CardDraft
from glomspike.segment.crop import SIDE_RADII
from glomspike.segment.evaluate import Comparison, compare, measured, measured_by_table
from glomspike.segment.model import Architecture, segmentation_network
from glomspike.segment.patches import Crop, Patch, ended, inexact_crop, load_patches

# Large tables, such as phantoms, must not drown the others: a table counts as the root of its glomeruli, of
# at most this many.
MOST_GLOMERULI = 200
EXAMPLES = 16
# How often a glomerulus whose crop is all there is gets tissue around it, and the scale of that.
IN_TISSUE, TISSUE_MPP = 0.7, 1.2
# How often a crop's picture ends within it.
ENDED_SHARE = 0.1


@dataclass(frozen=True)
class SegmenterOptions:
    """What the segmenter is and sees in training."""

    architecture: Architecture = "Unet"
    encoder: str = "resnet18"
    input_px: int = 192
    samples_per_epoch: int = 1200

    @classmethod
    def of(cls, card: Card) -> Self:
        """Those of a trained segmenter that is to go on learning."""
        arguments: dict[str, Any] = dict(card.arguments)
        return cls(architecture=cast(Architecture, card.architecture), input_px=card.input_px, **arguments)


class SegmenterTask:
    """Brings the segmenter to the training loop."""

    quality = "dice_of_tables"

    def __init__(
        self,
        tables: Sequence[Path],
        options: SegmenterOptions,
        begin: dict[str, Tensor] | None,
        encoder_weights: str | None,
    ) -> None:
        """Loads all glomeruli; `begin` are weights to go on from, `encoder_weights` a name smp knows."""
        self.tables, self.options, self.begin, self.encoder_weights = tables, options, begin, encoder_weights
        samples = read_samples(tables)
        fields = [s for s in samples if s.split == "train" and s.mpp is not None and s.mpp <= 2 * TISSUE_MPP]
        self.tissue = load_pictures(fields, TISSUE_MPP)
        training = load_patches([s for s in samples if s.split == "train"], options.input_px)
        self.validation = load_patches([s for s in samples if s.split == "val"], options.input_px)
        for split, patches in (("train", training), ("val", self.validation)):
            if not patches:
                cause = f"no outlined glomerulus in split {split}"
                cure = "give rows with masks, or outlines in xml"
                raise SamplesError(", ".join(map(str, tables)), cause, cure)
        grouped: dict[Path, list[Patch]] = {}
        for patch in training:
            grouped.setdefault(patch.sample.table, []).append(patch)
        self.training = list(grouped.values())
        counted = np.sqrt([min(len(patches), MOST_GLOMERULI) for patches in self.training])
        self.shares = counted / counted.sum()

    @property
    def signature(self) -> str:
        return task_signature(self.tables, self.options, self.begin, self.encoder_weights)

    def network(self) -> nn.Module:
        options = self.options
        network = segmentation_network(options.architecture, options.encoder, self.encoder_weights)
        if self.begin is not None:
            begin_with(network, self.begin)
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        return self.options.samples_per_epoch

    def sample(self, index: int, rng: Rng) -> Example:
        patches = self.training[rng.choice(len(self.training), p=self.shares)]
        patch, side_px = patches[rng.integers(len(patches))], self.options.input_px
        crop = inexact_crop(patch, side_px, rng)
        in_tissue = patch.is_crop and self.tissue and rng.random() < IN_TISSUE
        pixels = self._in_tissue(crop, rng) if in_tissue else crop.pixels
        pixels, truth = appearance(pixels, rng), crop.truth
        if rng.random() < ENDED_SHARE:
            pixels, truth = ended(pixels, truth, rng)
        return {"image": pixels, "truth": truth.astype(np.float32)}

    def _in_tissue(self, crop: Crop, rng: Rng) -> RGB:
        """The crop with tissue of another picture beyond its borders, where else there would be nothing."""
        picture, side_px = self.tissue[rng.integers(len(self.tissue))], crop.inside.shape[0]
        centre = rng.uniform(0.2, 0.8, 2) * picture.pixels.shape[1::-1]
        matrix = turned(rng, side_px, (float(centre[0]), float(centre[1])), 1.0)
        around = warped(picture.pixels, matrix, side_px, glass(picture.pixels, rng))
        opacity = cv2.GaussianBlur(cv2.erode(crop.inside.astype(np.float32), np.ones((7, 7))), (0, 0), 2)[
            ..., None
        ]
        return np.asarray(crop.pixels * opacity + around * (1 - opacity), dtype=np.uint8)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy and Dice loss of a batch, a scalar."""
        logits = network(NORMALISATION.apply(batch["image"]))[:, 0].float()
        entropy = functional.binary_cross_entropy_with_logits(logits, batch["truth"])
        return entropy + dice_loss(logits.sigmoid(), batch["truth"])

    def validate(self, network: nn.Module) -> dict[str, float]:
        compared = self._compared(network, self.validation)
        all_, each = measured(compared), measured_by_table(compared)
        return {
            "dice_of_tables": float(np.mean([table.dice_mean for table in each.values()])),
            "dice_mean": all_.dice_mean,
            "dice_sd": all_.dice_sd,
            "iou_mean": all_.iou_mean,
        }

    def _compared(self, network: nn.Module, patches: Sequence[Patch]) -> list[Comparison]:
        return [compare(network, patch, self.options.input_px, NORMALISATION) for patch in patches]

    def examples(self, network: nn.Module) -> RGB:
        """A sheet of validation glomeruli with their true and found outlines."""
        compared = self._compared(network, evenly(self.validation, EXAMPLES))
        return sheet([one.drawn() for one in compared], [one.caption for one in compared])

    def card(self, measured: dict[str, float]) -> CardDraft:
        options = self.options
        return CardDraft(
            kind="segmenter",
            name="glomspike segmenter",
            version="1",
            architecture=options.architecture,
            arguments={"encoder": options.encoder},
            # A crop's µm/px follows from its circle; this is that of a glomerulus of 100 µm radius.
            mpp=SIDE_RADII * 100 / options.input_px,
            input_px=options.input_px,
            normalisation=NORMALISATION,
            classes=("glomerulus",),
            thresholds={"probability": 0.5},
            training_data=training_data(self.tables),
            metrics=validation_metrics(measured, len(self.validation)),
            intended_use="research: outlining glomeruli in bright-field slides of kidney tissue",
            licence=LICENCE,
        )


def dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - Dice of each picture (n, h, w), with soft membership, averaged."""
    both = (probability * truth).sum(dim=(1, 2))
    total = probability.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
    return 1 - ((2 * both + 1) / (total + 1)).mean()
