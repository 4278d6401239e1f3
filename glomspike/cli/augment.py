"""`glomspike augment`: synthetic tiles with spikes, for a classifier to learn from."""

from pathlib import Path

import click

EPILOG = """\b
Examples:
  glomspike augment ours/samples.csv --classifier classifier --out synthetic
  glomspike train classifier ours/samples.csv --synthetic synthetic --out better

\b
This needs a GPU: docs/synthetic-spikes.md describes what to expect. To resume
an interrupted run, give the same command again, also with other --tiles or
more --epochs."""


@click.command(name="augment", epilog=EPILOG, short_help="Make synthetic tiles with spikes for training.")
@click.argument(
    "samples", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for tiles, figures and examples."
)
@click.option(
    "--classifier",
    type=click.Path(path_type=Path),
    help="Classifier that finds the spikes, instead of the installed one.",
)
@click.option(
    "--tiles",
    "count",
    type=click.IntRange(24),
    default=2000,
    show_default=True,
    help="How many tiles to make.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=150,
    show_default=True,
    help="How long to train, in epochs of 128 batches.",
)
@click.option("--batch", type=click.IntRange(2), default=32, show_default=True, help="Pictures in a batch.")
@click.option(
    "--width",
    type=click.IntRange(4),
    default=256,
    show_default=True,
    help="Channels of the networks; 32 for a CPU.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Random seed.")
@click.option("--device", default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where to compute.")
def command(
    samples: tuple[Path, ...],
    out: Path,
    classifier: Path | None,
    count: int,
    epochs: int,
    batch: int,
    width: int,
    seed: int,
    device: str,
) -> None:
    """Make synthetic tiles with spikes from those found in the training patients of SAMPLES (IDA-MIL).

    OUT gets the tiles, a sheet of real and synthetic ones, synthetic.json with measures of their likeness,
    metrics.csv, curves.png and examples of each epoch.
    """
    from rich.console import Console

    from glomspike.classify.synthesis.make import make_synthetic
    from glomspike.classify.synthesis.train import GanSettings
    from glomspike.learn.training import fabric_on
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_model

    console = Console(stderr=True)
    chosen = choose_device(device)
    if chosen.note:
        console.print(chosen.note, highlight=False)
    fabric = fabric_on(chosen.device, 1)
    model = load_model("classifier", classifier, chosen.device)
    settings = GanSettings(epochs, batch, width, seed)
    written = make_synthetic(samples, model, settings, count, fabric, out, console)
    console.print(f"synthetic tiles: {written}", highlight=False, soft_wrap=True)
