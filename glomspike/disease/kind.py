"""The disease network as a kind of model: of cases, not of slides, from three modalities."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import click

from glomspike.errors import UsageError
from glomspike.modalities import MODALITIES
from glomspike.networks.kinds import Beginning, ChosenOptions, Measuring, ModelKind, Training
from glomspike.typed import Number

if TYPE_CHECKING:
    from torch import nn

    from glomspike.disease.form import Branches
    from glomspike.disease.train import DiseaseOptions
    from glomspike.learn.evaluation import Evaluation, Progress
    from glomspike.learn.samples import Sample
    from glomspike.learn.training import Settings, Task
    from glomspike.networks.models import Model
    from glomspike.networks.weights import Card

# As in `encoder.py`, `smil.py` and `cmsa.py`, which are not imported for `--help`.
ENCODERS = ("resnet18-short", "resnet18", "resnet50", "efficientnet-lite0", "swin_t", "swin_b")
AGGREGATES = ("counts", "place-attention", "gated-attention", "mean", "medoid", "sum", "public")
CROSS_MODAL = ("repaired", "public", "off")
BRANCHES = "0.3,0.5,0.2"
RATE_TRAINED, RATE_FROZEN = 3e-4, 2e-3
OF_FORM = ("encoder", "aggregate", "cmsa", "keep", "branch_relu")


def _network(card: "Card") -> "nn.Module":
    from glomspike.disease.form import Form
    from glomspike.disease.model import DiseaseNetwork

    return DiseaseNetwork(Form.of(card.arguments), len(card.classes))


def _branches(_context: click.Context, _option: click.Parameter, typed: str | None) -> "Branches | None":
    """The three numbers of `--branches`."""
    if typed is None:
        return None
    try:
        light, fluorescence, electron = (float(part) for part in typed.split(","))
    except ValueError:
        raise click.BadParameter(f"{typed!r} is not three numbers, such as {BRANCHES}") from None
    if min(light, fluorescence, electron) < 0:
        raise click.BadParameter("the weight of a loss cannot be below 0")
    return light, fluorescence, electron


def _options(beginning: Beginning, chosen: ChosenOptions) -> "DiseaseOptions":
    from glomspike.disease.encoder import BY_CARD
    from glomspike.disease.form import Form
    from glomspike.disease.train import DiseaseOptions, options_of

    if beginning.model is not None:
        options = options_of(beginning.model.card)
    else:
        known = {name: chosen[name] for name in OF_FORM if name in chosen}
        if beginning.encoder is not None:
            of_weights = BY_CARD.get(beginning.encoder)
            if of_weights is None:
                cause = f"have the encoder {beginning.encoder}, which cannot be used here"
                raise UsageError("--encoder-weights", cause, f"give weights of {', '.join(ENCODERS)}")
            known.setdefault("encoder", of_weights)
        options = DiseaseOptions(form=Form(**known))
    parts = "micrograph_parts" in chosen
    return replace(
        options,
        spikes=options.spikes or "spikes" in chosen or (options.form.counts and not parts),
        instances=chosen.get("instances", options.instances),
        modality_dropout=chosen.get("modality_dropout", options.modality_dropout),
        branches=chosen.get("branches", options.branches),
        frozen="frozen_encoder" in chosen,
        parts=parts,
    )


def _task(beginning: Beginning, chosen: ChosenOptions) -> "Task":
    """The training of a disease network; one that goes on learning keeps its form and diseases."""
    from glomspike.disease.patients import Patients
    from glomspike.disease.spikes import spike_evidences
    from glomspike.disease.train import DiseaseTask
    from glomspike.networks.models import load_models

    options = _options(beginning, chosen)
    scored = partial(spike_evidences, load_models(device="cpu")) if options.spikes else None
    patients = Patients.of(beginning.tables, options.form, scored, beginning.shown)
    return DiseaseTask(
        beginning.tables,
        options,
        beginning.state,
        patients,
        seed=beginning.seed,
        diseases=None if beginning.model is None else beginning.model.card.classes,
        photographs=beginning.photographs,
        shown=beginning.shown,
    )


def _check(chosen: ChosenOptions) -> None:
    begins = {"weights", "encoder_weights"} & chosen.keys()
    if "frozen_encoder" in chosen and not begins:
        cause = "would keep an untrained encoder"
        raise UsageError("--frozen-encoder", cause, "give --encoder-weights as well")
    if {"frozen_encoder", "micrograph_parts"} <= chosen.keys():
        cause = "is for an encoder that learns"
        raise UsageError("--micrograph-parts", cause, "train with --frozen-encoder afterwards")
    if "cmsa" in chosen and chosen.get("aggregate", AGGREGATES[0]) == AGGREGATES[0]:
        cause = "is for answers that rest on maps of the images"
        raise UsageError("--cmsa", cause, "give --aggregate place-attention as well")


def _adjusted(settings: "Settings", chosen: ChosenOptions) -> "Settings":
    if "learning_rate" in chosen:
        return settings
    return replace(settings, learning_rate=RATE_FROZEN if "frozen_encoder" in chosen else RATE_TRAINED)


def _evaluate(
    samples: "Sequence[Sample]", model: "Model", progress: "Progress", chosen: ChosenOptions
) -> "Evaluation":
    from glomspike.disease.evaluate import evaluate_disease

    return evaluate_disease(samples, model, progress, chosen.get("without") or ())


_TRAINING_OPTIONS = (
    click.Option(
        ["--encoder"],
        type=click.Choice(ENCODERS),
        help=f"Network that encodes each image  [default: that of --encoder-weights, else {ENCODERS[0]}]",
    ),
    click.Option(
        ["--aggregate"],
        type=click.Choice(AGGREGATES),
        help="What the answer rests on: what is counted in images, or maps of them as well, and how those of "
        f"a patient's electron micrographs become one  [default: {AGGREGATES[0]}]",
    ),
    click.Option(
        ["--keep"],
        type=Number(0, min_open=True),
        metavar="T",
        help="medoid: drop images farther out than T times the mean distance  [default: 1.5]",
    ),
    click.Option(
        ["--cmsa"],
        type=click.Choice(CROSS_MODAL),
        help=f"How electron micrographs query the other modalities  [default: {CROSS_MODAL[0]}]",
    ),
    click.Option(["--branch-relu"], is_flag=True, help="Cut the branches' outputs at 0, as the public code."),
    click.Option(
        ["--branches"],
        callback=_branches,
        metavar="OM,IF,TEM",
        help=f"Weights of the losses of the branches  [default: {BRANCHES}]",
    ),
    click.Option(
        ["--instances"],
        type=click.IntRange(1),
        help="Micrographs of a patient that are learnt from at once  [default: 10]",
    ),
    click.Option(
        ["--modality-dropout"],
        type=Number(0, 1, max_open=True),
        help="How often each modality is dropped in training  [default: 0.3]",
    ),
    click.Option(
        ["--frozen-encoder"],
        is_flag=True,
        help="Keep the encoder as it is: its maps are computed once, and training takes minutes on a CPU.",
    ),
    click.Option(
        ["--micrograph-parts"],
        is_flag=True,
        help="Learn where deposits lie from parts of micrographs, most around those of a mask. "
        "Train with --frozen-encoder afterwards.",
    ),
    click.Option(
        ["--spikes"],
        is_flag=True,
        help="Let the installed spike classifier score the glomeruli in silver, and learn from that as well. "
        f"With --aggregate {AGGREGATES[0]} nothing else is learnt from silver, so that it does so anyway.",
    ),
)

KIND = ModelKind(
    name="disease",
    title="disease classifier",
    network=_network,
    training=Training(
        task=_task,
        options=_TRAINING_OPTIONS,
        for_new_networks=frozenset(OF_FORM),
        batch=4,
        takes_photographs=True,
        # None is installed: what diseases there are is the table's to say.
        starts_new=lambda _chosen: True,
        check=_check,
        adjusted=_adjusted,
    ),
    measuring=Measuring(
        _evaluate,
        options=(
            click.Option(
                ["--without"],
                type=click.Choice(cast(Sequence[str], MODALITIES)),
                multiple=True,
                help="Omit this modality of every patient; may be given twice.",
            ),
        ),
    ),
    of="cases",
    modalities=MODALITIES,
)
