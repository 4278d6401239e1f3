"""The detector's training: fields cut from annotated pictures, or composed from glomeruli and background."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glomspike.augment import Rng, appearance, glass, mapped, turned, warped
from glomspike.detect.circles import Circles
from glomspike.detect.compose import Field, composed
from glomspike.detect.model import CircleNet, normalised
from glomspike.detect.scan import scan_picture
from glomspike.detect.targets import circle_loss, targets_of
from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.metrics.circle_ap import circle_ap
from glomspike.samples import Sample, read_samples
from glomspike.sheets import FOUND_COLOUR, TRUTH_COLOUR, circled, sheet
from glomspike.training import Batch, Example, table_signature, training_data
from glomspike.truth import Picture, load_picture
from glomspike.weights import CardDraft, Metric, Normalisation

NORMALISATION = Normalisation(mean=(0.7, 0.6, 0.7), std=(0.25, 0.25, 0.25))
# A piece of a glomerulus at the border of its picture is neither asked for nor forbidden if it is smaller.
LEAST_PIECE_RADIUS_UM = 30.0
EXAMPLES = 12


@dataclass(frozen=True)
class DetectorOptions:
    """What the detector sees in training. `composed_share` applies where there are crops without a scale."""

    mpp: float = 2.0
    crop_px: int = 256
    samples_per_epoch: int = 2000
    composed_share: float = 0.35
    encoder: str = "resnet18"
    pyramid_channels: int = 128
    head_channels: int = 64


class DetectorTask:
    """Brings CircleNet to the training loop."""

    quality = "ap50"

    def __init__(
        self, tables: Sequence[Path], options: DetectorOptions, begin: dict[str, Tensor] | None
    ) -> None:
        self.tables, self.options, self.begin = tables, options, begin
        samples = [s for s in read_samples(tables) if s.mask is not None or s.xml is not None]
        training = [load_picture(s, options.mpp) for s in samples if s.split == "train"]
        self.crops = [p for p in training if p.mpp is None and any(g.outline_px is not None for g in p.truth.glomeruli)]
        self.fields = _by_table([p for p in training if p.mpp is not None])
        self.validation = [
            p
            for p in (load_picture(s, options.mpp) for s in samples if s.split == "val")
            if p.mpp is not None
        ]
        for split, pictures in (("train", self.fields), ("val", self.validation)):
            if not pictures:
                raise SamplesError(
                    ", ".join(map(str, tables)),
                    f"no annotated picture of known µm/px in split {split}",
                    "give rows with mpp and with mask or xml (an empty mask where there is no glomerulus)",
                )

    @property
    def signature(self) -> str:
        begin = "scratch" if self.begin is None else f"{sum(float(t.double().sum()) for t in self.begin.values())}"
        return json.dumps([table_signature(self.tables), asdict(self.options), begin])

    def network(self) -> nn.Module:
        network = CircleNet(**self._arguments())
        if self.begin is not None:
            network.load_state_dict(self.begin)
        return network

    def _arguments(self) -> dict[str, str | int]:
        o = self.options
        return {"encoder": o.encoder, "pyramid_channels": o.pyramid_channels, "head_channels": o.head_channels}

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        return self.options.samples_per_epoch

    def sample(self, index: int, rng: Rng) -> Example:
        field = self._composed(rng) if self.crops and rng.random() < self.options.composed_share else None
        pixels, circles, uncertain = self._cut(rng) if field is None else (field.pixels, field.circles_px, None)
        if uncertain is None:
            uncertain = np.zeros(len(circles), dtype=bool)
        side_px = self.options.crop_px
        targets = targets_of(circles, uncertain, side_px, side_px)
        return {"image": appearance(pixels, rng), **vars(targets)}

    def _picture(self, rng: Rng) -> Picture:
        """A picture at random: each table, and each patient of a table, as often as any other."""
        patients = self.fields[rng.integers(len(self.fields))]
        pictures = patients[rng.integers(len(patients))]
        return pictures[rng.integers(len(pictures))]

    def _cut(self, rng: Rng) -> tuple[RGB, Circles, NDArray[np.bool_]]:
        """A square of a picture around a random place, in two of three cases near a glomerulus."""
        picture = self._picture(rng)
        side_px, circles = self.options.crop_px, picture.circles_px
        height_px, width_px = picture.pixels.shape[:2]
        scale = _scale(rng)
        if len(circles) and rng.random() < 0.67:
            x, y, _ = circles[rng.integers(len(circles))]
            centre = np.array([x, y]) + rng.uniform(-0.4, 0.4, 2) * side_px / scale
        else:
            centre = rng.uniform(0, 1, 2) * (width_px, height_px)
        matrix = turned(rng, side_px, (float(centre[0]), float(centre[1])), scale)
        pixels = warped(picture.pixels, matrix, side_px, glass(picture.pixels, rng))
        moved = np.column_stack([mapped(circles[:, :2], matrix), circles[:, 2] * scale])
        return pixels, moved, _is_small_piece(circles, width_px, height_px, self.options.mpp)

    def _composed(self, rng: Rng) -> Field | None:
        background = self._background(rng)
        return None if background is None else composed(background, self.crops, self.options.mpp, rng)

    def _background(self, rng: Rng) -> RGB | None:
        """A square without any glomerulus, from a few tries."""
        side_px = self.options.crop_px
        for _ in range(6):
            picture = self._picture(rng)
            height_px, width_px = picture.pixels.shape[:2]
            x, y = rng.uniform(0.2, 0.8, 2) * (width_px, height_px)
            scale = _scale(rng)
            circles = picture.circles_px
            near = np.hypot(circles[:, 0] - x, circles[:, 1] - y) - circles[:, 2] < 0.75 * side_px / scale
            if not near.any():
                matrix = turned(rng, side_px, (x, y), scale)
                return warped(picture.pixels, matrix, side_px, glass(picture.pixels, rng))
        return None

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        images = normalised(batch["image"], NORMALISATION.mean, NORMALISATION.std)
        return circle_loss(network(images), batch)

    def validate(self, network: nn.Module) -> dict[str, float]:
        found = [self._found(network, picture) for picture in self.validation]
        measured = circle_ap(found, [picture.circles_px for picture in self.validation])
        return {"ap": measured.ap, "ap50": measured.ap50, "ap75": measured.ap75, "recall50": measured.recall50}

    def _found(self, network: nn.Module, picture: Picture) -> NDArray[np.float64]:
        device = next(network.parameters()).device
        return scan_picture(network, device, picture.pixels, self.options.mpp, NORMALISATION)

    def examples(self, network: nn.Module) -> RGB:
        step = max(1, len(self.validation) // EXAMPLES)
        chosen = self.validation[::step][:EXAMPLES]
        drawn = []
        for picture in chosen:
            found = self._found(network, picture)
            true = circled(picture.pixels, picture.circles_px, TRUTH_COLOUR)
            drawn.append(circled(true, found[found[:, 3] >= 0.3], FOUND_COLOUR))
        return sheet(drawn, [picture.sample.image.name for picture in chosen])

    def card(self, measured: dict[str, float]) -> CardDraft:
        truth = sum(len(picture.truth.glomeruli) for picture in self.validation)
        return CardDraft(
            kind="detector",
            name="glomspike detector",
            version="1",
            architecture="CircleNet",
            arguments=dict(self._arguments()),
            mpp=self.options.mpp,
            input_px=self.options.crop_px,
            normalisation=NORMALISATION,
            classes=("glomerulus",),
            thresholds={"score": 0.3},
            training_data=training_data(self.tables),
            metrics=tuple(
                Metric(name=name, value=value, data="validation patients", n=max(truth, 1))
                for name, value in measured.items()
            ),
            intended_use="research: finding glomeruli in bright-field slides of kidney tissue",
            licence="Apache-2.0",
        )


def _by_table(pictures: list[Picture]) -> list[list[list[Picture]]]:
    """The pictures of each patient of each table."""
    tables: dict[Path, dict[str, list[Picture]]] = {}
    for picture in pictures:
        sample: Sample = picture.sample
        tables.setdefault(sample.table, {}).setdefault(sample.patient, []).append(picture)
    return [list(patients.values()) for patients in tables.values()]


def _scale(rng: Rng) -> float:
    """Enlargement: mostly 0.8 to 1.25, at times 0.6 to 1.6."""
    widest = 0.22 if rng.random() < 0.7 else 0.49
    return float(np.exp(rng.uniform(-widest, widest)))


def _is_small_piece(circles: Circles, width_px: int, height_px: int, mpp: float) -> NDArray[np.bool_]:
    x, y, radius = circles.T
    reach = radius + 2
    at_border = (x < reach) | (y < reach) | (x > width_px - reach) | (y > height_px - reach)
    return np.asarray(at_border & (radius * mpp < LEAST_PIECE_RADIUS_UM))
