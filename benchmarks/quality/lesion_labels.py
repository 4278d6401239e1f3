"""What SimSiam is worth to a lesion classifier at 1, 5, 10, 25 and 100 % of the labels, as a table.

    python -m benchmarks.quality.lesion_labels SAMPLES OUT

SAMPLES is a samples.csv with a column `lesion`. An encoder learns from the crops of its training patients
without labels; then each share of the labels trains a classifier from random weights and one from that
encoder, in as many steps. Both are measured on the test patients. OUT gets the trainings and `table.md`; an
interrupted run goes on.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console

from glomspike.learn.evaluation import Evaluation
from glomspike.learn.pretrain.encoder import load_encoder
from glomspike.learn.pretrain.tissue import find_source
from glomspike.learn.pretrain.train import PretrainOptions, PretrainTask
from glomspike.learn.samples import Sample, in_split, read_samples
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.lesions.evaluate import evaluate_lesions
from glomspike.lesions.train import LesionOptions, LesionTask
from glomspike.networks.device import choose_device
from glomspike.networks.models import load_model

SHARES = (0.01, 0.05, 0.10, 0.25, 1.0)
BEGINNINGS = ("random weights", "SimSiam")
ENCODER = "resnet18-short"  # the network whose weights ship
COLUMNS = ("image", "mpp", "mask", "lesion", "patient", "split")


@click.command(help=__doc__)
@click.argument("samples", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--side", default=64, show_default=True, help="Pixels across a crop.")
@click.option("--patches", default=1200, show_default=True, help="Unlabelled patches to learn from.")
@click.option("--pretrain-epochs", default=12, show_default=True, help="How often these are gone through.")
@click.option("--epochs", default=4, show_default=True, help="Of a classifier, of 1000 crops each.")
@click.option("--device", default="auto", show_default=True)
def main(
    samples: Path, out: Path, side: int, patches: int, pretrain_epochs: int, epochs: int, device: str
) -> None:
    console, chosen = Console(stderr=True), choose_device(device)
    fabric = fabric_on(chosen.device, 1)
    pretraining = PretrainTask([find_source(samples.parent)], PretrainOptions("resnet18", side, patches))
    settings = Settings(pretrain_epochs, 64, 3e-4, 0.05)
    encoder = load_encoder(train(pretraining, settings, fabric, out / "encoder", console).parent)
    rows = read_samples([samples])
    lines = [
        "| labels | crops | begins with | balanced accuracy | macro F1 | AUC [95 %] |",
        "|---|---|---|---|---|---|",
    ]
    for share in SHARES:
        table, count = _share_of_labels(rows, share, out / f"labels-{round(100 * share):03d}")
        for beginning, state in zip(BEGINNINGS, (None, encoder), strict=True):
            task = LesionTask([table], LesionOptions(ENCODER, side), state)
            folder = table.parent / beginning.replace(" ", "-")
            train(task, Settings(epochs, 16, 1e-3), fabric, folder, console)
            found = _measured(folder, in_split(rows, "test"), fabric)
            lines.append(f"| {100 * share:.0f} % | {count} | {beginning} | {_numbers(found)} |")
            (out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _share_of_labels(rows: Sequence[Sample], share: float, folder: Path) -> tuple[Path, int]:
    """A table of this share of the training rows, and of all validation rows; and how many the share is.

    Larger shares hold the smaller ones, and each has at least one row of each lesion.
    """
    training = in_split(rows, "train")
    order = np.random.default_rng(0).permutation(len(training))
    lesions = np.array([training[i].lesion for i in order])
    first = [int(np.flatnonzero(lesions == lesion)[0]) for lesion in np.unique(lesions)]
    places = [*first, *(i for i in range(len(order)) if i not in first)]
    count = max(len(first), round(share * len(training)))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in [training[order[i]] for i in places[:count]] + in_split(rows, "val"):
            mask = row.mask and row.mask.absolute()
            table.writerow([row.image.absolute(), row.mpp, mask, row.lesion, row.patient, row.split])
    return folder / "samples.csv", count


def _measured(folder: Path, rows: Sequence[Sample], fabric: Fabric) -> Evaluation:
    model = load_model("lesions", folder, torch.device(fabric.device))
    return evaluate_lesions(rows, model, lambda _done, _whole: None)


def _numbers(found: Evaluation) -> str:
    numbers = found.numbers
    interval = numbers["auc_ci95"]
    assert isinstance(interval, list)
    low, high = interval
    auc = f"{numbers['auc']:.3f} [{low:.3f}, {high:.3f}]"
    return f"{numbers['balanced_accuracy']:.3f} | {numbers['macro_f1']:.3f} | {auc}"


if __name__ == "__main__":
    main()
