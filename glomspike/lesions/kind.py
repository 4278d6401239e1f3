"""The lesion classifier as a kind of model: an optional stage that names the lesion of each glomerulus."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from glomspike.networks.kinds import Beginning, ChosenOptions, Measuring, ModelKind, Training

if TYPE_CHECKING:
    from torch import nn

    from glomspike.findings import SlideFacts
    from glomspike.learn.evaluation import Evaluation, Progress
    from glomspike.learn.samples import Sample
    from glomspike.learn.training import Task
    from glomspike.networks.models import Model
    from glomspike.networks.stage import Stage
    from glomspike.networks.weights import Card
    from glomspike.results.options import Options

ENCODERS = ("resnet50", "resnet34", "resnet18", "resnet18-short")


def _network(card: "Card") -> "nn.Module":
    from glomspike.lesions.model import LesionNetwork

    arguments: dict[str, object] = dict(card.arguments)
    return LesionNetwork(**arguments)  # type: ignore[arg-type]


def _task(beginning: Beginning, chosen: ChosenOptions) -> "Task":
    """The training of a lesion classifier; one that goes on learning keeps its classes."""
    from glomspike.lesions.train import LesionOptions, LesionTask

    if beginning.model is not None:
        card = beginning.model.card
        return LesionTask(beginning.tables, LesionOptions.of(card), beginning.state, card.classes)
    options = LesionOptions(
        chosen.get("encoder", ENCODERS[0]), linear_probe=chosen.get("linear_probe", False)
    )
    return LesionTask(beginning.tables, options, beginning.state)


def _evaluate(
    samples: "Sequence[Sample]", model: "Model", progress: "Progress", _: ChosenOptions
) -> "Evaluation":
    from glomspike.lesions.evaluate import evaluate_lesions

    return evaluate_lesions(samples, model, progress)


def _stage(model: "Model", _slide: "SlideFacts", options: "Options") -> "Stage":
    from glomspike.lesions.stage import LesionStage

    return LesionStage(model, options.stain)


def _is_of_use(cards: Mapping[str, "Card"]) -> bool:
    """Not beside a detector of several classes, which names lesions itself."""
    return len(cards["detector"].classes) == 1


KIND = ModelKind(
    name="lesions",
    title="lesion classifier",
    network=_network,
    training=Training(
        task=_task,
        options=(
            click.Option(
                ["--encoder"],
                type=click.Choice(ENCODERS),
                help=f"The network of a new lesion classifier  [default: {ENCODERS[0]}]",
            ),
            click.Option(
                ["--linear-probe"], is_flag=True, help="Keep the encoder as it is; train the last layer only."
            ),
        ),
        for_new_networks=frozenset({"encoder", "linear_probe"}),
        batch=16,
        # The installed weights know lesions that need not be those of the samples.
        starts_new=lambda _chosen: True,
    ),
    measuring=Measuring(_evaluate),
    stage=_stage,
    is_of_use=_is_of_use,
)
