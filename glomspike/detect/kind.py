"""The detector as a kind of model: circles around glomeruli, for the main job's search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from glomspike.detect.size_options import OPTIONS, expected_um
from glomspike.detect.sizes import magnification
from glomspike.errors import UsageError
from glomspike.networks.kinds import Beginning, ChosenOptions, Measuring, ModelKind, Training
from glomspike.typed import Number

if TYPE_CHECKING:
    from torch import nn

    from glomspike.learn.evaluation import Evaluation, Progress
    from glomspike.learn.samples import Sample
    from glomspike.learn.training import Task
    from glomspike.networks.models import Model
    from glomspike.networks.weights import Card

DEFAULT_MPP = 4.0


def _network(card: "Card") -> "nn.Module":
    from glomspike.detect.model import CircleNet

    arguments: dict[str, object] = dict(card.arguments)
    return CircleNet(**arguments)  # type: ignore[arg-type]  # a card's arguments are checked by the network


def _task(beginning: Beginning, chosen: ChosenOptions) -> "Task":
    """The training of a detector; weights to begin with decide what it is and at which scale it sees.

    A detector of several classes keeps them; one of one class can go on learning by lesion.
    """
    if chosen.get("second_look"):
        from glomspike.detect.second_train import SecondLookTask

        assert beginning.model is not None
        return SecondLookTask(beginning.tables, beginning.model)
    from glomspike.detect.train import ONE_CLASS, DetectorOptions, DetectorTask

    if beginning.model is None:
        options = DetectorOptions.at(chosen.get("mpp", DEFAULT_MPP))
    else:
        options = DetectorOptions.of(beginning.model.card)
    if beginning.encoder is not None:
        options = replace(options, encoder=beginning.encoder)
    if chosen.get("by_lesion") and options.classes == ONE_CLASS:
        options = replace(options, classes=None)
    photographs = "imagenet" if beginning.photographs else None
    return DetectorTask(beginning.tables, options, beginning.state, photographs)


def _check(chosen: ChosenOptions) -> None:
    """Raises UsageError where a second look would have no first one."""
    for name in ("from_scratch", "encoder_weights", "by_lesion"):
        if chosen.get("second_look") and name in chosen:
            cause = f"is for a detector that is trained, not with --{name.replace('_', '-')}"
            raise UsageError("--second-look", cause, "train the detector first, then give it with --weights")


def _evaluate(
    samples: "Sequence[Sample]", model: "Model", progress: "Progress", chosen: ChosenOptions
) -> "Evaluation":
    from glomspike.detect.evaluate import evaluate_detector

    glomerulus_um = expected_um(chosen.get("animal"), chosen.get("glomerulus_um"))
    return evaluate_detector(samples, model, progress, magnification(glomerulus_um))


KIND = ModelKind(
    name="detector",
    title="detector",
    network=_network,
    training=Training(
        task=_task,
        options=(
            click.Option(
                ["--mpp"],
                type=Number(1, 8),
                metavar="UM",
                help="µm per pixel at which a new detector looks  [default: 4]",
            ),
            click.Option(["--by-lesion"], is_flag=True, help="A class for each lesion instead of one."),
            click.Option(
                ["--second-look"],
                is_flag=True,
                help="Train only what sees each circle again; the rest of the detector stays as it is.",
            ),
        ),
        check=_check,
        for_new_networks=frozenset({"mpp"}),
        takes_photographs=True,
    ),
    measuring=Measuring(_evaluate, options=OPTIONS),
    required=True,
)
