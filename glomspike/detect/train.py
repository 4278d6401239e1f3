"""The detector's training: fields cut from annotated pictures, or composed from glomeruli and background."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from glomspike.detect.again import has_second_look
from glomspike.detect.border import bordered, is_small_piece, left_of
from glomspike.detect.compose import composed
from glomspike.detect.cut import Cut, KnownGlomerulus, outline_of
from glomspike.detect.evaluate import (
    ScannedPicture,
    measured,
    measured_by_class,
    measured_by_table,
    scaled_pictures,
    scan,
)
from glomspike.detect.lookalikes import with_lookalikes
from glomspike.detect.mine import Mistake, mistakes
from glomspike.detect.model import CircleNet, for_classes
from glomspike.detect.obsolescent import with_obsolescent
from glomspike.detect.scars import scarred
from glomspike.detect.targets import UNCERTAIN, circle_loss, targets_of
from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.learn.augmentation import (
    Rng,
    appearance,
    glass,
    hard_to_see,
    mapped,
    tissue_share,
    turned,
    warped,
)
from glomspike.learn.pretrain.encoder import begin_with
from glomspike.learn.samples import Sample, read_samples
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
from glomspike.learn.truth import Picture, load_pictures
from glomspike.metrics.circle_ap import best_threshold
from glomspike.networks.weights import Card, CardDraft

EXAMPLES = 12
NETWORK_OPTIONS = ("encoder", "pyramid_channels", "head_channels")
ONE_CLASS = ("glomerulus",)
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
# What enlargement makes smaller is neither right nor wrong: no glomerulus is so small.
LEAST_RADIUS_UM = 22.0
# How often a square lies on what the detector took for a glomerulus, how often its tissue is scarred, and how
# often something that looks like a glomerulus is drawn into it.
MISTAKE_SHARE, SCAR_SHARE, LOOKALIKE_SHARE = 0.15, 0.3, 0.25
OBSOLESCENT_SHARE, OBSOLESCENT_AMONG_SCARS = 0.05, 0.6  # how often such glomeruli are drawn into a square


@dataclass(frozen=True)
class DetectorOptions:
    """What the detector sees in training. `composed_share` applies where there are crops without a scale.

    `classes` are the lesions that it distinguishes, or the one of all glomeruli; None: those of the samples.
    """

    mpp: float = 4.0
    crop_px: int = 160
    samples_per_epoch: int = 2000
    composed_share: float = 0.45
    encoder: str = "resnet18"
    pyramid_channels: int = 128
    head_channels: int = 64
    classes: tuple[str, ...] | None = ONE_CLASS
    second_look: bool = False

    @classmethod
    def at(cls, mpp: float) -> Self:
        """Those of a detector that sees as much tissue as at 4 µm/px, at another scale."""
        return cls(mpp=mpp, crop_px=32 * round(cls.crop_px * cls.mpp / mpp / 32))

    @classmethod
    def of(cls, card: Card) -> Self:
        """Those of a trained detector that is to go on learning."""
        arguments: dict[str, Any] = {name: card.arguments[name] for name in NETWORK_OPTIONS}
        twice = has_second_look(card)
        return cls(card.mpp, card.input_px, classes=card.classes, second_look=twice, **arguments)


class DetectorTask:
    """Brings CircleNet to the training loop."""

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
        self.classes = options.classes or _lesions(training, tables)
        outlines = [p for p in training if any(g.outline_px is not None for g in p.truth.glomeruli)]
        crops = _by_table([p for p in outlines if p.mpp is None])
        self.crops = [list(chain.from_iterable(patients)) for patients in crops]
        self.fields = _by_table([p for p in training if p.mpp is not None])
        self.mistakes: list[Mistake] = []
        counted = np.sqrt([min(sum(map(len, sizes)), MOST_PICTURES) for sizes in self.fields])
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
    def quality(self) -> str:
        return "ap_of_tables" if len(self.classes) == 1 else "ap_of_classes"

    @property
    def signature(self) -> str:
        return task_signature(self.tables, self.options, self.begin, self.encoder_weights)

    def network(self) -> nn.Module:
        o, classes = self.options, len(self.classes)
        arguments = o.encoder, o.pyramid_channels, o.head_channels, classes, self.encoder_weights
        network = CircleNet(*arguments, second_look=o.second_look)
        if self.begin is not None:
            begin_with(network, for_classes(self.begin, classes))
        if network.second_look is not None:
            network.second_look.requires_grad_(False)
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        pictures = list(chain.from_iterable(chain.from_iterable(self.fields)))
        side_px = self.options.crop_px
        self.mistakes = mistakes(network, pictures, side_px, NORMALISATION)
        return self.options.samples_per_epoch

    def sample(self, index: int, rng: Rng) -> Example:
        square = self.square(rng)
        circles = np.array([one.circle_px for one in square.glomeruli]).reshape(-1, 3)
        kinds = np.array([self.kind(one) for one in square.glomeruli], dtype=np.intp)
        side_px = self.options.crop_px
        return {
            "image": square.pixels,
            **vars(targets_of(circles, kinds, side_px, side_px, len(self.classes))),
        }

    def square(self, rng: Rng) -> Cut:
        """What the detector is shown: tissue as a camera sees it, and its glomeruli."""
        if self.crops and rng.random() < self.options.composed_share:
            cut = self._composed(rng)
        else:
            cut = self._cut(rng, NEAR_SHARE, LEAST_TISSUE)
        pixels = hard_to_see(appearance(cut.pixels, rng), rng)
        if rng.random() < BORDER_SHARE:
            return _bordered(pixels, cut, self.options.mpp, rng)
        return Cut(pixels, cut.glomeruli)

    def kind(self, glomerulus: KnownGlomerulus) -> int:
        """The number of its class; uncertain where it is a small piece, or of a lesion that is not learnt."""
        is_small = glomerulus.is_small or glomerulus.circle_px[2] * self.options.mpp < LEAST_RADIUS_UM
        if len(self.classes) == 1:
            return UNCERTAIN if is_small else 0
        is_known = not is_small and glomerulus.lesion in self.classes
        return self.classes.index(str(glomerulus.lesion)) if is_known else UNCERTAIN

    def _composed(self, rng: Rng) -> Cut:
        """Tissue with glomeruli out of crops, each table's crops as often as any other's."""
        ground, other = (self._cut(rng, 0.0, BACKGROUND_TISSUE) for _ in range(2))
        while other.glomeruli:
            other = self._cut(rng, 0.0, LEAST_TISSUE)
        mpp = self.options.mpp
        return Cut(*composed(ground.pixels, ground.glomeruli, self.crops, other.pixels, mpp, rng))

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
        is_mistake = bool(self.mistakes) and rng.random() < MISTAKE_SHARE
        for _ in range(TRIES):
            scale = _scale(rng)
            mistake = self.mistakes[rng.integers(len(self.mistakes))] if is_mistake else None
            picture = mistake.picture if mistake else self._picture(rng)
            circles = picture.circles_px
            size_px = np.array(picture.pixels.shape[1::-1])
            near_one = mistake is not None or (len(circles) > 0 and rng.random() < near_share)
            centre = rng.uniform(0, 1, 2) * size_px
            if near_one:
                goal = mistake[1:] if mistake else circles[rng.integers(len(circles)), :2]
                centre = np.array(goal) + rng.uniform(-0.4, 0.4, 2) * side_px / scale
            # Rather tissue than what lies beyond the picture, but borders are to be seen too.
            margin = np.minimum(0.4 * side_px / scale, size_px / 2)
            x, y = np.clip(centre, margin, size_px - margin)
            matrix = turned(rng, side_px, (float(x), float(y)), scale)
            # Tissue without a glomerulus may continue as its mirror image.
            mirrored = not len(circles) and rng.random() < MIRRORED_SHARE
            beyond = None if mirrored else glass(picture.pixels, rng)
            pixels = warped(picture.pixels, matrix, side_px, beyond)
            if near_one or tissue_share(pixels) > least_tissue:
                break
        near = np.hypot(*(circles[:, :2] - (x, y)).T) < side_px / scale + circles[:, 2]
        true = [g for g, is_near in zip(picture.truth.glomeruli, near, strict=True) if is_near]
        box = (0.0, 0.0, float(size_px[0]), float(size_px[1]))
        glomeruli = []
        for one in true:
            outline = outline_of(one)
            is_small = is_small_piece(outline, box, self.options.mpp)
            glomeruli.append(KnownGlomerulus(mapped(outline, matrix), one.lesion, is_small))
        is_scarred = rng.random() < SCAR_SHARE
        if is_scarred:
            pixels = scarred(pixels, glomeruli, self.options.mpp, rng)
        if rng.random() < (OBSOLESCENT_AMONG_SCARS if is_scarred else OBSOLESCENT_SHARE):
            pixels, glomeruli = with_obsolescent(pixels, glomeruli, self.options.mpp, rng)
        if rng.random() < LOOKALIKE_SHARE:
            pixels = with_lookalikes(pixels, glomeruli, self.options.mpp, rng)
        return Cut(pixels, glomeruli)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """CircleNet's loss of a batch, a scalar."""
        return circle_loss(network(NORMALISATION.apply(batch["image"])), batch)

    def validate(self, network: nn.Module) -> dict[str, float]:
        scanned = self._scanned(network, self.validation)
        by_class = measured_by_class(scanned, self.classes)
        numbers = validation_numbers(scanned)
        if not by_class:
            return numbers
        return {"ap_of_classes": float(np.mean([each.ap for each in by_class.values()])), **numbers}

    def _scanned(self, network: nn.Module, pictures: Sequence[Picture]) -> list[ScannedPicture]:
        side_px = self.options.crop_px
        return [scan(network, picture, side_px, NORMALISATION, LOWEST_THRESHOLD) for picture in pictures]

    def examples(self, network: nn.Module) -> RGB:
        """A sheet of validation pictures with their true and found circles."""
        scanned = self._scanned(network, evenly(self.validation, EXAMPLES))
        return sheet([one.drawn() for one in scanned], [one.caption for one in scanned])

    def card(self, measured: dict[str, float]) -> CardDraft:
        truth = sum(len(picture.truth.glomeruli) for picture in self.validation)
        return CardDraft(
            kind="detector",
            name="glomspike detector",
            version="1",
            architecture="CircleNet",
            arguments={
                **{name: asdict(self.options)[name] for name in NETWORK_OPTIONS},
                "classes": len(self.classes),
                "second_look": self.options.second_look,
            },
            mpp=self.options.mpp,
            input_px=self.options.crop_px,
            normalisation=NORMALISATION,
            classes=self.classes,
            thresholds={"score": measured["threshold"]},
            training_data=training_data(self.tables),
            metrics=validation_metrics(measured, truth, "threshold"),
            intended_use="research: finding glomeruli in bright-field slides of kidney tissue",
            licence=LICENCE,
        )


def validation_numbers(scanned: Sequence[ScannedPicture]) -> dict[str, float]:
    """How good a detector is on validation pictures, and the threshold that suits them."""
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


def _lesions(pictures: Sequence[Picture], tables: Sequence[Path]) -> tuple[str, ...]:
    """The lesions of the glomeruli on pictures. Raises SamplesError where there are not at least two."""
    names = sorted({g.lesion for p in pictures for g in p.truth.glomeruli if g.lesion is not None})
    if len(names) < 2:
        cause = f"name {len(names)} lesion{'s' * (len(names) != 1)} of glomeruli for training"
        cure = "fill the column `lesion`, or draw layers `Lesion: ...` (docs/lesions.md)"
        raise SamplesError(", ".join(map(str, tables)), cause, cure)
    return tuple(names)


def _by_table(pictures: list[Picture]) -> list[list[list[Picture]]]:
    """The pictures of each patient of each table."""
    tables: dict[Path, dict[str, list[Picture]]] = {}
    for picture in pictures:
        sample: Sample = picture.sample
        tables.setdefault(sample.table, {}).setdefault(sample.patient, []).append(picture)
    return [list(patients.values()) for patients in tables.values()]


def _scale(rng: Rng) -> float:
    """Enlargement: mostly 0.8 to 1.25, at times 0.6 to 1.6, rarely 0.4 to 2."""
    draw = rng.random()
    if draw > 0.92:
        return float(np.exp(rng.uniform(-0.92, 0.69)))
    widest = 0.22 if draw < 0.65 else 0.49
    return float(np.exp(rng.uniform(-widest, widest)))


def _bordered(pixels: RGB, cut: Cut, mpp: float, rng: Rng) -> Cut:
    """A picture, and what was cut for it, ending at a new border."""
    ended, box = bordered(pixels, [one.outline_px for one in cut.glomeruli], rng)
    left = [
        KnownGlomerulus(piece, one.lesion, one.is_small or is_small_piece(piece, box, mpp))
        for one in cut.glomeruli
        if (piece := left_of(one.outline_px, box)) is not None
    ]
    return Cut(ended, left)
