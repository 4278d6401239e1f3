"""The detector's training: fields cut from annotated pictures, or composed from glomeruli and background."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from glomspike.augment import Rng, appearance, glass, mapped, tissue_share, turned, warped
from glomspike.detect.border import bordered, is_small_piece, left_of
from glomspike.detect.compose import composed
from glomspike.detect.evaluate import Scanned, measured, measured_by_table, scaled_pictures, scan
from glomspike.detect.model import CircleNet
from glomspike.detect.targets import circle_loss, targets_of
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Points
from glomspike.metrics.circle_ap import best_threshold
from glomspike.pretrain.encoder import begin_with
from glomspike.samples import Sample, read_samples
from glomspike.sheets import evenly, sheet
from glomspike.training import (
    LICENCE,
    NORMALISATION,
    Batch,
    Example,
    task_signature,
    training_data,
    validation_metrics,
)
from glomspike.truth import Picture, TrueGlomerulus, load_pictures, outlined
from glomspike.weights import Card, CardDraft

EXAMPLES = 12
NETWORK_OPTIONS = ("encoder", "pyramid_channels", "head_channels")
# Few validation pictures may put the best threshold anywhere. It stays low: a glomerulus missed costs a
# pathologist more than a false circle, which is seen and deleted.
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.15, 0.3
# Large tables, such as phantoms, must not drown the others: a table counts as the root of its pictures, of
# at most this many.
MOST_PICTURES = 20
TRIES = 5
NEAR_SHARE = 0.67
LEAST_TISSUE = 0.15
BACKGROUND_TISSUE = 0.5
BORDER_SHARE = 0.2
MIRRORED_SHARE = 0.7
# A truth that is only a circle, as an outline.
_TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)
UNIT_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


@dataclass(frozen=True, eq=False)
class Cut:
    """A square cut from a picture: pixels, outlines in them, and which are too small a piece to judge."""

    pixels: RGB
    outlines_px: list[Points]
    is_small: list[bool]


@dataclass(frozen=True)
class DetectorOptions:
    """What the detector sees in training. `composed_share` applies where there are crops without a scale."""

    mpp: float = 4.0
    crop_px: int = 160
    samples_per_epoch: int = 2000
    composed_share: float = 0.45
    encoder: str = "resnet18"
    pyramid_channels: int = 128
    head_channels: int = 64

    @classmethod
    def at(cls, mpp: float) -> Self:
        """Those of a detector that sees as much tissue as at 4 µm/px, at another scale."""
        return cls(mpp=mpp, crop_px=32 * round(cls.crop_px * cls.mpp / mpp / 32))

    @classmethod
    def of(cls, card: Card) -> Self:
        """Those of a trained detector that is to go on learning."""
        arguments: dict[str, Any] = dict(card.arguments)
        return cls(mpp=card.mpp, crop_px=card.input_px, **arguments)


class DetectorTask:
    """Brings CircleNet to the training loop."""

    quality = "ap_of_tables"

    def __init__(
        self,
        tables: Sequence[Path],
        options: DetectorOptions,
        begin: dict[str, Tensor] | None,
        encoder_weights: str | None,
    ) -> None:
        """Loads all pictures; `begin` are weights to go on from, `encoder_weights` a name smp knows."""
        self.tables, self.options, self.begin, self.encoder_weights = tables, options, begin, encoder_weights
        samples = [s for s in read_samples(tables) if s.mask is not None or s.xml is not None]
        training = load_pictures([s for s in samples if s.split == "train"], options.mpp)
        outlines = [p for p in training if any(g.outline_px is not None for g in p.truth.glomeruli)]
        crops = _by_table([p for p in outlines if p.mpp is None])
        self.crops = [list(chain.from_iterable(patients)) for patients in crops]
        self.fields = _by_table([p for p in training if p.mpp is not None])
        counted = np.sqrt([min(sum(map(len, own)), MOST_PICTURES) for own in self.fields])
        self.shares = counted / max(counted.sum(), 1)
        self.validation = scaled_pictures([s for s in samples if s.split == "val"], options.mpp)
        for split, pictures in (("train", self.fields), ("val", self.validation)):
            if not pictures:
                raise SamplesError(
                    ", ".join(map(str, tables)),
                    f"no annotated picture of known µm/px in split {split}",
                    "give rows with mpp and with mask or xml (an empty mask where there is no glomerulus)",
                )

    @property
    def signature(self) -> str:
        return task_signature(self.tables, self.options, self.begin, self.encoder_weights)

    def network(self) -> nn.Module:
        o = self.options
        network = CircleNet(o.encoder, o.pyramid_channels, o.head_channels, self.encoder_weights)
        if self.begin is not None:
            begin_with(network, self.begin)
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        return self.options.samples_per_epoch

    def sample(self, index: int, rng: Rng) -> Example:
        options = self.options
        if self.crops and rng.random() < options.composed_share:
            cut = self._composed(rng)
        else:
            cut = self._cut(rng, NEAR_SHARE, LEAST_TISSUE)
        pixels = appearance(cut.pixels, rng)
        if rng.random() < BORDER_SHARE:
            pixels, cut = _bordered(pixels, cut, options.mpp, rng)
        circles = np.array([_circle(outline) for outline in cut.outlines_px]).reshape(-1, 3)
        small = np.array(cut.is_small, dtype=np.bool_)
        targets = targets_of(circles, small, options.crop_px, options.crop_px)
        return {"image": pixels, **vars(targets)}

    def _composed(self, rng: Rng) -> Cut:
        """Tissue with glomeruli out of crops, each table's crops as often as any other's."""
        ground, other = (self._cut(rng, 0.0, BACKGROUND_TISSUE) for _ in range(2))
        while other.outlines_px:
            other = self._cut(rng, 0.0, LEAST_TISSUE)
        crops = self.crops[rng.integers(len(self.crops))]
        mpp = self.options.mpp
        pixels, outlines = composed(ground.pixels, ground.outlines_px, crops, other.pixels, mpp, rng)
        added = len(outlines) - len(ground.outlines_px)
        return Cut(pixels, outlines, ground.is_small + [False] * added)

    def _picture(self, rng: Rng) -> Picture:
        """A picture at random, every patient as often as any other of the same table."""
        patients = self.fields[rng.choice(len(self.fields), p=self.shares)]
        pictures = patients[rng.integers(len(patients))]
        return pictures[rng.integers(len(pictures))]

    def _cut(self, rng: Rng, near_share: float, least_tissue: float) -> Cut:
        """A square cut from a picture, turned, mirrored and of another scale.

        In `near_share` of cases it lies near a glomerulus, else where a few tries find enough tissue.
        """
        side_px = self.options.crop_px
        for _ in range(TRIES):
            picture, scale = self._picture(rng), _scale(rng)
            circles = picture.circles_px
            size_px = np.array(picture.pixels.shape[1::-1])
            near_one = len(circles) > 0 and rng.random() < near_share
            centre = rng.uniform(0, 1, 2) * size_px
            if near_one:
                centre = circles[rng.integers(len(circles)), :2] + rng.uniform(-0.4, 0.4, 2) * side_px / scale
            # Rather tissue than what lies beyond the picture, but borders are to be seen too.
            margin = np.minimum(0.4 * side_px / scale, size_px / 2)
            x, y = np.clip(centre, margin, size_px - margin)
            matrix = turned(rng, side_px, (float(x), float(y)), scale)
            # Tissue without a glomerulus may go on as its own mirror image.
            mirrored = not len(circles) and rng.random() < MIRRORED_SHARE
            beyond = None if mirrored else glass(picture.pixels, rng)
            pixels = warped(picture.pixels, matrix, side_px, beyond)
            if near_one or tissue_share(pixels) > least_tissue:
                break
        near = np.hypot(*(circles[:, :2] - (x, y)).T) < side_px / scale + circles[:, 2]
        outlines = [_outline(g) for g, is_near in zip(picture.truth.glomeruli, near, strict=True) if is_near]
        box = (0.0, 0.0, float(size_px[0]), float(size_px[1]))
        small = [is_small_piece(outline, box, self.options.mpp) for outline in outlines]
        return Cut(pixels, [mapped(outline, matrix) for outline in outlines], small)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return circle_loss(network(NORMALISATION.apply(batch["image"])), batch)

    def validate(self, network: nn.Module) -> dict[str, float]:
        scanned = self._scanned(network, self.validation)
        all_, each = measured(scanned), measured_by_table(scanned)
        found, truth = [one.found_px for one in scanned], [one.picture.circles_px for one in scanned]
        return {
            "ap_of_tables": float(np.mean([table.ap for table in each.values()])),
            "ap": all_.ap,
            "ap50": all_.ap50,
            "ap75": all_.ap75,
            "recall50": all_.recall50,
            "threshold": float(np.clip(best_threshold(found, truth), LOWEST_THRESHOLD, HIGHEST_THRESHOLD)),
        }

    def _scanned(self, network: nn.Module, pictures: Sequence[Picture]) -> list[Scanned]:
        side_px = self.options.crop_px
        return [scan(network, picture, side_px, NORMALISATION, LOWEST_THRESHOLD) for picture in pictures]

    def examples(self, network: nn.Module) -> RGB:
        scanned = self._scanned(network, evenly(self.validation, EXAMPLES))
        return sheet([one.drawn() for one in scanned], [one.caption for one in scanned])

    def card(self, measured: dict[str, float]) -> CardDraft:
        truth = sum(len(picture.truth.glomeruli) for picture in self.validation)
        return CardDraft(
            kind="detector",
            name="glomspike detector",
            version="1",
            architecture="CircleNet",
            arguments={name: asdict(self.options)[name] for name in NETWORK_OPTIONS},
            mpp=self.options.mpp,
            input_px=self.options.crop_px,
            normalisation=NORMALISATION,
            classes=("glomerulus",),
            thresholds={"score": measured["threshold"]},
            training_data=training_data(self.tables),
            metrics=validation_metrics(measured, truth, "threshold"),
            intended_use="research: finding glomeruli in bright-field slides of kidney tissue",
            licence=LICENCE,
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


def _outline(glomerulus: TrueGlomerulus) -> Points:
    if glomerulus.outline_px is not None:
        return glomerulus.outline_px
    return UNIT_CIRCLE * glomerulus.radius_px + (glomerulus.x_px, glomerulus.y_px)


def _circle(outline_px: Points) -> tuple[float, float, float]:
    circle = outlined(outline_px)
    return circle.x_px, circle.y_px, circle.radius_px


def _bordered(pixels: RGB, cut: Cut, mpp: float, rng: Rng) -> tuple[RGB, Cut]:
    """A picture and what was cut for it, ending at a new border."""
    ended, box = bordered(pixels, cut.outlines_px, rng)
    left = [
        (piece, small or is_small_piece(piece, box, mpp))
        for outline, small in zip(cut.outlines_px, cut.is_small, strict=True)
        if (piece := left_of(outline, box)) is not None
    ]
    return ended, Cut(ended, [piece for piece, _ in left], [small for _, small in left])
