"""The segmenter's training: crops of annotated glomeruli, as inexact as the detector's circles make them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.augment import Rng, appearance, glass, mapped, turned, warped
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Mask, Points
from glomspike.metrics.overlap import Overlap, overlap, summarised
from glomspike.samples import Sample, read_samples
from glomspike.segment.crop import SIDE_RADII
from glomspike.segment.model import Architecture, segmentation_network
from glomspike.segment.outline import glomerulus_polygon
from glomspike.segment.probability import glomerulus_probability
from glomspike.sheets import FOUND_COLOUR, TRUTH_COLOUR, lined, sheet
from glomspike.training import Batch, Example, state_signature, table_signature, training_data
from glomspike.truth import Picture, TrueGlomerulus, is_plain, load_pictures, resized
from glomspike.weights import CardDraft, Metric, Normalisation

NORMALISATION = Normalisation(mean=(0.7, 0.6, 0.7), std=(0.25, 0.25, 0.25))
# How far the detector's circles are off, in radii: their centres, and their radii either way.
OFF_CENTRE = 0.2
OFF_RADIUS = 0.25
# Surroundings kept of a glomerulus, in radii: what the widest inexact crop shows.
KEPT_RADII = 2.4
# Pieces smaller than this, in pixels of the loaded picture, have no outline worth learning.
LEAST_RADIUS_PX = 12
# As many tables as there are, none counts more than this many glomeruli: phantoms must not drown tissue.
MOST_GLOMERULI = 400
# Whole slides are loaded no finer: that of the crop of a glomerulus of 100 µm radius.
SLIDE_MPP = 1.0
EXAMPLES = 16
# How often a glomerulus whose crop is all there is gets tissue around it, and the scale of that.
IN_TISSUE, TISSUE_MPP = 0.7, 1.2


@dataclass(frozen=True)
class SegmenterOptions:
    """What the segmenter is and sees in training."""

    architecture: Architecture = "Unet"
    encoder: str = "resnet18"
    input_px: int = 192
    samples_per_epoch: int = 1200


@dataclass(frozen=True, eq=False)
class Patch:
    """A glomerulus with its surroundings: pixels, circle and outline (n, 2) in pixels of the patch.

    `is_crop` where the picture has no scale and so is one crop as it stands.
    """

    sample: Sample
    pixels: RGB
    glomerulus: TrueGlomerulus
    outline_px: Points
    is_crop: bool

    def truth(self, matrix: np.ndarray, side_px: int) -> Mask:
        """The mask of the glomerulus after an affine matrix (2, 3), in a square of `side_px`."""
        mask = np.zeros((side_px, side_px), np.uint8)
        # OpenCV takes pixel centres to be whole numbers, and three fractional bits are enough.
        points = np.round((mapped(self.outline_px, matrix) - 0.5) * 8).astype(np.int32)
        return np.asarray(cv2.fillPoly(mask, [points], 1, shift=3), dtype=np.bool_)


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
                cause, cure = (
                    f"no outlined glomerulus in split {split}",
                    "give rows with masks or outlines in xml",
                )
                raise SamplesError(", ".join(map(str, tables)), cause, cure)
        grouped: dict[Path, list[Patch]] = {}
        for patch in training:
            grouped.setdefault(patch.sample.table, []).append(patch)
        self.training = list(grouped.values())
        counted = np.minimum([len(patches) for patches in self.training], MOST_GLOMERULI)
        self.shares = counted / counted.sum()

    @property
    def signature(self) -> str:
        beginning = [state_signature(self.begin), self.encoder_weights]
        return json.dumps([table_signature(self.tables), asdict(self.options), beginning])

    def network(self) -> nn.Module:
        options = self.options
        network = segmentation_network(options.architecture, options.encoder, self.encoder_weights)
        if self.begin is not None:
            network.load_state_dict(self.begin)
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        return self.options.samples_per_epoch

    def sample(self, index: int, rng: Rng) -> Example:
        patches = self.training[rng.choice(len(self.training), p=self.shares)]
        patch, side_px = patches[rng.integers(len(patches))], self.options.input_px
        pixels, truth, seen = inexact_crop(patch, side_px, rng)
        if patch.is_crop and self.tissue and rng.random() < IN_TISSUE:
            pixels = self._in_tissue(pixels, seen, rng)
        return {"image": appearance(pixels, rng), "truth": truth.astype(np.float32)}

    def _in_tissue(self, crop: RGB, seen: Mask, rng: Rng) -> RGB:
        """The crop with tissue of another picture beyond its borders, where else there would be nothing.

        `seen` is true where the crop shows its own picture.
        """
        picture, side_px = self.tissue[rng.integers(len(self.tissue))], crop.shape[0]
        centre = rng.uniform(0.2, 0.8, 2) * picture.pixels.shape[1::-1]
        matrix = turned(rng, side_px, (float(centre[0]), float(centre[1])), 1.0)
        around = warped(picture.pixels, matrix, side_px, glass(picture.pixels, rng))
        opacity = cv2.GaussianBlur(cv2.erode(seen.astype(np.float32), np.ones((7, 7))), (0, 0), 2)[..., None]
        return np.asarray(crop * opacity + around * (1 - opacity), dtype=np.uint8)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        logits = network(NORMALISATION.apply(batch["image"]))[:, 0].float()
        return functional.binary_cross_entropy_with_logits(logits, batch["truth"]) + dice_loss(
            torch.sigmoid(logits), batch["truth"]
        )

    def validate(self, network: nn.Module) -> dict[str, float]:
        overlaps = [self._judged(network, patch)[0] for patch in self.validation]
        measured = summarised(overlaps)
        each: dict[Path, list[float]] = {}
        for patch, agreement in zip(self.validation, overlaps, strict=True):
            each.setdefault(patch.sample.table, []).append(agreement.dice)
        of_tables = float(np.mean([np.mean(dice) for dice in each.values()]))
        return {
            "dice_of_tables": of_tables,
            "dice_mean": measured.dice_mean,
            "dice_sd": measured.dice_sd,
            "iou_mean": measured.iou_mean,
        }

    def _judged(self, network: nn.Module, patch: Patch) -> tuple[Overlap, RGB, Mask, Points | None]:
        return judged(network, patch, self.options.input_px, NORMALISATION)

    def examples(self, network: nn.Module) -> RGB:
        chosen = self.validation[:: max(1, len(self.validation) // EXAMPLES)][:EXAMPLES]
        drawn, captions = [], []
        for patch in chosen:
            agreement, pixels, truth, found_px = self._judged(network, patch)
            drawn.append(compared(pixels, truth, found_px))
            captions.append(f"{agreement.dice:.3f} {patch.sample.image.stem}")
        return sheet(drawn, captions)

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
            metrics=tuple(
                Metric(name=name, value=value, data="validation patients", n=len(self.validation))
                for name, value in measured.items()
            ),
            intended_use="research: outlining glomeruli in bright-field slides of kidney tissue",
            licence="Apache-2.0",
        )


def load_patches(samples: Sequence[Sample], input_px: int) -> list[Patch]:
    """All outlined glomeruli of some samples, with as much around them as an inexact crop may show."""
    annotated = [s for s in samples if s.mask is not None or s.xml is not None]
    plain = load_pictures([s for s in annotated if is_plain(s)], None)
    slides = load_pictures([s for s in annotated if not is_plain(s)], SLIDE_MPP)
    return [
        patch
        for pictures in (plain, slides)
        for picture in pictures
        for patch in _patches_of(picture, input_px)
    ]


def _patches_of(picture: Picture, input_px: int) -> list[Patch]:
    glomeruli = [
        (g, g.outline_px)
        for g in picture.truth.glomeruli
        if g.outline_px is not None and g.radius_px >= LEAST_RADIUS_PX
    ]
    if picture.mpp is None:
        largest = max(glomeruli, key=lambda pair: pair[0].radius_px, default=None)
        return [] if largest is None else [Patch(picture.sample, picture.pixels, *largest, is_crop=True)]
    return [_cut_out(picture, glomerulus, outline_px, input_px) for glomerulus, outline_px in glomeruli]


def _cut_out(picture: Picture, glomerulus: TrueGlomerulus, outline_px: Points, input_px: int) -> Patch:
    """The glomerulus and its surroundings, no finer than the network's input."""
    height_px, width_px = picture.pixels.shape[:2]
    reach = KEPT_RADII * glomerulus.radius_px
    left, top = max(0, int(glomerulus.x_px - reach)), max(0, int(glomerulus.y_px - reach))
    right, bottom = (
        min(width_px, int(glomerulus.x_px + reach) + 1),
        min(height_px, int(glomerulus.y_px + reach) + 1),
    )
    factor = min(1.0, input_px / (SIDE_RADII * glomerulus.radius_px))
    moved = TrueGlomerulus(
        (glomerulus.x_px - left) * factor,
        (glomerulus.y_px - top) * factor,
        glomerulus.radius_px * factor,
        None,
    )
    pixels = resized(np.ascontiguousarray(picture.pixels[top:bottom, left:right]), factor)
    return Patch(picture.sample, pixels, moved, (outline_px - (left, top)) * factor, is_crop=False)


def inexact_crop(patch: Patch, side_px: int, rng: Rng) -> tuple[RGB, Mask, Mask]:
    """A crop as the detector would give it: off-centre, of wrong radius, turned; its truth; where it shows anything."""
    g = patch.glomerulus
    scale = side_px / (SIDE_RADII * g.radius_px * (1 + rng.uniform(-OFF_RADIUS, OFF_RADIUS)))
    off_px = rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2) * g.radius_px
    matrix = turned(rng, side_px, (g.x_px + off_px[0], g.y_px + off_px[1]), scale)
    everywhere = np.full_like(patch.pixels, 255)
    seen = warped(everywhere, matrix, side_px, (0.0, 0.0, 0.0))[..., 0] == 255
    return warped(patch.pixels, matrix, side_px, glass(patch.pixels, rng)), patch.truth(matrix, side_px), seen


def exact_crop(patch: Patch, side_px: int) -> tuple[RGB, Mask]:
    """The crop that the true circle gives, or the whole picture where it is a crop as it stands; its truth."""
    height_px, width_px = patch.pixels.shape[:2]
    g = patch.glomerulus
    x_px, y_px, radius_px = g.x_px, g.y_px, g.radius_px
    if patch.is_crop:
        x_px, y_px, radius_px = width_px / 2, height_px / 2, max(width_px, height_px) / SIDE_RADII
    scale = side_px / (SIDE_RADII * radius_px)
    matrix = np.array(
        [[scale, 0, side_px / 2 - scale * x_px], [0, scale, side_px / 2 - scale * y_px]], np.float32
    )
    return warped(patch.pixels, matrix, side_px, (255.0, 255.0, 255.0)), patch.truth(matrix, side_px)


def judged(
    network: nn.Module, patch: Patch, side_px: int, normalisation: Normalisation
) -> tuple[Overlap, RGB, Mask, Points | None]:
    """How well the network outlines a glomerulus: overlap, crop, true mask, outline found."""
    pixels, truth = exact_crop(patch, side_px)
    probability = glomerulus_probability(network, pixels[None], normalisation)[0]
    polygon_px = glomerulus_polygon(probability, (side_px / 2, side_px / 2))
    found = np.zeros(truth.shape, np.uint8)
    if polygon_px is not None:
        cv2.fillPoly(found, [np.round((polygon_px - 0.5) * 8).astype(np.int32)], 1, shift=3)
    return overlap(found.astype(np.bool_), truth), pixels, truth, polygon_px


def compared(pixels: RGB, truth: Mask, found_px: Points | None) -> RGB:
    """The crop with the true and the found outline on it."""
    contours, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        pixels = lined(pixels, contour[:, 0].astype(np.float64), TRUTH_COLOUR)
    return pixels if found_px is None else lined(pixels, found_px, FOUND_COLOUR)


def dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - Dice of each picture (n, h, w), with soft membership, averaged."""
    both = (probability * truth).sum(dim=(1, 2))
    total = probability.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
    return 1 - ((2 * both + 1) / (total + 1)).mean()
