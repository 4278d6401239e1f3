"""What synthetic tiles with spikes are worth (IDA-MIL): MSA-MIL with and without them, on the same phantoms.

    python -m benchmarks.quality.synthetic_spikes PHANTOMS WORK [--scale small|paper] [--encoder ENCODER]
                                          [--page docs/synthetic-spikes.md] [--device auto|cuda|cpu]

PHANTOMS and WORK may be those of `ablation.py`, begun with the same encoder: its crops, and its MSA-MIL with
and without boxes, are then taken as they are. The one without boxes finds the tiles that the generator learns
from. What is done is not done again. The tables are printed, and written into the page between its marks.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import torch
from rich.console import Console
from torch import Tensor

from benchmarks.quality.ablation import (
    SCALES,
    SEED,
    VARIANTS,
    Numbers,
    Scale,
    Variant,
    header,
    msa_mil,
    options_of,
    row,
    settings_of,
    trained,
)
from benchmarks.quality.ablation_crops import write_crops
from benchmarks.quality.measured_page import write_measured
from glomspike.classify.kind import SYNTHETIC_SHARE
from glomspike.classify.synthesis.folder import MANIFEST, read_manifest
from glomspike.classify.synthesis.make import make_synthetic
from glomspike.classify.synthesis.train import GanSettings
from glomspike.classify.synthetic import load_synthetic
from glomspike.classify.train import MPP
from glomspike.classify.train_msa_mil import MilTask
from glomspike.learn.pretrain.encoder import load_encoder
from glomspike.learn.samples import read_samples
from glomspike.learn.training import fabric_on
from glomspike.metrics.roc import STATISTICS
from glomspike.networks.device import choose_device
from glomspike.networks.models import load_model

BOXED = next(variant for variant in VARIANTS if variant.name == "MSA-MIL")
WEAK = next(variant for variant in VARIANTS if variant.table == "no-boxes")
ROWS = {"labels alone (MIL)": WEAK, "labels and boxes (MSA-MIL)": BOXED}
GANS = {"small": GanSettings(epochs=20, batch=16, width=32), "paper": GanSettings()}
SAMPLES = {"small": 400, "paper": 5000}
SHOWN = (*STATISTICS, "localisation_auc")


@click.command()
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True)
@click.option("--encoder", type=click.Path(path_type=Path), help="A trained encoder to begin with.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the tables into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(
    phantoms: Path, work: Path, scale: str, encoder: Path | None, page: Path | None, device: str
) -> None:
    """Train a classifier, a generator on what it finds, and the classifier again."""
    where = choose_device(device).device
    write_crops(phantoms, work / "crops", SCALES[scale].glomeruli)
    begin = None if encoder is None else load_encoder(encoder)
    _plain(work, WEAK, SCALES[scale], begin, where)
    _synthetic(work, scale, where)
    _augmented(work, WEAK, SCALES[scale], begin, where)
    _plain(work, BOXED, SCALES[scale], begin, where)
    _augmented(work, BOXED, SCALES[scale], begin, where)
    for what, lines in (("synthetic classifiers", classifiers(work)), ("synthetic tiles", tiles(work))):
        text = "\n".join(lines)
        print(text)
        if page is not None:
            write_measured(page, what, text)


def _plain(
    work: Path, variant: Variant, scale: Scale, begin: dict[str, Tensor] | None, device: torch.device
) -> None:
    folder = work / variant.folder
    if not _is_done(folder):
        options = options_of(variant, scale)
        _keep(folder, msa_mil(_table(work, variant), options, scale, begin, device, folder))


def _synthetic(work: Path, scale: str, device: torch.device) -> None:
    folder = work / "synthetic"
    if not (folder / MANIFEST).is_file():
        classifier, tables = load_model("classifier", work / WEAK.folder, device), [_table(work, WEAK)]
        fabric, console = fabric_on(device, 1), Console(stderr=True)
        make_synthetic(tables, classifier, GANS[scale], SAMPLES[scale], fabric, folder, console)


def _augmented(
    work: Path, variant: Variant, scale: Scale, begin: dict[str, Tensor] | None, device: torch.device
) -> None:
    folder, table = _augmented_folder(work, variant), _table(work, variant)
    options = options_of(variant, scale)
    if not _is_done(folder):
        synthetic = load_synthetic(
            work / "synthetic", SYNTHETIC_SHARE, read_samples([table]), MPP, options.tiling
        )
        task = MilTask([table], options, begin, SEED, synthetic)
        _keep(folder, trained(task, settings_of(scale), device, folder))


def classifiers(work: Path) -> Iterator[str]:
    """The rows of the classifiers' table in Markdown, each number with its interval."""
    yield from header("learnt from", SHOWN)
    for name, variant in ROWS.items():
        with_tiles = f"{name.split(' (')[0]}, and synthetic tiles"
        for title, folder in ((name, work / variant.folder), (with_tiles, _augmented_folder(work, variant))):
            yield row(title, folder / "result.json", SHOWN)


def tiles(work: Path) -> Iterator[str]:
    """The rows of the table of likeness to real tiles, with the network that was used, in Markdown."""
    manifest = read_manifest(work / "synthetic")
    yield "| real tiles against | pictures of either | FID | KID | precision | recall |"
    yield "|---|---|---|---|---|---|"
    for name, found in manifest.likeness.items():
        yield (
            f"| {name} | {found.n} | {found.fid:.3f} | {found.kid:.4f} | {found.precision:.2f} "
            f"| {found.recall:.2f} |"
        )
    shares = " and ".join(f"{share:.0%} of the {name}" for name, share in manifest.called_spiked.items())
    yield ""
    yield (
        f"All by the features of: {manifest.features}. {manifest.tiles} real tiles of {manifest.glomeruli} "
        f"glomeruli of {len(manifest.patients)} patients; {len(manifest.pictures)} synthetic ones. The "
        f"classifier that found the tiles is sure of spikes in {shares} ones, cut out and turned as the "
        f"generator saw them."
    )


def _table(work: Path, variant: Variant) -> Path:
    return work / "crops" / f"{variant.table}.csv"


def _augmented_folder(work: Path, variant: Variant) -> Path:
    return work / f"{variant.folder}-with-synthetic-tiles"


def _is_done(folder: Path) -> bool:
    return (folder / "result.json").is_file()


def _keep(folder: Path, numbers: Numbers) -> None:
    (folder / "result.json").write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
