"""A classifier on real silver: the one public picture of membranous spikes, and glomeruli that have none.

    python -m benchmarks.quality.real_spikes REAL MEASURING [--weights WEIGHTS] [--mpp 0.17] [--json FILE]
        [--picture FILE] [--card]

REAL holds `mn-silver-left.png` and `marks.csv`, MEASURING is what `measuring_samples.py` wrote. The picture's
scale is not stated; 0.17 to 0.20 µm/px is likely. Of the glomeruli without spikes, those count whose picture
is fine enough to show any. All of it is for measuring and looking, never to learn from.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import cv2
import numpy as np
import torch

from benchmarks.quality.card_changes import write_to_card
from glomspike.classify.bags import load_bags
from glomspike.classify.evaluate import ScoredBag, scored
from glomspike.classify.heatmap import spike_heat
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.membrane import crosses_membrane
from glomspike.classify.real_picture import REAL_PICTURE
from glomspike.classify.scores import POSITIVE, placed
from glomspike.classify.tiles import TileGrid, cut_tiles
from glomspike.findings import RGB, Outline, Points, Scores
from glomspike.learn.samples import Sample, read_samples
from glomspike.networks.models import Model, load_model
from glomspike.networks.weights import Metric
from glomspike.slide.field import Field, read_field
from glomspike.slide.reader import open_slide

PICTURE = "mn-silver-left.png"
SPIKED, NORMAL = REAL_PICTURE, "real silver without spikes"
# The part of the glomerulus that the picture shows, drawn by hand within its capsule; in its pixels.
GLOMERULUS = (
    (420, 0), (345, 100), (325, 200), (333, 320), (335, 420), (355, 525), (430, 620), (500, 700), (565, 775),
    (640, 845), (640, 0),
)  # fmt: skip
COARSEST_MPP = 0.6  # coarser ones cannot show spikes, and classifiers refuse them
TABLES = ("pasm-fields-PASM", "silver-reference", "neptune-sil")


@dataclass(frozen=True, eq=False)
class ClassifiedPart:
    """The tiles of a part of a picture, their probabilities (n,), that of the whole part, and their field."""

    grid: TileGrid
    field: Field
    tiles: Scores
    probability: float
    outline: Outline

    @classmethod
    def of(cls, model: Model, path: Path, mpp: float, outline_px: Points) -> "ClassifiedPart":
        """What a classifier says of the part of a picture within an outline (n, 2), in its pixels."""
        with open_slide(path, mpp) as slide:
            width, height = slide.facts.width0, slide.facts.height0
            scale = model.card.mpp / mpp
            field = read_field(slide, 0, 0, int(width / scale), int(height / scale), model.card.mpp)
        outline = Outline(outline_px, 0.0, False)
        grid = cut_tiles(field, outline, tiling_of(model))
        (verdict,) = bag_classifier(model).verdicts([grid])
        return cls(grid, field, verdict.tiles, verdict.probability, outline)

    def highest_at(self, x0: float, y0: float) -> float:
        """The highest probability of the tiles that hold a place of the picture."""
        place = self.field.frame.from_level0(np.array([[x0, y0]]))[0]
        corners = self.grid.corners_px
        holding = ((corners <= place) & (place < corners + self.grid.tile_px)).all(axis=1)
        return float(self.tiles[holding].max(initial=0.0))

    def drawn(self) -> RGB:
        """The field with the heatmap over it."""
        heat = spike_heat(placed(self.grid, self.tiles, self.field), self.outline, self.field)
        values = np.nan_to_num(heat)
        coloured = cv2.applyColorMap((255 * values).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
        share = 0.45 * (values > 0)[..., None]
        return np.asarray(self.field.pixels * (1 - share) + coloured * share, dtype=np.uint8)


@click.command()
@click.argument("real", type=click.Path(path_type=Path, exists=True))
@click.argument("measuring", type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path), help="Weights instead of the installed ones.")
@click.option("--mpp", default=0.17, show_default=True, help="What the real picture's scale is taken to be.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="File for the results.")
@click.option("--picture", type=click.Path(path_type=Path), help="File for the heatmap.")
@click.option("--card", "to_card", is_flag=True, help="Write the numbers into the weights' card.")
def main(
    real: Path, measuring: Path, weights: Path | None, mpp: float, file: Path | None, picture: Path | None,
    to_card: bool,
) -> None:  # fmt: skip
    """Measure a classifier on real spikes, and on real silver without them."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_model("classifier", weights, device)
    metrics = _of_spikes(model, real, mpp, picture)
    metrics += measured_normal(model, [measuring / name / "samples.csv" for name in TABLES])
    for metric in metrics:
        click.echo(f"{metric.name} {metric.value:.4g} of {metric.n}: {metric.data}")
    if file is not None:
        file.write_text(json.dumps([metric.model_dump() for metric in metrics], indent=2) + "\n")
    if to_card:
        write_to_card(weights, metrics, (SPIKED, NORMAL))


def _of_spikes(model: Model, real: Path, mpp: float, picture: Path | None) -> list[Metric]:
    """Of the places marked as spiked and as smooth, and of the glomerulus."""
    path = real / PICTURE
    glomerulus = ClassifiedPart.of(model, path, mpp, np.array(GLOMERULUS, dtype=np.float64))
    with open_slide(path, mpp) as slide:
        width, height = slide.facts.width0, slide.facts.height0
    whole = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    everything = ClassifiedPart.of(model, path, mpp, whole)
    marks = list(csv.DictReader((real / "marks.csv").open()))
    at = {
        kind: [
            seen.highest_at(float(mark["x"]), float(mark["y"]))
            for mark in marks
            if mark["kind"].startswith(kind)
        ]
        for kind, seen in (("spikes", glomerulus), ("none", everything))
    }
    if picture is not None:
        cv2.imwrite(str(picture), glomerulus.drawn()[..., ::-1])
    membrane = glomerulus.tiles[crosses_membrane(glomerulus.grid)]
    counts = (
        f"{len(at['spikes'])} marked and {len(at['none'])} smooth places, {len(membrane)} tiles with membrane"
    )
    data = f"{SPIKED}, taken to be {mpp:g} µm/px: {counts}"

    def metric(name: str, value: float) -> Metric:
        return Metric(name=name, value=value, data=data, n=1)

    return [
        metric("marked_places_found", float(np.mean(np.array(at["spikes"]) >= POSITIVE))),
        metric("lowest_marked_place", min(at["spikes"])),
        metric("smooth_places_false", float(np.mean(np.array(at["none"]) >= POSITIVE))),
        metric("highest_smooth_place", max(at["none"])),
        metric("spike_fraction_of_tiles_with_membrane", float((membrane >= POSITIVE).mean())),
        metric("probability_of_glomerulus", glomerulus.probability),
    ]


def measured_normal(model: Model, tables: Sequence[Path]) -> list[Metric]:
    """Of glomeruli without spikes: how many are called spiked, and how many tiles of 2,000 reach 0.5."""
    samples = [s for s in read_samples(tables) if s.mpp is not None and s.mpp <= COARSEST_MPP]
    found = [one for sample in samples for one in _judged(model, sample)]
    called = np.array([one.verdict.probability >= model.card.thresholds["spiked"] for one in found])
    tiles = np.concatenate([one.verdict.tiles for one in found])
    cases = len({one.bag.patient for one in found})
    data = f"{cases} cases of {NORMAL}, {len(tiles)} tiles, not trained on"
    return [
        Metric(name="false_positive_rate", value=float(called.mean()), data=data, n=len(found)),
        Metric(name="highest_tile", value=float(tiles.max()), data=data, n=len(found)),
        Metric(
            name="false_tiles_of_2000",
            value=float(2000 * (tiles >= POSITIVE).mean()),
            data=data,
            n=len(found),
        ),
    ]


def _judged(model: Model, sample: Sample) -> list[ScoredBag]:
    bags = load_bags([replace(sample, label="normal")], model.card.mpp, tiling_of(model))
    return scored(bag_classifier(model), bags)


if __name__ == "__main__":
    main()
