"""The three models of the main job, loaded once: their cards, networks, and the device they run on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from glomspike.classify.model import tile_network
from glomspike.detect.model import CircleNet
from glomspike.errors import WeightsError
from glomspike.segment.model import segmentation_network
from glomspike.weights import Card, Kind, load_card, load_state


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready to run, its card, and the device it is on."""

    network: nn.Module
    card: Card
    device: torch.device


@dataclass(frozen=True, eq=False)
class Models:
    """What the main job needs to see with."""

    detector: Model
    segmenter: Model
    classifier: Model
    device: torch.device

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each model's weights."""
        return {
            card.kind: card.sha256 for card in (self.detector.card, self.segmenter.card, self.classifier.card)
        }


def load_models(
    detector: Path | None, segmenter: Path | None, classifier: Path | None, device: torch.device
) -> Models:
    """The models from these weights, None being those that came with glomspike, on a device.

    Raises WeightsError where a set is missing, damaged, or not of the kind and architecture it is meant for.
    """
    return Models(
        load_model("detector", detector, device),
        load_model("segmenter", segmenter, device),
        load_model("classifier", classifier, device),
        device,
    )


def load_model(kind: Kind, path: Path | None, device: torch.device) -> Model:
    """The model of a kind from these weights, None being those that came with glomspike, on a device.

    Raises WeightsError as `load_models` does.
    """
    card, tensors_path = load_card(kind, path)
    network = _network(card, tensors_path)
    try:
        network.load_state_dict(load_state(card, tensors_path))
    except RuntimeError as error:
        cause = f"does not hold the tensors of a {card.architecture} as its card describes it"
        raise WeightsError(tensors_path, cause, "use weights that glomspike wrote") from error
    return Model(network.to(memory_format=torch.channels_last).to(device).eval(), card, device)


def _network(card: Card, tensors_path: Path) -> nn.Module:
    """The network that a card describes, with random weights."""
    build: dict[Kind, Callable[..., nn.Module]] = {
        "detector": CircleNet,
        "segmenter": partial(segmentation_network, card.architecture),
        "classifier": tile_network,
    }
    try:
        return build[card.kind](**card.arguments)
    except (TypeError, ValueError, KeyError) as error:
        cause = f"its card describes a {card.architecture} that this version does not know"
        raise WeightsError(tensors_path, cause, "use weights of this version of glomspike") from error
