"""The loop of correcting and learning, played by a script: how much better do corrections make the models?

    python -m benchmarks.quality.correction_loop WORK [--corrected 7] [--tests 4] [--epochs 1]
        [--by viewer|page]

Makes phantom slides and recolours them as an immunofluorescence of basement membranes looks: bright green
on black, a stain that no shipped model has seen. Runs the main job, corrects its annotations on some slides
as a pathologist would in ImageScope, or its results on the page of `glomspike review` (`--by page`), makes
samples of them, trains all three models for a short while from the shipped weights, and runs the main job
again on the other slides. Prints what was found, outlined and called before and after. Each step is a
command that a user would type. WORK/phantoms is kept for the next time, all else is made again in WORK/loop.
"""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import shapely
from sklearn.metrics import roc_auc_score

from benchmarks.quality.reviewing import review
from glomspike.annotate.imagescope import read_imagescope, write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import OTHER, OUTLINES, SPIKE_TILES, SPIKED, STYLE_OF_CALL, STYLES, Style
from glomspike.findings import RGB, Points
from glomspike.geometry.circles import circle_iou
from glomspike.geometry.frames import mpp_shown
from glomspike.learn.samples import Sample, read_samples
from glomspike.learn.truth import TrueGlomerulus, Truth, slide_truth
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.phantom.slides import write_phantoms
from glomspike.slide.reader import open_slide

GLOMERULI = 6  # on each slide
SAME_IOU = 0.5  # a true glomerulus is found by a circle that overlaps it this much
GOOD_IOU, GOOD_DICE = 0.8, 0.9  # what the pathologist leaves as it is
MODELS = ("detector", "segmenter", "classifier")
SILVER = ("--stain", "silver")  # the gate does not know the new stain, and what is not scored has no label
GLOW = np.array([0.15, 1.0, 0.35], np.float32)  # of membranes, in red, green and blue


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--corrected", default=7, show_default=True, help="How many slides are corrected.")
@click.option("--tests", default=4, show_default=True, help="How many other slides are measured on.")
@click.option("--epochs", default=1, show_default=True, help="How long each model is trained.")
@click.option("--seed", default=4000, show_default=True, help="Which slides.")
@click.option(
    "--by",
    type=click.Choice(["viewer", "page"]),
    default="viewer",
    show_default=True,
    help="Whether annotations are corrected as in ImageScope, or results as on the review page.",
)
def main(work: Path, corrected: int, tests: int, epochs: int, seed: int, by: str) -> None:
    """Correct some slides of a new stain, learn from them, and measure on others."""
    samples = stained_slides(work / "phantoms", corrected + tests, seed)[: corrected + tests]
    ours, others = samples[:corrected], samples[corrected:]
    loop = work / "loop"
    shutil.rmtree(loop, ignore_errors=True)
    for name, chosen in (("corrected", ours), ("tests", others)):
        (loop / name).mkdir(parents=True)
        for sample in chosen:
            (loop / name / sample.image.name).symlink_to(sample.image.resolve())
        _type(loop / name, loop / "before" / name, *SILVER)
    results = loop / "before" / "corrected"
    for sample in ours:
        if by == "page":
            review(sample, results / sample.image.stem)
        else:
            correct(sample, results / sample.image.stem, loop / "corrected")
    _type("samples", results if by == "page" else loop / "corrected", "--out", loop / "samples")
    weights: list[str | Path] = []
    for model in MODELS:
        table = loop / "samples" / "samples.csv"
        _type("train", model, table, "--out", loop / model, "--epochs", str(epochs))
        weights += [f"--{model}", loop / model]
    _type(loop / "tests", loop / "after", *weights, *SILVER)
    for when, folder in (("before", loop / "before" / "tests"), ("after", loop / "after")):
        print(f"{when}: {measured(others, folder)}")


def _type(*arguments: str | Path) -> None:
    """Types a glomspike command, which shows its progress on stderr."""
    subprocess.run([sys.executable, "-m", "glomspike", *arguments], check=True, stdout=sys.stderr)


def stained_slides(folder: Path, count: int, seed: int) -> Sequence[Sample]:
    """Phantom slides of the new stain, with their truth."""
    table = folder / "samples.csv"
    if not table.exists():
        for name in write_phantoms(folder, count, GLOMERULI, seed, 1.0, os.cpu_count() or 1):
            restain(folder / f"{name}.svs")
    return read_samples([table])


def restain(path: Path) -> None:
    """Replaces a slide by the same tissue in the new stain."""
    stained = path.with_suffix(".stained")
    with open_slide(path) as slide:
        facts, mpp = slide.facts, slide.facts.mpp.x
        write_pyramid(
            stained,
            lambda x, y, width, height: glowing(slide.read(x, y, width, height, mpp)),
            facts.width0,
            facts.height0,
            File(mpp, 40, 85, "jpeg"),
        )
    stained.replace(path)


def glowing(pixels: RGB) -> RGB:
    """A picture as its negative in one colour: silver's black membranes light up, glass is dark."""
    dark = 255 - pixels.min(axis=2, keepdims=True).astype(np.float32)
    return np.asarray(np.clip(12 + 0.9 * dark * GLOW, 0, 255), dtype=np.uint8)


def correct(sample: Sample, results: Path, folder: Path) -> None:
    """Puts the corrected annotations of a slide beside it.

    Deletes false ellipses, moves those that lie badly, changes layers, redraws outlines, adds what was
    missed with the ellipse and with the pen in turn, and boxes spikes.
    """
    drawn = {layer.name: list(layer.regions) for layer in read_imagescope(results / f"{results.name}.xml")}
    with open_slide(sample.image) as slide:
        truth, mpp = slide_truth(sample, slide.facts), mpp_shown(slide.facts, "imagescope")
    missed = list(truth.glomeruli)
    for region in [region for style in STYLE_OF_CALL.values() for region in drawn[style.name]]:
        for style in STYLE_OF_CALL.values():
            drawn[style.name] = [other for other in drawn[style.name] if other is not region]
        true = _under(region, missed)
        if true is not None:
            missed.remove(true)
            drawn[_layer(true).name].append(_moved(region, true))
            drawn[OUTLINES.name] = _outlines(drawn[OUTLINES.name], region.text.split(":")[0], true)
    for number, true in enumerate(missed):
        drawn[_layer(true).name].append(_pen(true) if number % 2 else _ellipse(true, ""))
    drawn[SPIKE_TILES.name] += _boxes(truth)
    layers = [Layer(style.name, style.colour, tuple(drawn[style.name])) for style in STYLES]
    write_layers(folder / f"{sample.image.stem}.xml", layers, mpp)


def _circle(region: Region) -> Points:
    left, top, right, bottom = region.box_viewer
    return np.array([[(left + right) / 2, (top + bottom) / 2, (right - left + bottom - top) / 4]])


def _overlap(region: Region, true: TrueGlomerulus) -> float:
    return float(circle_iou(_circle(region), np.array([[true.x_px, true.y_px, true.radius_px]]))[0, 0])


def _under(region: Region, truth: Sequence[TrueGlomerulus]) -> TrueGlomerulus | None:
    best = max(truth, key=lambda true: _overlap(region, true), default=None)
    return best if best is not None and _overlap(region, best) >= SAME_IOU else None


def _layer(true: TrueGlomerulus) -> Style:
    return SPIKED if true.label == "spiked" else OTHER


def _moved(region: Region, true: TrueGlomerulus) -> Region:
    return region if _overlap(region, true) >= GOOD_IOU else _ellipse(true, region.text)


def _ellipse(true: TrueGlomerulus, text: str) -> Region:
    middle, radius = np.array([true.x_px, true.y_px]), true.radius_px
    return Region(RegionType.ELLIPSE, np.stack([middle - radius, middle + radius]), text)


def _pen(true: TrueGlomerulus) -> Region:
    assert true.outline_px is not None  # phantoms' truth has outlines
    return Region(RegionType.POLYGON, true.outline_px)


def _outlines(outlines: Sequence[Region], number: str, true: TrueGlomerulus) -> list[Region]:
    """The outlines, that of a number redrawn where it is not good."""
    kept = [one for one in outlines if one.text != number or _dice(one.vertices_viewer, true) >= GOOD_DICE]
    return kept if len(kept) == len(outlines) else [*kept, _pen(true)]


def _dice(outline: Points, true: TrueGlomerulus) -> float:
    one, other = (shapely.Polygon(points).buffer(0) for points in (outline, true.outline_px))
    return float(2 * one.intersection(other).area / (one.area + other.area))


def _boxes(truth: Truth) -> list[Region]:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return [Region(RegionType.RECTANGLE, box[:2] + corners * box[2:]) for box in truth.spike_boxes_px]


def measured(samples: Sequence[Sample], results: Path) -> str:
    """How many glomeruli were found, how well they are outlined and called, in words."""
    true = false = 0
    dices: list[float] = []
    calls: list[tuple[bool, float, bool]] = []  # spiked, its probability, called spiked
    for sample in samples:
        with open_slide(sample.image) as slide:
            waiting = list(slide_truth(sample, slide.facts).glomeruli)
        true += len(waiting)
        folder = results / sample.image.stem
        layers = {layer.name: layer.regions for layer in read_imagescope(folder / f"{folder.name}.xml")}
        outlines = {region.text: region.vertices_viewer for region in layers[OUTLINES.name]}
        with (folder / "glomeruli.csv").open() as file:
            scored = {row["id"]: row for row in csv.DictReader(file)}
        for region in layers[SPIKED.name] + layers[OTHER.name]:
            one, row = _under(region, waiting), scored[region.text.split(":")[0]]
            if one is None:
                false += 1
                continue
            waiting.remove(one)
            dices.append(_dice(outlines[row["id"]], one))
            calls.append((one.label == "spiked", float(row["spike_probability"]), row["spiked"] == "1"))
    spiked, probabilities, called = (np.array(values) for values in zip(*calls, strict=True))
    found = f"found {len(dices)} of {true}, false {false}, Dice {np.mean(dices):.3f}"
    right = f"called rightly {(spiked == called).sum()} of {len(calls)}"
    return f"{found}, AUC {roc_auc_score(spiked, probabilities):.3f}, {right}"


if __name__ == "__main__":
    main()
