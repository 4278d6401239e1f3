"""The models of the main job, loaded once: their cards, networks, and the device they run on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from glomspike.classify.model import NETWORKS
from glomspike.classify.pooling import POOLED
from glomspike.detect.model import CircleNet
from glomspike.errors import WeightsError
from glomspike.lesions.model import LesionNetwork
from glomspike.networks.quick import quickened
from glomspike.networks.unfilled import unfilled
from glomspike.networks.weights import Card, Kind, installed, load_card, load_state
from glomspike.segment.model import segmentation_network


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready to run, its card, and the device it is on."""

    network: nn.Module
    card: Card
    device: torch.device


@dataclass(frozen=True, eq=False)
class Models:
    """What the main job sees with; `lesions` is None where there are no weights for them."""

    detector: Model
    segmenter: Model
    classifier: Model
    lesions: Model | None
    device: torch.device

    @property
    def cards(self) -> dict[Kind, Card]:
        """The card of each model."""
        models = (self.detector, self.segmenter, self.classifier, self.lesions)
        return {model.card.kind: model.card for model in models if model is not None}


def load_cards(
    detector: Path | None, segmenter: Path | None, classifier: Path | None, lesions: Path | None
) -> dict[Kind, Card]:
    """The cards of what `load_models` loads, the tensors verified. Raises WeightsError as it does."""
    cards: dict[Kind, Card] = {
        "detector": _verified("detector", detector),
        "segmenter": _verified("segmenter", segmenter),
        "classifier": _verified("classifier", classifier),
    }
    if _tell_lesions(lesions, cards["detector"]):
        cards["lesions"] = _verified("lesions", lesions)
    return cards


def _verified(kind: Kind, path: Path | None) -> Card:
    """The card of weights whose tensors are whole."""
    card, tensors_path = load_card(kind, path)
    load_state(card, tensors_path)
    return card


def load_models(
    detector: Path | None,
    segmenter: Path | None,
    classifier: Path | None,
    lesions: Path | None,
    device: torch.device,
) -> Models:
    """The models from these weights, None being those that came with glomspike, made quick on a device.

    Lesions are not told where no weights for them came, and by the detector where it has several classes.
    Raises WeightsError where a set is missing, damaged, or not of the kind and architecture it is meant for.
    """

    def quick(kind: Kind, path: Path | None) -> Model:
        model = load_model(kind, path, torch.device("cpu"))
        return Model(quickened(model.network, device), model.card, device)

    finds = quick("detector", detector)
    return Models(
        finds,
        quick("segmenter", segmenter),
        quick("classifier", classifier),
        quick("lesions", lesions) if _tell_lesions(lesions, finds.card) else None,
        device,
    )


def _tell_lesions(lesions: Path | None, detector: Card) -> bool:
    """Whether weights for lesions are asked: given ones, or installed ones if the detector tells none."""
    are_installed = any(card.kind == "lesions" for card, _ in installed())
    return lesions is not None or (are_installed and len(detector.classes) == 1)


def load_model(kind: Kind, path: Path | None, device: torch.device) -> Model:
    """The model of a kind from these weights, None being those that came with glomspike, on a device.

    Raises WeightsError as `load_models` does.
    """
    card, tensors_path = load_card(kind, path)
    network = _network(card, tensors_path)
    try:
        network.load_state_dict(load_state(card, tensors_path), assign=True)
    except RuntimeError as error:
        cause = f"does not hold the tensors of a {card.architecture} as its card describes it"
        raise WeightsError(tensors_path, cause, "use weights that glomspike wrote") from error
    return Model(network.to(memory_format=torch.channels_last).to(device).eval(), card, device)


def _network(card: Card, tensors_path: Path) -> nn.Module:
    """The network that a card describes, its weights still without memory: drawing random ones takes time."""
    build: dict[Kind, Callable[..., nn.Module]] = {
        "detector": CircleNet,
        "segmenter": partial(segmentation_network, card.architecture),
        # A classifier's arguments tell how glomeruli are cut into tiles, which any tile network can see.
        "classifier": lambda **_: (NETWORKS | POOLED)[card.architecture](),
        "lesions": LesionNetwork,
    }
    try:
        with unfilled():
            return build[card.kind](**card.arguments)
    except (TypeError, ValueError, KeyError) as error:
        cause = f"its card describes a {card.architecture} that this version does not know"
        raise WeightsError(tensors_path, cause, "use weights of this version of glomspike") from error
