"""Networks for outlines, side by side: the same glomeruli, the same number of steps, the same beginnings.

    python -m benchmarks.quality.segmenter_networks SAMPLES... --out WORK [--encoder LITE0] [--network Unet]
        [--epochs 6] [--seeds 3] [--page PAGE]

U-Net, DeepLabV3+ and the decoders of SegFormer and UPerNet are trained on the training rows of the
tables, from random weights or on the encoder of `datasets.photograph_encoder`, and measured on their test
rows as `glomspike evaluate segmenter` does. Numbers are means over seeds; the difference from the first
network is that on the same glomeruli, with an interval over patients; the time for a glomerulus is that
of one core where this runs. WORK keeps the trainings; what is done is not done again. The table is
printed, and written into the page between its two marks.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.quality.measured_page import write_measured
from glomspike.learn.pretrain.encoder import encoder_name, load_encoder
from glomspike.learn.samples import in_split, read_samples
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.metrics.bootstrap import Interval, Rows, intervals
from glomspike.networks.device import choose_device
from glomspike.networks.models import Model, load_model
from glomspike.segment.evaluate import Comparison, compared_samples
from glomspike.segment.model import Architecture
from glomspike.segment.probability import glomerulus_probability
from glomspike.segment.train import SegmenterOptions, SegmenterTask

NAMES = {
    "Unet": "U-Net",
    "DeepLabV3Plus": "DeepLabV3+",
    "Segformer": "SegFormer",
    "UPerNet": "UPerNet",
}
BATCH, TIMED = 8, 5  # crops segmented together, and how often; the fastest counts


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the trainings.")
@click.option("--encoder", type=click.Path(path_type=Path, exists=True), help="Encoder to begin with.")
@click.option("--network", "networks", multiple=True, type=click.Choice(list(NAMES)), help="Only these.")
@click.option("--epochs", default=6, show_default=True, help="Of 1200 crops each.")
@click.option("--seeds", default=3, show_default=True, help="How many trainings of each network.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(
    tables: tuple[Path, ...],
    out: Path,
    encoder: Path | None,
    networks: tuple[Architecture, ...],
    epochs: int,
    seeds: int,
    page: Path | None,
    device: str,
) -> None:
    """Train and measure networks for outlines."""
    where = choose_device(device).device
    test = in_split(read_samples(tables), "test")
    begin = None if encoder is None else load_encoder(encoder)
    rows: list[str] = []
    first: NDArray[np.float64] | None = None
    for network in networks or get_args(Architecture):
        options = SegmenterOptions(network)
        if encoder is not None:
            options = replace(options, encoder=encoder_name(encoder) or options.encoder)
        each = []
        for seed in range(seeds):
            task, folder = SegmenterTask(tables, options, begin, None), out / f"{network}-{seed}"
            train(task, Settings(epochs, seed=seed), fabric_on(where, 1), folder, Console(stderr=True))
            trained = load_model("segmenter", folder, where)
            compared = compared_samples(test, trained, lambda _done, _of: None)
            each.append(values(compared))
        patients, overlaps = patients_of(compared), np.mean(each, axis=0)
        first = overlaps if first is None else first
        rows.append(row(trained, patients, overlaps, overlaps - first, milliseconds(trained, compared)))
        print(rows[-1], flush=True)
    text = "\n".join([*heading(patients, seeds), *rows])
    print(text)
    if page is not None:
        write_measured(page, "segmenter networks", text)


def heading(patients: NDArray[np.str_], seeds: int) -> tuple[str, str]:
    """The table's head, which says on how many glomeruli of how many patients (n,) it was measured."""
    measured = f"{len(patients)} glomeruli of {len(np.unique(patients))} patients, {seeds} seeds"
    return (
        f"| {measured} | Dice | IoU | Dice less the first's | ms a glomerulus | million weights |",
        "|---" * 6 + "|",
    )


def row(
    trained: Model,
    patients: NDArray[np.str_],
    overlaps: NDArray[np.float64],
    more: NDArray[np.float64],
    took_ms: float,
) -> str:
    """A network's row, from its Dice and IoU (n, 2), and by how much they exceed the first network's."""
    dice, iou, difference = (mean_text(*mean) for mean in means(patients, np.hstack([overlaps, more[:, :1]])))
    weights = sum(parameter.numel() for parameter in trained.network.parameters()) / 1e6
    name = NAMES[trained.card.architecture]
    return f"| {name} | {dice} | {iou} | {difference} | {took_ms:.0f} | {weights:.1f} |"


def patients_of(compared: Sequence[Comparison]) -> NDArray[np.str_]:
    """The patient of each glomerulus, (n,)."""
    return np.array([one.sample.patient for one in compared])


def values(compared: Sequence[Comparison]) -> NDArray[np.float64]:
    """Dice and IoU of each glomerulus, (n, 2)."""
    return np.array([(one.overlap.dice, one.overlap.iou) for one in compared])


def means(patients: NDArray[np.str_], numbers: NDArray[np.float64]) -> list[tuple[float, Interval | None]]:
    """The mean of each column of numbers (n, k) of glomeruli, with its interval over patients (n,)."""

    def of_rows(rows: Rows) -> list[float]:
        return list(numbers[rows].mean(axis=0).tolist())

    return list(zip(numbers.mean(axis=0).tolist(), intervals(patients, of_rows, lambda _: True), strict=True))


def mean_text(mean: float, interval: Interval | None) -> str:
    """A number with its interval."""
    return f"{mean:.3f}" if interval is None else f"{mean:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def milliseconds(trained: Model, compared: Sequence[Comparison]) -> float:
    """How long the network takes for one of a batch of crops."""
    crops = np.stack([one.pixels for one in compared[:BATCH]])
    taken = []
    for _ in range(TIMED):
        began = time.process_time()
        glomerulus_probability(trained.network, crops, trained.card.normalisation)
        taken.append(time.process_time() - began)
    return 1000 * min(taken) / len(crops)


if __name__ == "__main__":
    main()
