"""The first stages of an EfficientNet-Lite that knows photographs beside today's tile network.

    python -m benchmarks.quality.tile_encoders LITE0 SAMPLES... --out WORK [--epochs 4] [--seeds 2]

LITE0 is the encoder of `datasets.photograph_encoder`. Data, steps and seeds are the same. Neither network has
seen tissue; the tile network begins with random weights, since none of photographs exist for it. They learn
from views as the shipped classifier did (docs/adr/0023-learning-from-views.md) and are measured on the
validation patients after the last round. Below stands what a glomerulus of 1104 x 1104 px costs in the main
job, on one thread. WORK keeps the trainings; what is done is not done again.
"""

import csv
import time
from dataclasses import replace
from pathlib import Path

import click
import torch
from rich.console import Console
from torch import nn

from benchmarks.quality.measured_page import write_measured
from glomspike.classify.model import NETWORKS
from glomspike.classify.train_msa_mil import MilOptions
from glomspike.classify.train_views import ViewTask
from glomspike.learn.pretrain.encoder import load_encoder
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.networks.device import choose_device
from glomspike.networks.quick import quickened

OPTIONS = MilOptions(k_pos=8, k_neg=24, bags_per_round=80, tiles_per_bag=60, view_px=224)
BATCH, LEARNING_RATE = 12, 1e-3
SIDE_PX, TIMED = 1104, 5
TITLES = {"wide-resnet18": "ResNet-18, wide", "lite0": "EfficientNet-Lite0"}
SHOWN = {
    "auc": "AUC",
    "log_likelihood": "log likelihood of glomeruli",
    "tile_auc": "AUC of tiles",
    "tile_recall": "tiles found at .5",
}


@click.command()
@click.argument("lite0", type=click.Path(path_type=Path, exists=True))
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the trainings.")
@click.option("--epochs", default=4, show_default=True, help="Rounds of 80 glomeruli each.")
@click.option("--seeds", default=2, show_default=True, help="How many trainings of each network.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(
    lite0: Path, tables: tuple[Path, ...], out: Path, epochs: int, seeds: int, page: Path | None, device: str
) -> None:
    """Train and measure both networks."""
    where = choose_device(device).device
    beginnings = {"wide-resnet18": None, "lite0": load_encoder(lite0)}
    rows = ["| network | seed | " + " | ".join(SHOWN.values()) + " |", "|---|---|" + "---|" * len(SHOWN)]
    for seed in range(seeds):
        for architecture, state in beginnings.items():
            folder = out / f"{architecture}-{seed}"
            settings = Settings(epochs, BATCH, LEARNING_RATE, seed=seed)
            task = ViewTask(tables, replace(OPTIONS, architecture=architecture), state, seed)
            train(task, settings, fabric_on(where, 1), folder, Console(stderr=True))
            rows.append(
                f"| {TITLES[architecture]} | {seed} | " + " | ".join(last_of(folder / "metrics.csv")) + " |"
            )
            print(rows[-1], flush=True)
    costs = [f"{TITLES[name]} {milliseconds(NETWORKS[name](), where):.0f} ms" for name in beginnings]
    text = "\n".join([*rows, "", f"A glomerulus costs: {', '.join(costs)}."])
    print(text)
    if page is not None:
        write_measured(page, "tile encoders", text)


def last_of(metrics: Path) -> list[str]:
    """The numbers that are shown, of the last round in a `metrics.csv`."""
    with metrics.open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return [f"{float(last[name]):.3f}" for name in SHOWN]


def milliseconds(network: nn.Module, device: torch.device) -> float:
    """What the network of the main job takes for one glomerulus on one thread; the least of some times."""
    torch.set_num_threads(1)
    quick, taken = quickened(network, device), []
    picture = torch.rand(1, 3, SIDE_PX, SIDE_PX, device=device).to(memory_format=torch.channels_last)
    box = torch.tensor([[0.0, 500.0, 500.0, 550.0, 550.0]], device=device)
    with torch.inference_mode():
        for _ in range(TIMED):
            began = time.process_time()
            quick(picture, box)
            taken.append(time.process_time() - began)
    return 1000 * min(taken)


if __name__ == "__main__":
    main()
