"""DeepLabV3+ beside U-Net: the same glomeruli, the same number of steps, both from random weights.

    python -m benchmarks.quality.segmenter_networks SAMPLES... --out WORK [--epochs 6] [--page PAGE]

Each network is trained on the training rows of the tables and measured on their test rows as `glomspike
evaluate segmenter` does. Below stands the difference of both on the same glomeruli, with an interval over
patients, and how long a glomerulus takes where this runs. WORK keeps the trainings; what is done is not done
again. The table is printed, and written into the page between its two marks.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from benchmarks.quality.measured_page import write_measured
from glomspike.learn.samples import in_split, read_samples
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.metrics.bootstrap import Interval, Rows, intervals
from glomspike.networks.device import choose_device
from glomspike.networks.models import Model, load_model
from glomspike.segment.evaluate import Comparison, compared_samples
from glomspike.segment.model import Architecture
from glomspike.segment.probability import glomerulus_probability
from glomspike.segment.train import SegmenterOptions, SegmenterTask

NETWORKS: tuple[Architecture, ...] = ("Unet", "DeepLabV3Plus")
NAMES = {"Unet": "U-Net", "DeepLabV3Plus": "DeepLabV3+"}
BATCH, TIMED = 8, 5  # crops segmented together, and how often; the fastest counts


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the trainings.")
@click.option("--epochs", default=6, show_default=True, help="Of 1200 crops each.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(tables: tuple[Path, ...], out: Path, epochs: int, page: Path | None, device: str) -> None:
    """Train and measure both networks for outlines."""
    where = choose_device(device).device
    test = in_split(read_samples(tables), "test")
    rows, compared = [], []
    for network in NETWORKS:
        task = SegmenterTask(tables, SegmenterOptions(network), None, None)
        train(task, Settings(epochs), fabric_on(where, 1), out / network, Console(stderr=True))
        trained = load_model("segmenter", out / network, where)
        compared.append(compared_samples(test, trained, lambda _done, _of: None))
        rows.append(row(trained, compared[-1]))
        print(rows[-1], flush=True)
    text = "\n".join([*heading(compared[0]), *rows, difference(*compared)])
    print(text)
    if page is not None:
        write_measured(page, "segmenter networks", text)


def heading(compared: Sequence[Comparison]) -> tuple[str, str]:
    """The table's head, which says on how many glomeruli of how many patients it was measured."""
    patients = len({one.sample.patient for one in compared})
    measured = f"{len(compared)} glomeruli of {patients} patients"
    return f"| {measured} | Dice | IoU | ms a glomerulus | million weights |", "|---|---|---|---|---|"


def row(trained: Model, compared: Sequence[Comparison]) -> str:
    """A network's row."""
    dice, iou = (mean_text(*mean) for mean in means(compared, values(compared)))
    weights = sum(parameter.numel() for parameter in trained.network.parameters()) / 1e6
    name = NAMES[trained.card.architecture]
    return f"| {name} | {dice} | {iou} | {milliseconds(trained, compared):.0f} | {weights:.1f} |"


def difference(first: Sequence[Comparison], second: Sequence[Comparison]) -> str:
    """The row of what the second network has more than the first."""
    dice, iou = (mean_text(*mean) for mean in means(first, values(second) - values(first)))
    return f"| difference | {dice} | {iou} | | |"


def values(compared: Sequence[Comparison]) -> np.ndarray:
    """Dice and IoU of each glomerulus, (n, 2)."""
    return np.array([(one.overlap.dice, one.overlap.iou) for one in compared])


def means(compared: Sequence[Comparison], numbers: np.ndarray) -> list[tuple[float, Interval | None]]:
    """The mean of each column of numbers (n, k) of glomeruli, with its interval over patients."""
    patients = np.array([one.sample.patient for one in compared])

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
        began = time.perf_counter()
        glomerulus_probability(trained.network, crops, trained.card.normalisation)
        taken.append(time.perf_counter() - began)
    return 1000 * min(taken) / len(crops)


if __name__ == "__main__":
    main()
