"""What is reported of detections once they are outlined: how good the circles are, and which are dropped.

    python -m benchmarks.quality.settling SAMPLES... [--split test]... [--score S] [--detector WEIGHTS]

For each table: circles that meet a true one (overlap from 0.5, by the detector's circle or the outline's),
the mean overlap of the detector's circle and of the reported one with the truth, and how many true and false
circles the rule keeps, drops and merges. `--score` looks at detections of lower scores than a run does, where
most are false. The rule was chosen on scores from 0.08 to 0.2, so those above judge it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from glomspike.detect.infer import search
from glomspike.findings import Circle, SlideFacts
from glomspike.geometry.circles import Circles, circle_iou
from glomspike.learn.samples import Sample, Split, read_samples
from glomspike.learn.truth import slide_truth
from glomspike.networks.models import CPU, Model, load_model
from glomspike.results.stopwatch import Stopwatch
from glomspike.segment.crop import crop_of
from glomspike.segment.infer import outline_glomeruli
from glomspike.segment.settle import is_glomerulus, reported_circle, settle
from glomspike.slide.reader import open_slide

SPLITS = ("train", "val", "test")
FOUND = 0.5  # overlap with a true circle
COARSEST_MPP = 5.0  # that a slide may have


@dataclass(frozen=True)
class Detection:
    """A detected circle: its best overlap with the truth, that of the reported one, whether it is kept."""

    detected_iou: float
    reported_iou: float
    kept: bool

    @property
    def is_true(self) -> bool:
        return max(self.detected_iou, self.reported_iou) >= FOUND


@dataclass(frozen=True)
class Settling:
    """The detections of a picture, and how many were merged."""

    detections: tuple[Detection, ...]
    merged: int


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), default=["test"])
@click.option("--score", type=float, help="Detection score to look from, instead of the detector's.")
@click.option("--detector", type=click.Path(path_type=Path), help="A detector, not the shipped one.")
@click.option("--segmenter", type=click.Path(path_type=Path), help="A segmenter, not the shipped one.")
def main(
    tables: tuple[Path, ...],
    splits: tuple[Split, ...],
    score: float | None,
    detector: Path | None,
    segmenter: Path | None,
) -> None:
    """Compare the detector's circles with those reported, and count what the rule drops."""
    models = load_model("detector", detector, CPU), load_model("segmenter", segmenter, CPU)
    if score is not None:
        card = models[0].card
        thresholds = {**card.thresholds, "score": score}
        models = replace(models[0], card=card.model_copy(update={"thresholds": thresholds})), models[1]
    heading = "true  detector reported  true kept/dropped  false kept/dropped  merged"
    print(f"{'table, split':<32}{heading}")
    together: list[Settling] = []
    for table in tables:
        samples = [s for s in read_samples([table]) if s.split in splits and _has_scale(s)]
        settled = [settling(sample, *models) for sample in samples]
        _print(f"{table.parent.name} {','.join(splits)}", settled)
        together += settled
    _print("all", together)


def _has_scale(sample: Sample) -> bool:
    is_plain = sample.image.suffix.lower() in {".png", ".jpg", ".jpeg"}
    return not is_plain or (sample.mpp is not None and sample.mpp <= COARSEST_MPP)


def settling(sample: Sample, detector: Model, segmenter: Model) -> Settling:
    """The detections of a picture and what becomes of them."""
    with open_slide(sample.image, sample.mpp) as slide:
        facts = slide.facts
        true = np.array([(g.x_px, g.y_px, g.radius_px) for g in slide_truth(sample, facts).glomeruli])
        true_um = true.reshape(-1, 3) * facts.mpp.mean
        found = search(slide, detector, lambda *_: None, Stopwatch()).circles
        outlines = [
            outline_glomeruli(facts, [crop_of(slide, circle, segmenter.card.input_px)], segmenter)[0]
            for circle in found
        ]
        detections = [
            Detection(
                _best(circle, true_um, facts),
                0.0 if outline is None else _best(reported_circle(circle, outline, facts), true_um, facts),
                outline is not None and is_glomerulus(circle, outline, facts),
            )
            for circle, outline in zip(found, outlines, strict=True)
        ]
        return Settling(tuple(detections), settle(found, outlines, facts).merged)


def _best(circle: Circle, true_um: Circles, facts: SlideFacts) -> float:
    """The best overlap of a circle with a true one."""
    circle_um = np.array([[circle.x0 * facts.mpp.x, circle.y0 * facts.mpp.y, circle.radius_um]])
    return float(circle_iou(circle_um, true_um).max(initial=0))


def _print(name: str, settled: list[Settling]) -> None:
    every = [one for picture in settled for one in picture.detections]
    true, false = [one for one in every if one.is_true], [one for one in every if not one.is_true]
    ious = np.array([(one.detected_iou, one.reported_iou) for one in true if one.kept]).reshape(-1, 2)
    before, after = ious.mean(axis=0) if len(ious) else (float("nan"), float("nan"))
    true_kept, false_kept = sum(one.kept for one in true), sum(one.kept for one in false)
    kept = f"{true_kept:>10} / {len(true) - true_kept:<7}{false_kept:>12} / {len(false) - false_kept:<7}"
    merged = sum(picture.merged for picture in settled)
    print(f"{name:<32}{len(true):>4}{before:>10.3f}{after:>9.3f}{kept}{merged:>7}", flush=True)


if __name__ == "__main__":
    main()
