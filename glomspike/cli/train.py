"""`glomspike train`: new weights from annotated tissue."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from glomspike.learn.training import Schedule, Task
    from glomspike.networks.models import Model
    from glomspike.networks.weights import Kind
    from glomspike.segment.model import Architecture

EPILOG = """\b
Examples:
  glomspike train detector ours/samples.csv --out detector
  glomspike train segmenter ours/samples.csv more/samples.csv --out segmenter --epochs 60
  glomspike slide.svs results --detector detector

\b
SAMPLES are tables of annotated pictures (docs/training.md). An interrupted
training goes on where it was when the same command is typed again."""

PHOTOGRAPHS = "imagenet"
EPOCHS = {"detector": 40, "segmenter": 40, "classifier": 30, "lesions": 40}
BATCH = {"detector": 8, "segmenter": 8, "classifier": 8, "lesions": 16}
OF_MSA_MIL = (
    "k_pos", "k_neg", "bags_per_round", "tiles_per_bag", "view_px", "batch", "synthetic", "synthetic_share"
)  # fmt: skip
SYNTHETIC_SHARE = 0.25
# Options that shape a network; those of the classifier's tiles and method are others.
OF_ONE_MODEL = {
    "mpp": "detector", "by_lesion": "detector", "architecture": "segmenter", "encoder": "lesions",
    "linear_probe": "lesions",
}  # fmt: skip
OF_NEW_NETWORKS = OF_ONE_MODEL.keys() - {"by_lesion"}
MSA_MIL, POOLINGS = "msa-mil", ("attention", "gated-attention", "max", "single")
ENCODERS = ("resnet50", "resnet34", "resnet18", "resnet18-short")


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
    metavar="PATH|imagenet",
    help="Begin with the encoder of `glomspike pretrain` or of other weights, or one of photographs.",
)
@click.option(
    "--mpp",
    type=click.FloatRange(1, 8),
    metavar="UM",
    help="µm per pixel that a detector sees at, if it does not begin with other weights  [default: 4]",
)
@click.option(
    "--architecture",
    type=click.Choice(["Unet", "DeepLabV3Plus"]),
    help="For a segmenter that does not begin with other weights.",
)
@click.option(
    "--encoder",
    type=click.Choice(ENCODERS),
    help=f"For lesions that do not begin with other weights  [default: {ENCODERS[0]}]",
)
@click.option("--schedule", type=click.Choice(["onecycle", "steps"]), default="onecycle", show_default=True,
    help="How the rate changes: a rise and a fall, or 0.3 times every ten epochs.",
)  # fmt: skip
@click.option("--tile-px", type=click.IntRange(8), help="For the classifier: side of a tile  [default: 50]")
@click.option(
    "--stride-px", type=click.IntRange(1), help="For the classifier: distance of tiles  [default: 25]"
)
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True),
    help="For the classifier: least share of a tile inside the outline  [default: 0.5]",
)
@click.option("--k-pos", type=click.IntRange(1), help="Tiles of each spiked glomerulus  [default: 1]")
@click.option("--k-neg", type=click.IntRange(1), help="Tiles of each other glomerulus  [default: 5]")
@click.option(
    "--bags-per-round", type=click.IntRange(1), help="Glomeruli scored in each round  [default: all]"
)
@click.option("--tiles-per-bag", type=click.IntRange(1), help="Tiles to choose from in each  [default: all]")
@click.option(
    "--view-px", type=click.IntRange(1), help="Learn from all tiles of views so wide around those chosen."
)
@click.option(
    "--method",
    type=click.Choice([MSA_MIL, *POOLINGS]),
    default=MSA_MIL,
    show_default=True,
    help="For the classifier: how it learns from glomeruli.",
)
@click.option(
    "--synthetic", type=click.Path(path_type=Path), help="Tiles of `glomspike augment` to learn from, too."
)
@click.option(
    "--synthetic-share",
    type=click.FloatRange(0, 0.9, min_open=True),
    help=f"At most this share of a round's spiked tiles is synthetic  [default: {SYNTHETIC_SHARE}]",
)
@click.option("--no-auxiliary", is_flag=True, help="For attention and max: tiles do not learn on their own.")
@click.option("--by-lesion", is_flag=True, help="For the detector: a class for each lesion instead of one.")
@click.option("--linear-probe", is_flag=True, help="For lesions: the encoder stays as it is given.")
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
    mpp: float | None,
    architecture: "Architecture | None",
    encoder: str | None,
    linear_probe: bool,
    by_lesion: bool,
    schedule: "Schedule",
    method: str,
    no_auxiliary: bool,
    synthetic: Path | None,
    synthetic_share: float | None,
    **mil: float | None,
) -> None:
    """Train a MODEL on SAMPLES: the shipped weights go on learning from them.

    Lesions are learnt from random weights, unless --weights or --encoder-weights are given. OUT gets the
    weights and their card, metrics.csv, curves.png, and pictures of examples.
    """
    pooled = method != MSA_MIL
    # The shipped weights know lesions and a method that need not be those wanted.
    anew = (model == "lesions" or pooled) and weights is None
    fresh = from_scratch or encoder_weights is not None or anew
    own = {"mpp": mpp, "architecture": architecture, "encoder": encoder, **mil}
    own |= {"linear_probe": linear_probe or None, "by_lesion": by_lesion or None}
    own |= {"synthetic": str(synthetic) if synthetic else None, "synthetic_share": synthetic_share}
    own |= {"method": method if pooled else None, "no_auxiliary": no_auxiliary or None, "batch": batch}
    _check(model, method, fresh, [name for name, value in own.items() if value is not None])
    if model in {"classifier", "lesions"} and encoder_weights == PHOTOGRAPHS:
        cause = f"{PHOTOGRAPHS} is for detector and segmenter"
        raise UsageError("--encoder-weights", cause, "make an encoder with `glomspike pretrain`")
    import torch
    from rich.console import Console

    from glomspike.learn.training import Settings, fabric_on, train
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_model

    console = Console(stderr=True)
    chosen = choose_device(device)
    if chosen.note:
        console.print(chosen.note, highlight=False)
    fabric = fabric_on(chosen.device, gpus)
    begin = None if fresh else load_model(model, weights, torch.device("cpu"))
    if model == "lesions":
        task = _lesion_task(samples, begin, encoder_weights, encoder or ENCODERS[0], linear_probe)
    elif pooled:
        state = _beginning(begin, encoder_weights)
        task = _attention_task(samples, state, begin, seed, method, not no_auxiliary, mil)
    elif model == "classifier":
        state = _beginning(begin, encoder_weights)
        share = synthetic_share or SYNTHETIC_SHARE
        task = _classifier_task(samples, state, begin, seed, synthetic, share, mil)
    else:
        task = _task(model, samples, begin, encoder_weights, mpp or 4.0, by_lesion, architecture or "Unet")
    rate = learning_rate or (1e-3 if fresh else 2e-4)
    settings = Settings(
        epochs=epochs or EPOCHS[model],
        batch=batch or BATCH[model],
        learning_rate=rate,
        seed=seed,
        schedule=schedule,
    )
    if pooled:
        from glomspike.classify.train_attention import attention_settings

        settings = attention_settings(settings.epochs, learning_rate, seed, schedule)
    written = train(task, settings, fabric, out, console)
    console.print(f"weights: {written}", highlight=False, soft_wrap=True)


def _check(model: "Kind", method: str, fresh: bool, given: list[str]) -> None:
    """Raises UsageError for a given option that this training has no use for."""
    if "synthetic_share" in given and "synthetic" not in given:
        raise UsageError("--synthetic-share", "is of synthetic tiles", "give --synthetic, too")
    if "view_px" in given and "synthetic" in given:
        raise UsageError("--view-px", "shows real tissue, synthetic tiles have none around", "leave one out")
    for name in given:
        option = f"--{name.replace('_', '-')}"
        for_model = OF_ONE_MODEL.get(name, "classifier")
        if name != "batch" and model != for_model:
            raise UsageError(option, f"is for {for_model}", f"use it with `train {for_model}`")
        if name in OF_NEW_NETWORKS and not fresh:
            cure = "use it without --weights, and with --from-scratch or --encoder-weights"
            raise UsageError(option, "is for a training that begins without other weights", cure)
        if method != MSA_MIL and name in OF_MSA_MIL:
            cause = f"is not for {method}, which learns from all tiles of one glomerulus at a time"
            raise UsageError(option, cause, "leave it out")


def _task(
    model: "Kind",
    tables: tuple[Path, ...],
    begin: "Model | None",
    encoder_weights: str | None,
    mpp: float,
    by_lesion: bool,
    architecture: "Architecture",
) -> "Task":
    """The training of a model; weights to begin with decide what it is and at which scale it sees.

    A detector of several classes keeps them; one of one class can go on learning `by_lesion`.
    """
    state = _beginning(begin, encoder_weights)
    photographs = encoder_weights if encoder_weights == PHOTOGRAPHS else None
    if model == "detector":
        from glomspike.detect.train import ONE_CLASS, DetectorOptions, DetectorTask

        seen = DetectorOptions.at(mpp) if begin is None else DetectorOptions.of(begin.card)
        if encoder_weights is not None and photographs is None:
            from glomspike.learn.pretrain.encoder import encoder_name

            seen = replace(seen, encoder=encoder_name(Path(encoder_weights)) or seen.encoder)
        if by_lesion and seen.classes == ONE_CLASS:
            seen = replace(seen, classes=None)
        return DetectorTask(tables, seen, state, photographs)
    from glomspike.segment.train import SegmenterOptions, SegmenterTask

    outlined = SegmenterOptions(architecture) if begin is None else SegmenterOptions.of(begin.card)
    return SegmenterTask(tables, outlined, state, photographs)


def _classifier_task(
    tables: tuple[Path, ...],
    state: "dict[str, Tensor] | None",
    begin: "Model | None",
    seed: int,
    synthetic: Path | None,
    share: float,
    chosen: "Mapping[str, float | None]",
) -> "Task":
    """The training of a spike classifier; one that goes on learning keeps its network and its tiles."""
    from glomspike.classify.train_msa_mil import MilOptions, MilTask

    if begin is not None and begin.card.architecture in POOLINGS:
        raise _other_method(begin.card.architecture)
    options = (MilOptions() if begin is None else MilOptions.of(begin.card)).changed(chosen)
    if options.view_px is not None:
        from glomspike.classify.train_views import ViewTask
        from glomspike.classify.views import view_side_px

        if options.view_px < (least_px := view_side_px(options.tiling.tile_px)):
            cause = f"is too narrow for a tile of {options.tiling.tile_px} px with what is around it"
            raise UsageError(f"--view-px {options.view_px}", cause, f"give {least_px} or more")
        return ViewTask(tables, options, state, seed)
    if synthetic is None:
        return MilTask(tables, options, state, seed)
    from glomspike.classify.synthetic import load_synthetic
    from glomspike.classify.train import MPP
    from glomspike.learn.samples import read_samples

    tiles = load_synthetic(synthetic, share, read_samples(tables), MPP, options.tiling)
    return MilTask(tables, options, state, seed, tiles)


def _attention_task(
    tables: tuple[Path, ...],
    state: "dict[str, Tensor] | None",
    begin: "Model | None",
    seed: int,
    method: str,
    auxiliary: bool,
    tiling: "Mapping[str, float | None]",
) -> "Task":
    """The training of a classifier that pools tiles; one that goes on learning keeps its tiles."""
    from glomspike.classify.train_attention import AttentionOptions, AttentionTask

    options = AttentionOptions.of_method(method, auxiliary, tiling)
    if begin is not None:
        if begin.card.architecture != method:
            raise _other_method(begin.card.architecture)
        options = AttentionOptions.of(begin.card)
    return AttentionTask(tables, options, state, seed)


def _other_method(architecture: str) -> UsageError:
    method = architecture if architecture in POOLINGS else MSA_MIL
    return UsageError("--weights", f"are of the method {method}", f"give --method {method}")


def _lesion_task(
    tables: tuple[Path, ...],
    begin: "Model | None",
    encoder_weights: str | None,
    encoder: str,
    linear_probe: bool,
) -> "Task":
    """The training of a lesion classifier; one that goes on learning keeps its classes."""
    from glomspike.lesions.train import LesionOptions, LesionTask

    state = _beginning(begin, encoder_weights)
    if begin is not None:
        return LesionTask(tables, LesionOptions.of(begin.card), state, begin.card.classes)
    return LesionTask(tables, LesionOptions(encoder, linear_probe=linear_probe), state)


def _beginning(begin: "Model | None", encoder_weights: str | None) -> "dict[str, Tensor] | None":
    """The weights to begin with: a model's, those of a pretrained encoder, or none."""
    if begin is not None:
        return begin.network.state_dict()
    if encoder_weights in {None, PHOTOGRAPHS}:
        return None
    from glomspike.learn.pretrain.encoder import load_encoder

    return load_encoder(Path(encoder_weights))
