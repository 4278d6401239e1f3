"""`glomspike train KIND`: new weights from annotated tissue."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glomspike.cli.kind_group import KindCommand, KindGroup
from glomspike.cli.progress import shown_progress
from glomspike.errors import UsageError
from glomspike.networks.kinds import Beginning, ChosenOptions, ModelKind
from glomspike.typed import Number

if TYPE_CHECKING:
    from torch import Tensor

    from glomspike.networks.models import Model

EPILOG = """\b
Examples:
  glomspike train detector ours/samples.csv --out detector
  glomspike train segmenter ours/samples.csv more/samples.csv --out segmenter --epochs 60
  glomspike slide.svs results --detector detector

\b
SAMPLES are tables of annotated pictures (docs/training.md). To resume
an interrupted training, give the same command again."""

PHOTOGRAPHS = "imagenet"
RATE_NEW, RATE_GOING_ON = 1e-3, 2e-4


def _common(kind: ModelKind) -> list[click.Parameter]:
    """What every training has."""
    training = kind.training
    photographs = f"|{PHOTOGRAPHS}" if training.takes_photographs else ""
    return [
        click.Argument(["samples"], nargs=-1, required=True, type=click.Path(path_type=Path)),
        click.Option(
            ["--out"],
            required=True,
            type=click.Path(path_type=Path),
            help="Folder for weights, curves and examples.",
        ),
        click.Option(
            ["--epochs"],
            type=click.IntRange(1),
            help=f"How often to go through the samples  [default: {training.epochs}]",
        ),
        click.Option(
            ["--batch"],
            type=click.IntRange(2),
            help=f"Pictures in a batch  [default: {training.batch}]",
        ),
        click.Option(
            ["--learning-rate"],
            type=Number(0, 1, min_open=True),
            help=f"Learning rate  [default: {RATE_NEW:g} for new networks, {RATE_GOING_ON:g} for others]",
        ),
        click.Option(
            ["--schedule"],
            type=click.Choice(["onecycle", "steps"]),
            default="onecycle",
            show_default=True,
            help="How the learning rate changes: a rise and a fall, or times 0.3 every ten epochs.",
        ),
        click.Option(["--seed"], type=click.IntRange(0), default=0, show_default=True, help="Random seed."),
        click.Option(["--device"], default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where to compute."),
        click.Option(
            ["--gpus"], type=click.IntRange(1), default=1, help="How many GPUs to train on together."
        ),
        click.Option(
            ["--weights"],
            type=click.Path(path_type=Path),
            help="Weights to start from instead of the installed ones.",
        ),
        click.Option(["--from-scratch"], is_flag=True, help="Start from random weights."),
        click.Option(
            ["--encoder-weights"],
            metavar=f"PATH{photographs}",
            help="Start from the encoder of `glomspike pretrain` or of other weights"
            + (", or one trained on photographs." if photographs else "."),
        ),
    ]


def _train(kind: ModelKind, typed: dict[str, Any]) -> None:
    """Trains a model as typed; what excludes each other is refused before anything heavy is loaded."""
    training = kind.training
    chosen = {name: value for name, value in typed.items() if value is not None and value is not False}
    training.check(chosen)
    is_new = (
        "from_scratch" in chosen
        or "encoder_weights" in chosen
        or ("weights" not in chosen and training.starts_new(chosen))
    )
    _refuse_misplaced(kind, chosen, is_new)
    import torch
    from rich.console import Console

    from glomspike.learn.samples import skipped
    from glomspike.learn.training import Settings, fabric_on, train
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_model

    console = Console(stderr=True)
    where = choose_device(chosen["device"])
    for note in (where.note, skipped(chosen["samples"], kind.modalities)):
        if note:
            console.print(note, highlight=False, soft_wrap=True)
    fabric = fabric_on(where.device, chosen["gpus"])
    model = None if is_new else load_model(kind.name, chosen.get("weights"), torch.device("cpu"))
    photographs = chosen.get("encoder_weights") == PHOTOGRAPHS
    state, encoder = _state(model, chosen)
    shown = partial(shown_progress, kind.name)
    beginning = Beginning(chosen["samples"], model, state, photographs, typed["seed"], encoder, shown)
    settings = Settings(
        epochs=chosen.get("epochs", training.epochs),
        batch=chosen.get("batch", training.batch),
        learning_rate=chosen.get("learning_rate", RATE_NEW if is_new else RATE_GOING_ON),
        seed=typed["seed"],
        schedule=chosen["schedule"],
    )
    task = training.task(beginning, chosen)
    written = train(task, training.adjusted(settings, chosen), fabric, chosen["out"], console)
    console.print(f"weights: {written}", highlight=False, soft_wrap=True)


def _refuse_misplaced(kind: ModelKind, chosen: ChosenOptions, is_new: bool) -> None:
    """Raises UsageError for an option that a training that begins like this has no use for."""
    if chosen.get("encoder_weights") == PHOTOGRAPHS and not kind.training.takes_photographs:
        cause = f"{PHOTOGRAPHS} is not for a {kind.title}"
        raise UsageError("--encoder-weights", cause, "make an encoder with `glomspike pretrain`")
    for name in () if is_new else kind.training.for_new_networks & chosen.keys():
        cure = "use it without --weights, and with --from-scratch or --encoder-weights"
        cause = "is only for training from scratch or from an encoder"
        raise UsageError(f"--{name.replace('_', '-')}", cause, cure)


def _state(model: "Model | None", chosen: ChosenOptions) -> "tuple[dict[str, Tensor] | None, str | None]":
    """The tensors to begin with, a model's or those of a pretrained encoder, and which encoder that is."""
    if model is not None:
        return model.network.state_dict(), None
    encoder_weights = chosen.get("encoder_weights")
    if encoder_weights in {None, PHOTOGRAPHS}:
        return None, None
    from glomspike.learn.pretrain.encoder import encoder_name, load_encoder

    return load_encoder(Path(encoder_weights)), encoder_name(Path(encoder_weights))


def _command(kind: ModelKind) -> click.Command:
    return KindCommand(
        kind,
        lambda other: other.training.options,
        params=[*_common(kind), *kind.training.options],
        callback=lambda **typed: _train(kind, typed),
        help=f"Train a {kind.title} on SAMPLES.\n\nOUT gets the weights and their card, metrics.csv, "
        "curves.png, and pictures of examples.",
        short_help=f"Train a {kind.title}.",
        epilog=EPILOG,
    )


command = KindGroup(
    "train",
    _command,
    help="Train a model on annotated tissue.\n\nTraining starts from the installed weights; for lesions "
    "from random weights, unless --weights or --encoder-weights is given.",
    epilog=EPILOG,
)
