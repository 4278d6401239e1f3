"""The whole main job against truth: on fresh phantom slides, and on annotated fields made into slides.

    python -m benchmarks.quality.main_job phantoms WORK [--slides 10] [--glomeruli 6] [--seed 900]
    python -m benchmarks.quality.main_job fields SAMPLES WORK [--split test]

Prints how many glomeruli were found and by how much the count of a slide is wrong, how well they were
outlined, and how far spiked ones score above others, with 95 % intervals from a bootstrap over slides. WORK
keeps slides and results to look at.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import click
import numpy as np
import shapely
import torch
from sklearn.metrics import roc_auc_score

from glomspike.annotate.imagescope import read_imagescope
from glomspike.findings import RGB, Call
from glomspike.geometry.circles import circle_iou
from glomspike.learn.samples import Sample, read_samples
from glomspike.learn.truth import TrueGlomerulus, load_picture, slide_truth
from glomspike.metrics.bootstrap import Interval, Rows, intervals
from glomspike.networks.models import Models, load_models
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.phantom.slides import write_phantoms
from glomspike.pipeline import run_slide
from glomspike.results.options import Options
from glomspike.slide.reader import open_slide

SAME_IOU = 0.5  # a true circle is found by a circle that overlaps it this much


@dataclass(frozen=True)
class Case:
    """A true glomerulus; what was found of it: probability, Dice of its outline, None where nothing, call."""

    slide: str
    spiked: bool
    probability: float | None
    dice: float | None
    call: str = ""

    @property
    def found(self) -> bool:
        """Whether a circle was on it."""
        return self.dice is not None


@dataclass(frozen=True)
class SlideCount:
    """How many glomeruli a slide has, how many of them were found, and how many circles are on none."""

    slide: str
    true: int
    found: int
    false: int


@dataclass(frozen=True)
class SlideWithTruth:
    """A slide that the main job ran on, with its truth in level-0 pixels."""

    folder: Path
    truth: tuple[TrueGlomerulus, ...]


@click.group()
def main() -> None:
    """Run the main job on tissue with known truth and print how good it was."""


@main.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--slides", default=10, show_default=True, help="How many slides.")
@click.option("--glomeruli", default=6, show_default=True, help="How many on each.")
@click.option("--seed", default=900, show_default=True, help="Which; the shipped weights know seed 100.")
def phantoms(work: Path, slides: int, glomeruli: int, seed: int) -> None:
    """On phantom slides that no model has seen."""
    list(write_phantoms(work / "slides", slides, glomeruli, seed, 0.0, os.cpu_count() or 1))
    samples = read_samples([work / "slides" / "samples.csv"])
    _measure(work / "out", [(sample.image, sample) for sample in samples])


@main.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--split", default="test", show_default=True, help="Of the table; all for every row.")
def fields(table: Path, work: Path, split: str) -> None:
    """On annotated fields, each written as a pyramidal slide of its µm/px."""
    (work / "slides").mkdir(parents=True, exist_ok=True)
    chosen = [s for s in read_samples([table]) if split in (s.split, "all")]
    _measure(work / "out", [(_as_slide(sample, work / "slides"), sample) for sample in chosen])


def _as_slide(sample: Sample, folder: Path) -> Path:
    pixels, path = load_picture(sample).pixels, folder / f"{sample.image.stem}.svs"

    def block(x: int, y: int, width: int, height: int) -> RGB:
        return pixels[y : y + height, x : x + width]

    assert sample.mpp is not None
    write_pyramid(path, block, pixels.shape[1], pixels.shape[0], File(sample.mpp, 10 / sample.mpp, 90))
    return path


def _measure(out: Path, slides: Iterable[tuple[Path, Sample]]) -> None:
    models = shipped_models()
    cases, counts, seconds = run_all(out, slides, models)
    _print_counts(counts)
    _print_outlines(cases, seconds)
    _print_calls(cases, models["classifier"].card.thresholds)


def shipped_models() -> Models:
    """The weights that came with glomspike, on the GPU where there is one."""
    return load_models(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def run_all(
    out: Path, slides: Iterable[tuple[Path, Sample]], models: Models
) -> tuple[list[Case], list[SlideCount], list[float]]:
    """The main job on slides with truth: every true glomerulus, and counts and seconds of each slide."""
    cases: list[Case] = []
    counts: list[SlideCount] = []
    seconds = []
    for path, sample in slides:
        folder = run_slide(path, out, models, Options(overwrite="always"), lambda *_: None).folder
        record = json.loads((folder / "run.json").read_text())
        seconds.append(sum(record["seconds"].values()))
        with open_slide(path) as slide:
            truth, mpp = slide_truth(sample, slide.facts).glomeruli, slide.facts.mpp.mean
        of_slide, false = _compare(SlideWithTruth(folder, truth), mpp)
        counts.append(SlideCount(folder.name, len(of_slide), sum(case.found for case in of_slide), false))
        cases += of_slide
    return cases, counts, seconds


def _compare(ran: SlideWithTruth, mpp: float) -> tuple[list[Case], int]:
    """Each true glomerulus with what was found of it, and how many circles are on none."""
    with (ran.folder / "glomeruli.csv").open() as file:
        rows = list(csv.DictReader(file))
    layers = {layer.name: layer.regions for layer in read_imagescope(ran.folder / f"{ran.folder.name}.xml")}
    outlines = {region.text: shapely.Polygon(region.vertices_viewer) for region in layers["Outlines"]}
    found = [[float(row["x"]), float(row["y"]), float(row["radius_um"]) / mpp] for row in rows]
    true = [[g.x_px, g.y_px, g.radius_px] for g in ran.truth]
    overlap = circle_iou(np.array(true).reshape(-1, 3), np.array(found).reshape(-1, 3))
    cases = []
    for glomerulus, ious in zip(ran.truth, overlap, strict=True):
        spiked = glomerulus.label == "spiked"
        best = int(ious.argmax()) if len(ious) else -1
        if best < 0 or ious[best] < SAME_IOU:
            cases.append(Case(ran.folder.name, spiked, None, None))
            continue
        score = rows[best]["spike_probability"]
        dice = _dice(glomerulus, outlines[rows[best]["id"]])
        probability = float(score) if score else None
        cases.append(Case(ran.folder.name, spiked, probability, dice, rows[best]["call"]))
    return cases, int((overlap.max(axis=0, initial=0) < SAME_IOU).sum())


def _dice(glomerulus: TrueGlomerulus, drawn: shapely.Polygon) -> float:
    outline = shapely.Polygon(glomerulus.outline_px).buffer(0)
    return float(2 * outline.intersection(drawn).area / (outline.area + drawn.area))


def _print_counts(counts: Sequence[SlideCount]) -> None:
    """Recall, precision, and by which share of its glomeruli the count of a slide is wrong."""
    numbers = np.array([(one.true, one.found, one.false) for one in counts], dtype=np.float64)
    slides = np.array([one.slide for one in counts])

    def statistics(rows: Rows) -> list[float]:
        true, found, false = numbers[rows].T
        wrong = np.abs(found + false - true) / np.maximum(true, 1)
        reported = max(1.0, float((found + false).sum()))
        return [found.sum() / max(1.0, true.sum()), found.sum() / reported, wrong.mean()]

    values = statistics(np.arange(len(counts)))
    spans = intervals(slides, statistics, lambda _rows: True)
    true, found, false = numbers.sum(axis=0)
    print(f"slides {len(counts)}, glomeruli {true:.0f}, found {found:.0f}, false circles {false:.0f}")
    for name, value, span in zip(("recall", "precision", "count error"), values, spans, strict=True):
        print(f"{name} {value:.3f}{_between(span, 3)}")


def _print_outlines(cases: Sequence[Case], seconds: Sequence[float]) -> None:
    dice = [case.dice for case in cases if case.dice is not None]
    if dice:
        print(f"outline Dice of those found: mean {np.mean(dice):.3f}, median {np.median(dice):.3f}")
    print(f"main job: median {np.median(seconds):.1f} s a slide")


def _print_calls(cases: list[Case], thresholds: dict[str, float]) -> None:
    """How spiked glomeruli score against others, and what the card's thresholds make of it."""
    scored = [case for case in cases if case.probability is not None]
    spiked = np.array([case.spiked for case in scored])
    if len(set(spiked.tolist())) < 2:
        return

    def of_rows(rows: Rows) -> list[float]:
        return [auc([scored[row] for row in rows])]

    slides = np.array([case.slide for case in scored])
    (span,) = intervals(slides, of_rows, lambda rows: len(set(spiked[rows].tolist())) == 2)
    print(f"AUC of the spike probability: {auc(scored):.4f}{_between(span, 4)}")
    for group, of_group in (("spiked", spiked), ("other", ~spiked)):
        calls = Counter(case.call for case, chosen in zip(scored, of_group, strict=True) if chosen)
        said = ", ".join(f"{calls[call]} {call}" for call in get_args(Call))
        print(f"of {of_group.sum()} {group} glomeruli that were scored {said}")
    true = sum(case.spiked for case in cases)
    for name, threshold in thresholds.items():
        called = [case for case in scored if case.probability is not None and case.probability >= threshold]
        hits = sum(case.spiked for case in called)
        wrong = len(called) - hits
        others = len(cases) - true
        print(f"at {threshold:.3f} ({name}): {hits} of {true} spiked called so, {wrong} of {others} others")


def auc(cases: Sequence[Case]) -> float:
    """Of the spike probability, over glomeruli that were scored."""
    return float(roc_auc_score([c.spiked for c in cases], [c.probability for c in cases]))


def _between(span: Interval | None, digits: int) -> str:
    """An interval in brackets, where there is one."""
    return "" if span is None else f" [{span[0]:.{digits}f}, {span[1]:.{digits}f}]"


if __name__ == "__main__":
    main()
