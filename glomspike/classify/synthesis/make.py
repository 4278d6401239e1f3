"""From annotated tissue and a trained classifier to a folder of synthetic tiles with spikes (IDA-MIL)."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray
from rich.console import Console

from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.synthesis.features import FeatureNetwork
from glomspike.classify.synthesis.folder import PICTURES, Manifest, write_manifest
from glomspike.classify.synthesis.harvest import SURE, harvested
from glomspike.classify.synthesis.train import GanRun, GanSettings, beside, sampled
from glomspike.classify.tiles import TileGrid
from glomspike.learn.training import table_signature, training_data
from glomspike.metrics.likeness import Likeness, likeness
from glomspike.networks.models import Model
from glomspike.results.png import write_rgb


def make_synthetic(
    tables: Sequence[Path],
    classifier: Model,
    settings: GanSettings,
    count: int,
    fabric: Fabric,
    out: Path,
    console: Console,
) -> Path:
    """The path of the written `synthetic.json`, of `count` synthetic tiles in the folder `out`.

    Trains a generator on tiles that the classifier is sure of, or goes on training it. Raises SamplesError
    where there are hardly any such tiles, OutputError where `out` cannot be written or holds another one.
    """
    features = FeatureNetwork.shipped(fabric.device)
    harvest = harvested(tables, classifier)
    console.print(
        f"{len(harvest.windows)} tiles with p of {SURE} or more, of {harvest.glomeruli} glomeruli of "
        f"{len(harvest.patients)} patients",
        highlight=False,
    )
    signature = f"{table_signature(tables)} {classifier.card.sha256}"
    run = GanRun(harvest, features, settings, signature, fabric, out, console)
    while not run.is_done:
        run.epoch()
    return _write(tables, classifier, run, count)


def _write(tables: Sequence[Path], classifier: Model, run: GanRun, count: int) -> Path:
    """Writes a sheet, `count` tiles, and what is to be said of them, into the folder of a training."""
    harvest, features, seed = run.harvest, run.features, run.settings.seed + 1
    made = sampled(run.mean, count, seed)
    real = harvest.pictures(min(count, len(harvest.windows)), seed)
    write_rgb(run.out / "sheet.png", beside(real, made))
    sure = {"real": called_spiked(classifier, real), "synthetic": called_spiked(classifier, made)}
    run.console.print(
        f"the classifier is sure of spikes in {sure['synthetic']:.0%} of the synthetic tiles, and in "
        f"{sure['real']:.0%} of the real ones as the generator saw them",
        highlight=False,
        soft_wrap=True,
    )
    manifest = Manifest(
        pictures=_write_pictures(run.out, made),
        tile_px=tiling_of(classifier).tile_px,
        mpp=classifier.card.mpp,
        derived_from=training_data(tables),
        patients=harvest.patients,
        tiles=len(harvest.windows),
        glomeruli=harvest.glomeruli,
        classifier=classifier.card.sha256,
        generator={"architecture": "StyleGAN2-ADA", **asdict(run.settings), "epochs": run.progress.epochs},
        features=features.name,
        likeness=_likeness(features.of(real), features.of(made)),
        called_spiked=sure,
    )
    return write_manifest(run.out, manifest)


def called_spiked(classifier: Model, pictures: NDArray[np.uint8]) -> float:
    """The share of pictures in whose middle tile the classifier is sure of spikes."""
    tile_px, side_px = tiling_of(classifier).tile_px, pictures.shape[1]
    corner, everywhere = np.full((1, 2), (side_px - tile_px) // 2), np.ones((side_px, side_px), np.bool_)
    grids = [TileGrid(picture, everywhere, corner, tile_px, 0) for picture in pictures]
    verdicts = bag_classifier(classifier).verdicts(grids)
    return float(np.mean([verdict.tiles[0] >= SURE for verdict in verdicts]))


def _likeness(real: NDArray[np.float64], made: NDArray[np.float64]) -> dict[str, Likeness]:
    """Of synthetic and real pictures; of half as many; and of that many real ones and other real ones."""
    half = min(len(real), len(made)) // 2
    return {
        "synthetic": likeness(real[: 2 * half], made[: 2 * half]),
        "synthetic, half as many": likeness(real[:half], made[:half]),
        "other real ones, half as many": likeness(real[:half], real[half : 2 * half]),
    }


def _write_pictures(out: Path, pictures: NDArray[np.uint8]) -> tuple[str, ...]:
    """Writes the pictures; their names relative to the folder."""
    (out / PICTURES).mkdir(parents=True, exist_ok=True)
    names = tuple(f"{PICTURES}/{number:05d}.png" for number in range(1, len(pictures) + 1))
    for name, picture in zip(names, pictures, strict=True):
        write_rgb(out / name, picture)
    return names
