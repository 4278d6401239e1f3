"""Trained encoders as the beginning of other trainings."""

from pathlib import Path

from torch import Tensor, nn

from glomspike.errors import WeightsError
from glomspike.networks.weights import load_card, load_state, read_card

PREFIX = "encoder."
STAGES = ("layer", "model.blocks.")  # how the names of stages begin, in a ResNet and in an EfficientNet-Lite


def load_encoder(path: Path) -> dict[str, Tensor]:
    """The tensors of a trained encoder by name: `encoder.`, then as in a ResNet; with BatchNorm's statistics.

    `path` is that of an encoder, or the file of any model that has one, such as a segmenter. Raises
    WeightsError where it holds no encoder.
    """
    card, tensors_path = load_card(encoder_kind(path), path)
    state = {n: tensor for n, tensor in load_state(card, tensors_path).items() if n.startswith(PREFIX)}
    if not state:
        raise WeightsError(path, f"is a {card.kind} without an encoder", "give an encoder or a segmenter")
    return state


def encoder_name(path: Path) -> str | None:
    """Which encoder weights hold, where their card says so. Raises WeightsError as `load_encoder` does."""
    name = load_card(encoder_kind(path), path)[0].arguments.get("encoder")
    return None if name is None else str(name)


def encoder_kind(path: Path) -> str:
    """The kind of weights in a file, or in a folder where all are of one kind; else an encoder."""
    if not path.is_dir():
        return read_card(path.with_suffix(".json")).kind
    kinds = {read_card(weights.with_suffix(".json")).kind for weights in path.glob("*.safetensors")}
    return kinds.pop() if len(kinds) == 1 else "encoder"


def begin_with(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Puts trained weights, or only those of an encoder, into a network; what they lack stays as it is.

    A network without an `encoder` is taken to be one, with its head at the end; one may also have
    only the first stages of it. Raises WeightsError where the weights are of another architecture.
    """
    initial = network.state_dict()
    if not hasattr(network, "encoder"):
        state = {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}
    used = {
        name: tensor
        for name, tensor in state.items()
        if name in initial or not name.removeprefix(PREFIX).startswith(STAGES)
    }
    try:
        network.load_state_dict({**initial, **used})
    except RuntimeError as error:
        cause = "the initial weights have another architecture than the network to train"
        raise WeightsError(
            "--encoder-weights", cause, "run `glomspike pretrain` with that --encoder"
        ) from error
