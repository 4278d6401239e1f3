"""`glomspike pretrain`: an encoder that knows tissue, from pictures without annotations."""

from pathlib import Path

import click

from glomspike.typed import Number

EPILOG = """\b
Examples:
  glomspike pretrain slides more-slides --out encoder
  glomspike train detector ours/samples.csv --encoder-weights encoder --out detector

\b
A FOLDER holds pictures or slides, or a samples.csv, of which only the training
patients are used. To resume an interrupted run, give the same command again."""

# Without much of it an embedding without negatives loses dimensions (Tian et al. 2021, section 4).
WEIGHT_DECAY = 0.05
ENCODERS = ("resnet18", "resnet34", "resnet50")


@click.command(name="pretrain", epilog=EPILOG, short_help="Train an encoder on tissue without labels.")
@click.argument(
    "folders", nargs=-1, required=True, metavar="FOLDER...",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for weights, curves and examples."
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="How often to go through the tissue.",
)
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True, help="Tiles in a batch.")
@click.option(
    "--learning-rate", type=Number(0, 1, min_open=True), default=3e-4, show_default=True,
    help="Learning rate.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Random seed.")
@click.option("--device", default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where to compute.")
@click.option("--gpus", type=click.IntRange(1), default=1, help="How many GPUs to train on together.")
@click.option(
    "--encoder",
    type=click.Choice(ENCODERS),
    default=ENCODERS[0],
    show_default=True,
    help="Network of the encoder.",
)
@click.option(
    "--tile",
    type=click.IntRange(32),
    default=96,
    show_default=True,
    help="Side of the tiles, pixels.",
)
@click.option(
    "--tiles",
    type=click.IntRange(10),
    default=6000,
    show_default=True,
    help="How many pieces of tissue to cut.",
)
def command(
    folders: tuple[Path, ...],
    out: Path,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    device: str,
    gpus: int,
    encoder: str,
    tile: int,
    tiles: int,
) -> None:
    """Train an encoder on unlabelled tissue in FOLDERs by SimSiam.

    OUT gets the weights and their card, metrics.csv, curves.png, and pictures of examples; `glomspike train
    MODEL --encoder-weights OUT` begins with it.
    """
    from rich.console import Console

    from glomspike.learn.pretrain.tissue import find_source
    from glomspike.learn.pretrain.train import PretrainOptions, PretrainTask
    from glomspike.learn.training import Settings, fabric_on, train
    from glomspike.networks.device import choose_device

    console = Console(stderr=True)
    chosen = choose_device(device)
    if chosen.note:
        console.print(chosen.note, highlight=False)
    fabric = fabric_on(chosen.device, gpus)
    task = PretrainTask([find_source(folder) for folder in folders], PretrainOptions(encoder, tile, tiles))
    settings = Settings(epochs, batch, learning_rate, WEIGHT_DECAY, seed=seed)
    written = train(task, settings, fabric, out, console)
    console.print(f"weights: {written}", highlight=False, soft_wrap=True)
