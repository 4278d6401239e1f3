"""What it is worth, and what it costs, that the detector looks at each window in three sizes.

    python -m benchmarks.quality.detector_looks SAMPLES... [--split val]... [--weights WEIGHTS]

For one look and for three: how many true circles are found and how many circles are false at several
thresholds, an overlap of 0.5 counting as found, and the seconds that it took.
"""

import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import click
import torch

from glomspike.detect.evaluate import ScannedPicture, scaled_pictures, scan
from glomspike.detect.looks import MORE_LOOKS, Look
from glomspike.learn.samples import Split, read_samples
from glomspike.learn.truth import Picture
from glomspike.networks.models import Model, load_model

SPLITS = ("train", "val", "test")
THRESHOLDS = (0.35, 0.3, 0.25, 0.2, 0.15)


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), default=["val"])
@click.option("--weights", type=click.Path(path_type=Path), help="A detector, not the shipped one.")
def main(tables: tuple[Path, ...], splits: tuple[Split, ...], weights: Path | None) -> None:
    """Compare one look with three."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    detector = load_model("detector", weights, device)
    samples = [sample for sample in read_samples(tables) if sample.split in splits]
    pictures = scaled_pictures(samples, detector.card.mpp)
    print(f"{sum(len(p.circles_px) for p in pictures)} glomeruli in {len(pictures)} pictures: found/false")
    print("looks   " + "".join(f"{threshold:>9}" for threshold in THRESHOLDS) + "   seconds")
    for looks in ((), MORE_LOOKS):
        began = time.perf_counter()
        scanned = _scanned(detector, pictures, looks)
        seconds = time.perf_counter() - began
        counts = "".join(_counts(scanned, threshold) for threshold in THRESHOLDS)
        print(f"{1 + len(looks):5}   " + counts + f"{seconds:10.1f}")


def _scanned(detector: Model, pictures: list[Picture], looks: tuple[Look, ...]) -> list[ScannedPicture]:
    card = detector.card
    with patch("glomspike.detect.looks.MORE_LOOKS", looks):
        return [scan(detector.network, p, card.input_px, card.normalisation, 0.0) for p in pictures]


def _counts(scanned: list[ScannedPicture], threshold: float) -> str:
    judged = [replace(one, threshold=threshold) for one in scanned]
    return f"{sum(one.right for one in judged):>5}/{sum(one.false for one in judged):<3}"


if __name__ == "__main__":
    main()
