"""How good a segmenter is: its outlines against the true ones, in the crops that the true circles give."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from pydantic import JsonValue
from torch import nn

from glomspike.errors import SamplesError
from glomspike.findings import RGB, Mask, Points
from glomspike.geometry.raster import filled
from glomspike.learn.evaluation import Evaluation, Progress, interval_numbers, worst_sheet
from glomspike.learn.samples import Sample, names_of_tables
from glomspike.learn.sheets import FOUND_COLOUR, TRUTH_COLOUR, lined
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.metrics.overlap import Overlap, OverlapSummary, overlap, overlap_summary
from glomspike.networks.models import Model
from glomspike.networks.weights import Normalisation
from glomspike.segment.outline import glomerulus_polygon
from glomspike.segment.patches import Patch, exact_crop, load_patches
from glomspike.segment.probability import glomerulus_probability


@dataclass(frozen=True, eq=False)
class Comparison:
    """A glomerulus's crop, its true mask, the outline found on it, and how well both agree."""

    sample: Sample
    pixels: RGB
    truth: Mask
    found_px: Points | None
    overlap: Overlap

    @property
    def badness(self) -> float:
        return 1 - self.overlap.dice

    @property
    def caption(self) -> str:
        return f"Dice {self.overlap.dice:.3f}: {self.sample.image.name}"

    def drawn(self) -> RGB:
        """The crop with its true and its found outline."""
        contours, _ = cv2.findContours(self.truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        pixels = self.pixels
        for contour in contours:
            pixels = lined(pixels, contour[:, 0].astype(np.float64), TRUTH_COLOUR)
        return pixels if self.found_px is None else lined(pixels, self.found_px, FOUND_COLOUR)


def evaluate_segmenter(samples: Sequence[Sample], segmenter: Model, progress: Progress) -> Evaluation:
    """Dice and IoU over all outlined glomeruli. Raises SamplesError where there is none."""
    return evaluation_of(compared_samples(samples, segmenter, progress))


def compared_samples(samples: Sequence[Sample], segmenter: Model, progress: Progress) -> list[Comparison]:
    """All outlined glomeruli with what the segmenter makes of them. Raises SamplesError without one."""
    card = segmenter.card
    patches = load_patches(samples, card.input_px)
    if not patches:
        cause = "no outlined glomerulus among these samples"
        raise SamplesError(names_of_tables(samples), cause, "give rows with masks, or outlines in xml")
    compared: list[Comparison] = []
    for patch in patches:
        progress(len(compared), len(patches))
        compared.append(compare(segmenter.network, patch, card.input_px, card.normalisation))
    progress(len(patches), len(patches))
    return compared


def evaluation_of(compared: Sequence[Comparison]) -> Evaluation:
    """The numbers of at least one compared glomerulus, and the worst cases."""
    tables: dict[str, JsonValue] = {str(t): _numbers(part) for t, part in _by_table(compared).items()}
    return Evaluation({**_numbers(compared), "tables": tables}, worst_sheet(compared))


def compare(network: nn.Module, patch: Patch, side_px: int, normalisation: Normalisation) -> Comparison:
    """What the network makes of a glomerulus, cut where its picture ends, beside what is true."""
    crop = exact_crop(patch, side_px)
    probability = glomerulus_probability(network, crop.pixels[None], normalisation)[0]
    found_px = glomerulus_polygon(probability, (side_px / 2, side_px / 2))
    found = np.zeros_like(crop.inside) if found_px is None else filled(found_px, side_px) & crop.inside
    agreement = overlap(found, crop.truth & crop.inside)
    return Comparison(patch.sample, crop.pixels, crop.truth, found_px, agreement)


def measured(compared: Sequence[Comparison]) -> OverlapSummary:
    """The overlap of all glomeruli together."""
    return overlap_summary([one.overlap for one in compared])


def measured_by_table(compared: Sequence[Comparison]) -> dict[Path, OverlapSummary]:
    """The overlap of the glomeruli of each table."""
    return {table: measured(part) for table, part in _by_table(compared).items()}


def _by_table(compared: Sequence[Comparison]) -> dict[Path, list[Comparison]]:
    tables: dict[Path, list[Comparison]] = {}
    for one in compared:
        tables.setdefault(one.sample.table, []).append(one)
    return {table: tables[table] for table in sorted(tables)}


def _numbers(compared: Sequence[Comparison]) -> dict[str, JsonValue]:
    """The overlap with its intervals over patients."""
    patients = np.array([one.sample.patient for one in compared])
    values = np.array([(one.overlap.dice, one.overlap.iou) for one in compared])

    def means(rows: Rows) -> list[float]:
        return [float(mean) for mean in values[rows].mean(axis=0)]

    found = intervals(patients, means, lambda _: True)
    return {
        **asdict(measured(compared)),
        **interval_numbers(("dice_mean", "iou_mean"), found),
        "n_patients": len(np.unique(patients)),
    }
