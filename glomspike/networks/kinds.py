"""The kinds of models there are: each declares itself in its folder's `kind.py`, and is a line of KINDS.

The command line, loading, `doctor`, the record and the report follow from the declarations. Everything here
and in the `kind.py` files is imported for `--help`: PyTorch and what needs it are imported inside functions.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from glomspike.modalities import Modality

if TYPE_CHECKING:
    from torch import Tensor, nn

    from glomspike.findings import SlideFacts
    from glomspike.learn.evaluation import Evaluation
    from glomspike.learn.training import Settings, Task
    from glomspike.networks.models import Model
    from glomspike.networks.stage import Stage
    from glomspike.networks.weights import Card
    from glomspike.results.options import Options

# The module that declares each kind, in the order in which the main job uses them.
KINDS: dict[str, str] = {
    "detector": "glomspike.detect.kind",
    "segmenter": "glomspike.segment.kind",
    "classifier": "glomspike.classify.kind",
    "lesions": "glomspike.lesions.kind",
    "disease": "glomspike.disease.kind",
}
ENCODER = "encoder"  # the kind of weights that `pretrain` writes: the beginning of a model, not one itself

# What is done of a stage of the work by name, and how much there is; shown while a context lasts.
StageProgress = Callable[[str, int, int], None]
ProgressDisplay = Callable[[], AbstractContextManager[StageProgress]]


def unshown() -> AbstractContextManager[StageProgress]:
    """Progress that nobody sees."""
    return nullcontext(lambda _stage, _done, _whole: None)


# The options of a kind that were typed, by parameter name; those left out are absent.
ChosenOptions = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Beginning:
    """What a training starts from.

    `model` is the trained model that goes on learning, None for a new network; `state` its tensors, or those
    of a pretrained encoder, by name, which is of architecture `encoder` where its card says so; `photographs`
    whether a new network's encoder knows ImageNet. `shown` shows how far preparing for it is.
    """

    tables: tuple[Path, ...]
    model: "Model | None"
    state: "dict[str, Tensor] | None"
    photographs: bool
    seed: int
    encoder: str | None = None
    shown: ProgressDisplay = unshown


@dataclass(frozen=True, eq=False)
class Training:
    """How a kind is trained.

    `task` makes what the training loop runs. `options` are those of this kind alone; the ones named in
    `for_new_networks` shape a network and are refused where a trained one goes on learning.
    `starts_new` says whether a training with these options ignores the installed weights. `check` raises
    UsageError for options that exclude each other, before anything heavy is loaded. `adjusted` changes the
    loop's settings where a method prescribes its own.
    """

    task: Callable[[Beginning, ChosenOptions], "Task"]
    options: tuple[click.Option, ...] = ()
    for_new_networks: frozenset[str] = frozenset()
    epochs: int = 40
    batch: int = 8
    takes_photographs: bool = False
    starts_new: Callable[[ChosenOptions], bool] = lambda _chosen: False
    check: Callable[[ChosenOptions], None] = lambda _chosen: None
    adjusted: Callable[["Settings", ChosenOptions], "Settings"] = lambda settings, _chosen: settings


@dataclass(frozen=True, eq=False)
class Measuring:
    """How a kind is evaluated: `evaluate(samples, model, progress, chosen)`, and options of its alone."""

    evaluate: Callable[..., "Evaluation"]
    options: tuple[click.Option, ...] = ()


@dataclass(frozen=True, eq=False)
class ModelKind:
    """A kind of model: what it is, how it is built, trained, measured, and what it does in the main job.

    `title` is what messages call it. `network` builds the untrained network that a card describes.
    `required` models must be there for the main job to run. `stage` makes what a model does with each
    glomerulus, None for those that the pipeline calls itself (detector and segmenter). `is_of_use` says
    whether an installed optional model is used beside models of these cards. Rows of other modalities than
    `modalities` are skipped in training and measuring. A model `of` cases has no part in the main job: it is
    used by `glomspike cases` where its weights are given.
    """

    name: str
    title: str
    network: Callable[["Card"], "nn.Module"]
    training: Training
    measuring: Measuring
    required: bool = False
    stage: Callable[["Model", "SlideFacts", "Options"], "Stage"] | None = None
    is_of_use: Callable[[Mapping[str, "Card"]], bool] = field(default=lambda _cards: True)
    modalities: tuple[Modality, ...] = ("om",)
    of: Literal["slides", "cases"] = "slides"


def kind_of(name: str) -> ModelKind:
    """The kind of this name, one of KINDS."""
    kind: ModelKind = import_module(KINDS[name]).KIND
    return kind


def all_kinds() -> tuple[ModelKind, ...]:
    """Every kind, in the order in which the main job uses them."""
    return tuple(kind_of(name) for name in KINDS)


def kinds_of(what: Literal["slides", "cases"]) -> list[str]:
    """The names of the kinds that look at slides, or at cases."""
    return [name for name in KINDS if kind_of(name).of == what]
