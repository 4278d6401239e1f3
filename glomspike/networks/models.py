"""The models of the main job, loaded once: their cards, networks, and the device they run on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from glomspike.errors import WeightsError
from glomspike.networks.device import choose_device
from glomspike.networks.kinds import all_kinds, kind_of
from glomspike.networks.quick import quickened
from glomspike.networks.unfilled import unfilled
from glomspike.networks.weights import Card, installed, load_card, load_state

CPU = torch.device("cpu")
SHIPPED: Mapping[str, Path] = {}  # paths by kind: no others than the weights that came with glomspike


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready to run, its card, and the device it is on."""

    network: nn.Module
    card: Card
    device: torch.device


@dataclass(frozen=True, eq=False)
class Models:
    """The models of the main job by kind, and the device they are on; `models["detector"]`."""

    by_kind: Mapping[str, Model]
    device: torch.device

    def __getitem__(self, kind: str) -> Model:
        return self.by_kind[kind]

    def __contains__(self, kind: str) -> bool:
        return kind in self.by_kind

    @property
    def cards(self) -> dict[str, Card]:
        """The card of each model by kind."""
        return {kind: model.card for kind, model in self.by_kind.items()}


def load_cards(weights: Mapping[str, Path] = SHIPPED) -> dict[str, Card]:
    """The cards of what `load_models` loads, by kind, with verified tensors. Raises WeightsError like it."""
    cards: dict[str, Card] = {}
    for kind in _kinds_in_use(weights):
        card, tensors_path = load_card(kind, weights.get(kind))
        load_state(card, tensors_path)
        cards[kind] = card
    return cards


def load_models(weights: Mapping[str, Path] = SHIPPED, device: torch.device | str = "auto") -> Models:
    """The models of the main job on a device, made quick: in inference mode, rounded where that pays.

    `weights` are paths by kind, instead of the weights that came with glomspike; `device` is a torch device
    or "auto", "cuda", "cuda:N", "cpu". Optional models are loaded where weights are given, or installed and
    of use beside the others. Raises WeightsError where a set is missing, damaged, or not of the kind and
    architecture it is meant for, DeviceError where the device cannot be used.
    """
    place = choose_device(device).device if isinstance(device, str) else device
    models = {}
    for kind in _kinds_in_use(weights):
        model = load_model(kind, weights.get(kind), CPU)
        models[kind] = Model(quickened(model.network, place), model.card, place)
    return Models(models, place)


def _kinds_in_use(weights: Mapping[str, Path]) -> list[str]:
    """The kinds that a run uses: required, given, or installed and of use beside these."""
    there = {card.kind for card, _ in installed()}
    used: list[str] = []
    cards: dict[str, Card] = {}
    for kind in all_kinds():
        if kind.required or kind.name in weights:
            used.append(kind.name)
            cards[kind.name] = load_card(kind.name, weights.get(kind.name))[0]
        elif kind.name in there and kind.stage is not None and kind.is_of_use(cards):
            used.append(kind.name)
    return used


def load_model(kind: str, path: Path | None, device: torch.device) -> Model:
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
    try:
        with unfilled():
            return kind_of(card.kind).network(card)
    except (TypeError, ValueError, KeyError) as error:
        cause = f"its card describes a {card.architecture} that this version does not know"
        raise WeightsError(tensors_path, cause, "use weights of this version of glomspike") from error
