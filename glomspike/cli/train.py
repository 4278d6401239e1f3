"""`glomspike train`: new weights from annotated tissue."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.errors import UsageError

if TYPE_CHECKING:
    from glomspike.models import Model
    from glomspike.segment.model import Architecture
    from glomspike.training import Task
    from glomspike.weights import Kind

EPILOG = """\b
Examples:
  glomspike train detector ours/samples.csv --out detector
  glomspike train segmenter ours/samples.csv more/samples.csv --out segmenter --epochs 60
  glomspike slide.svs results --detector detector

\b
SAMPLES are tables of annotated pictures (docs/training.md). An interrupted
training goes on where it was when the same command is typed again."""

EPOCHS = {"detector": 40, "segmenter": 40, "classifier": 30}
BATCH = {"detector": 8, "segmenter": 8, "classifier": 8}


@click.command(name="train", epilog=EPILOG, short_help="New weights from annotated tissue.")
@click.argument("model", type=click.Choice(list(EPOCHS)))
@click.argument("samples", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for weights, curves and examples."
)
@click.option("--epochs", type=click.IntRange(1), help="How often to go through the samples.")
@click.option("--batch", type=click.IntRange(2), help="Pictures learnt from at once.")
@click.option("--learning-rate", type=click.FloatRange(0, 1, min_open=True), help="How fast to learn.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Another seed, another training.")
@click.option("--device", default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where to compute.")
@click.option("--gpus", type=click.IntRange(1), default=1, help="How many GPUs to learn on together.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Weights to begin with instead of the installed ones."
)
@click.option("--from-scratch", is_flag=True, help="Begin with random weights.")
@click.option(
    "--encoder-weights",
    type=click.Choice(["imagenet"]),
    help="Begin with an encoder trained on photographs, which is downloaded.",
)
@click.option(
    "--architecture",
    type=click.Choice(["Unet", "DeepLabV3Plus"]),
    help="For a segmenter that does not begin with other weights.",
)
def command(
    model: "Kind",
    samples: tuple[Path, ...],
    out: Path,
    epochs: int | None,
    batch: int | None,
    learning_rate: float | None,
    seed: int,
    device: str,
    gpus: int,
    weights: Path | None,
    from_scratch: bool,
    encoder_weights: str | None,
    architecture: "Architecture | None",
) -> None:
    """Train a MODEL on SAMPLES: the shipped weights go on learning from them.

    OUT gets the weights and their card, metrics.csv, curves.png, and pictures of examples.
    """
    if model == "classifier" and encoder_weights is not None:
        raise UsageError("--encoder-weights", "the classifier has no encoder", "leave it out")
    fresh = from_scratch or encoder_weights is not None
    if architecture is not None and (model != "segmenter" or not fresh):
        cure = "use it with `train segmenter` and --from-scratch or --encoder-weights"
        raise UsageError("--architecture", "is for a segmenter that begins without other weights", cure)
    import torch
    from rich.console import Console

    from glomspike.device import choose_device
    from glomspike.models import load_model
    from glomspike.training import Settings, fabric_on, train

    console = Console(stderr=True)
    chosen = choose_device(device)
    if chosen.note:
        console.print(chosen.note, highlight=False)
    fabric = fabric_on(chosen.device, gpus)
    begin = None if fresh else load_model(model, weights, torch.device("cpu"))
    task = _task(model, samples, begin, encoder_weights, architecture or "Unet")
    rate = learning_rate or (1e-3 if fresh else 2e-4)
    settings = Settings(
        epochs=epochs or EPOCHS[model], batch=batch or BATCH[model], learning_rate=rate, seed=seed
    )
    written = train(task, settings, fabric, out, console)
    console.print(f"weights: {written}", highlight=False, soft_wrap=True)


def _task(
    model: "Kind",
    tables: tuple[Path, ...],
    begin: "Model | None",
    encoder_weights: str | None,
    architecture: "Architecture",
) -> "Task":
    """The training of a model; weights to begin with decide what it is and at which scale it sees."""
    state = None if begin is None else begin.network.state_dict()
    if model == "detector":
        from glomspike.detect.train import DetectorOptions, DetectorTask

        seen = DetectorOptions() if begin is None else DetectorOptions.of(begin.card)
        return DetectorTask(tables, seen, state, encoder_weights)
    if model == "segmenter":
        from glomspike.segment.train import SegmenterOptions, SegmenterTask

        outlined = SegmenterOptions(architecture) if begin is None else SegmenterOptions.of(begin.card)
        return SegmenterTask(tables, outlined, state, encoder_weights)
    from glomspike.classify.train import MilOptions, MilTask

    return MilTask(tables, MilOptions(), state)
