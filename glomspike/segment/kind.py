"""The segmenter as a kind of model: the outline of the glomerulus in each circle."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from glomspike.networks.kinds import Beginning, ChosenOptions, Measuring, ModelKind, Training

if TYPE_CHECKING:
    from torch import nn

    from glomspike.learn.evaluation import Evaluation, Progress
    from glomspike.learn.samples import Sample
    from glomspike.learn.training import Task
    from glomspike.networks.models import Model
    from glomspike.networks.weights import Card


def _network(card: "Card") -> "nn.Module":
    from glomspike.segment.model import segmentation_network

    arguments: dict[str, object] = dict(card.arguments)
    return segmentation_network(card.architecture, **arguments)  # type: ignore[arg-type]


def _task(beginning: Beginning, chosen: ChosenOptions) -> "Task":
    """The training of a segmenter; one that goes on learning keeps its network."""
    from glomspike.segment.train import SegmenterOptions, SegmenterTask

    if beginning.model is None:
        options = SegmenterOptions(chosen.get("architecture", "Unet"))
    else:
        options = SegmenterOptions.of(beginning.model.card)
    if beginning.encoder is not None:
        options = replace(options, encoder=beginning.encoder)
    photographs = "imagenet" if beginning.photographs else None
    return SegmenterTask(beginning.tables, options, beginning.state, photographs)


def _evaluate(
    samples: "Sequence[Sample]", model: "Model", progress: "Progress", chosen: ChosenOptions
) -> "Evaluation":
    from glomspike.segment.evaluate import evaluate_segmenter
    from glomspike.segment.mirrored import mirrored

    return evaluate_segmenter(samples, mirrored(model) if chosen.get("mirrored") else model, progress)


KIND = ModelKind(
    name="segmenter",
    title="segmenter",
    network=_network,
    training=Training(
        task=_task,
        options=(
            click.Option(
                ["--architecture"],
                type=click.Choice(["Unet", "DeepLabV3Plus", "Segformer", "UPerNet"]),
                help="The network of a new segmenter  [default: Unet]",
            ),
        ),
        for_new_networks=frozenset({"architecture"}),
        takes_photographs=True,
    ),
    measuring=Measuring(
        _evaluate,
        options=(
            click.Option(
                ["--mirrored"],
                is_flag=True,
                help="Outline each glomerulus four times, mirrored, and average.",
            ),
        ),
    ),
    required=True,
)
