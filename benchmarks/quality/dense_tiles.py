"""Tiles pooled from one map of the glomerulus against tiles cut out one by one: speed, and quality in pairs.

    python -m benchmarks.quality.dense_tiles speed [--threads 1]
    python -m benchmarks.quality.dense_tiles quality SAMPLES WORK [--epochs 4] [--seed 0]

`speed` times both networks on all 1849 tiles of a glomerulus of 1100 × 1100 px, weights being random.
`quality` trains both on the same bags, in as many rounds, with the same seed, and prints what they reach on
the test patients. WORK keeps the trainings.
"""

import time
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console

from glomspike.classify.evaluate import evaluate_classifier
from glomspike.classify.model import NETWORKS, NORMALISATION
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.classify.tiles import PAPERS, grid_of
from glomspike.classify.train_msa_mil import MilOptions, MilTask
from glomspike.learn.samples import in_split, read_samples
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.networks.device import choose_device
from glomspike.networks.models import load_model

SIDE_PX = 1100
REPEATS = 5
NUMBERS = ("auc", "f1", "localisation_auc")


@click.group()
def main() -> None:
    """Compare the tile networks."""


@main.command()
@click.option("--threads", default=1, show_default=True)
def speed(threads: int) -> None:
    """Seconds for one glomerulus, the least of five runs."""
    torch.set_num_threads(threads)
    whole = np.ones((SIDE_PX, SIDE_PX), dtype=np.bool_)
    noise = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
    grid = grid_of(noise, whole, whole, PAPERS)
    for name, build in NETWORKS.items():
        network = build().to(memory_format=torch.channels_last).eval()
        seconds = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            tile_log_odds(network, grid, NORMALISATION)
            seconds.append(time.perf_counter() - began)
        print(f"{name}: {min(seconds):.2f} s for {len(grid.corners_px)} tiles")


@main.command()
@click.argument("samples", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--epochs", default=4, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="auto", show_default=True)
def quality(samples: Path, work: Path, epochs: int, seed: int, device: str) -> None:
    """Train both and measure them on the test patients."""
    where = choose_device(device).device
    test = in_split(read_samples([samples]), "test")
    for name in NETWORKS:
        task = MilTask([samples], MilOptions(name, k_pos=4, k_neg=20), None, seed)
        settings = Settings(epochs=epochs, batch=32, seed=seed)
        train(task, settings, fabric_on(where, 1), work / name, Console(stderr=True))
        found = evaluate_classifier(test, load_model("classifier", work / name, where), None, lambda *_: None)
        measures = [
            f"{number} {found.numbers[number]} {found.numbers[f'{number}_ci95']}" for number in NUMBERS
        ]
        print(f"{name}: {', '.join(measures)}")


if __name__ == "__main__":
    main()
