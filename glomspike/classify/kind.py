"""The spike classifier as a kind of model: MSA-MIL by default, attention and other pooling by option."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.errors import UsageError
from glomspike.networks.kinds import Beginning, ChosenOptions, Measuring, ModelKind, Training
from glomspike.typed import Number

if TYPE_CHECKING:
    from torch import nn

    from glomspike.findings import CallRule, SlideFacts
    from glomspike.learn.evaluation import Evaluation, Progress
    from glomspike.learn.samples import Sample
    from glomspike.learn.training import Settings, Task
    from glomspike.networks.models import Model
    from glomspike.networks.stage import Stage
    from glomspike.networks.weights import Card
    from glomspike.results.options import Options

MSA_MIL, POOLINGS = "msa-mil", ("attention", "gated-attention", "max", "single")
SYNTHETIC_SHARE = 0.25
TILING = ("tile_px", "stride_px", "coverage")
ROUNDS = ("k_pos", "k_neg", "bags_per_round", "tiles_per_bag", "view_px")
OF_MSA_MIL = (*ROUNDS, "batch", "synthetic", "synthetic_share")


def _network(card: "Card") -> "nn.Module":
    """The network of a card; its arguments say how glomeruli are cut into tiles, which any network sees."""
    from glomspike.classify.model import NETWORKS
    from glomspike.classify.pooling import POOLED

    return (NETWORKS | POOLED)[card.architecture]()


def _check(chosen: ChosenOptions) -> None:
    if "synthetic_share" in chosen and "synthetic" not in chosen:
        raise UsageError("--synthetic-share", "needs synthetic tiles", "give --synthetic as well")
    if "view_px" in chosen and "synthetic" in chosen:
        cause = "needs tissue around each tile, which synthetic tiles do not have"
        raise UsageError("--view-px", cause, "omit one of them")
    if not _is_pooled(chosen):
        return
    for name in OF_MSA_MIL:
        if name in chosen:
            cause = f"is not for {chosen['method']}, which learns from all tiles of one glomerulus at a time"
            raise UsageError(f"--{name.replace('_', '-')}", cause, "omit it")


def _is_pooled(chosen: ChosenOptions) -> bool:
    return bool(chosen.get("method", MSA_MIL) != MSA_MIL)


def _task(beginning: Beginning, chosen: ChosenOptions) -> "Task":
    return _pooled_task(beginning, chosen) if _is_pooled(chosen) else _mil_task(beginning, chosen)


def _mil_task(beginning: Beginning, chosen: ChosenOptions) -> "Task":
    """The training by MSA-MIL; a classifier that goes on learning keeps its network and its tiles."""
    from glomspike.classify.train_msa_mil import MilOptions, MilTask

    tables, state, seed, model = beginning.tables, beginning.state, beginning.seed, beginning.model
    if model is not None and model.card.architecture in POOLINGS:
        raise _other_method(model.card.architecture)
    options = MilOptions.beginning_with(beginning.encoder) if model is None else MilOptions.of(model.card)
    options = options.changed({name: chosen[name] for name in (*TILING, *ROUNDS) if name in chosen})
    if options.view_px is not None:
        from glomspike.classify.train_views import ViewTask
        from glomspike.classify.views import view_side_px

        if options.view_px < (least_px := view_side_px(options.tiling.tile_px)):
            cause = f"is too narrow for a tile of {options.tiling.tile_px} px with what is around it"
            raise UsageError(f"--view-px {options.view_px}", cause, f"give {least_px} or more")
        return ViewTask(tables, options, state, seed)
    if "synthetic" not in chosen:
        return MilTask(tables, options, state, seed)
    from glomspike.classify.synthetic import load_synthetic
    from glomspike.classify.train import MPP
    from glomspike.learn.samples import read_samples

    share = chosen.get("synthetic_share", SYNTHETIC_SHARE)
    tiles = load_synthetic(chosen["synthetic"], share, read_samples(tables), MPP, options.tiling)
    return MilTask(tables, options, state, seed, tiles)


def _pooled_task(beginning: Beginning, chosen: ChosenOptions) -> "Task":
    """The training of a classifier that pools tiles; one that goes on learning keeps its tiles."""
    from glomspike.classify.train_attention import AttentionOptions, AttentionTask

    method, model = chosen["method"], beginning.model
    if model is None:
        tiling = {name: chosen[name] for name in TILING if name in chosen}
        options = AttentionOptions.of_method(method, "no_auxiliary" not in chosen, tiling)
    elif model.card.architecture == method:
        options = AttentionOptions.of(model.card)
    else:
        raise _other_method(model.card.architecture)
    return AttentionTask(beginning.tables, options, beginning.state, beginning.seed)


def _other_method(architecture: str) -> UsageError:
    method = architecture if architecture in POOLINGS else MSA_MIL
    return UsageError("--weights", f"are of the method {method}", f"give --method {method}")


def _adjusted(settings: "Settings", chosen: ChosenOptions) -> "Settings":
    """The settings of attention MIL's reference where tiles are pooled."""
    if not _is_pooled(chosen):
        return settings
    from glomspike.classify.train_attention import attention_settings

    return attention_settings(settings.epochs, chosen.get("learning_rate"), settings.seed, settings.schedule)


def _evaluate(
    samples: "Sequence[Sample]", model: "Model", progress: "Progress", chosen: ChosenOptions
) -> "Evaluation":
    from glomspike.classify.evaluate import evaluate_classifier

    return evaluate_classifier(samples, model, chosen.get("threshold"), progress)


def _stage(model: "Model", slide: "SlideFacts", options: "Options") -> "Stage":
    from glomspike.classify.stage import SpikeStage

    return SpikeStage(model, slide.mpp, call_rule(model.card, options.threshold))


def call_rule(card: "Card", typed: float | None) -> "CallRule":
    """How glomeruli are called: by the one cut that was typed, else by what the classifier's card says."""
    from glomspike.findings import CallRule

    if typed is not None:
        return CallRule.of_one_cut(typed)
    threshold, calls = card.thresholds["spiked"], card.call_thresholds
    if calls is None:
        return CallRule.of_one_cut(threshold)
    none_below = card.extent.none_below if card.extent is not None else 0.0
    return CallRule(threshold, calls.not_spiked_below, calls.spiked_from, none_below)


_TRAINING_OPTIONS = (
    click.Option(
        ["--method"],
        type=click.Choice([MSA_MIL, *POOLINGS]),
        help=f"How the classifier learns from glomeruli  [default: {MSA_MIL}]",
    ),
    click.Option(["--tile-px"], type=click.IntRange(8), help="Side of a tile  [default: 50]"),
    click.Option(["--stride-px"], type=click.IntRange(1), help="Distance between tiles  [default: 25]"),
    click.Option(
        ["--coverage"],
        type=Number(0, 1, min_open=True),
        help="Least share of a tile inside the outline  [default: 0.5]",
    ),
    click.Option(
        ["--k-pos"], type=click.IntRange(1), help="Tiles chosen from each spiked glomerulus  [default: 1]"
    ),
    click.Option(
        ["--k-neg"], type=click.IntRange(1), help="Tiles chosen from each other glomerulus  [default: 5]"
    ),
    click.Option(
        ["--bags-per-round"], type=click.IntRange(1), help="Glomeruli scored in each round  [default: all]"
    ),
    click.Option(
        ["--tiles-per-bag"], type=click.IntRange(1), help="Tiles to choose from in each  [default: all]"
    ),
    click.Option(
        ["--view-px"],
        type=click.IntRange(1),
        help="Learn from all tiles in views of this width around those chosen.",
    ),
    click.Option(
        ["--synthetic"], type=click.Path(path_type=Path), help="Also learn from tiles of `glomspike augment`."
    ),
    click.Option(
        ["--synthetic-share"],
        type=Number(0, 0.9, min_open=True),
        help=f"At most this share of a round's spiked tiles is synthetic  [default: {SYNTHETIC_SHARE}]",
    ),
    click.Option(
        ["--no-auxiliary"],
        is_flag=True,
        help="With attention and max: tiles do not also learn one by one.",
    ),
)

KIND = ModelKind(
    name="classifier",
    title="spike classifier",
    network=_network,
    training=Training(
        task=_task,
        options=_TRAINING_OPTIONS,
        epochs=30,
        # The installed weights are of MSA-MIL.
        starts_new=_is_pooled,
        check=_check,
        adjusted=_adjusted,
    ),
    measuring=Measuring(
        _evaluate,
        options=(
            click.Option(
                ["--threshold"],
                type=Number(0, 1),
                metavar="P",
                help="Probability from which a glomerulus counts as spiked, instead of the one on the card.",
            ),
        ),
    ),
    required=True,
    stage=_stage,
)
