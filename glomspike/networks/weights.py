"""Weights and their cards: how they are written, found, verified and loaded.

A set of weights is two files of one stem: `NAME.safetensors` holds the tensors, `NAME.json` is the card
that says what they are, what they were trained and measured on, and the SHA-256 of the tensors' file.
"""

import hashlib
import sysconfig
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)
from safetensors import SafetensorError
from safetensors.torch import load, save
from scipy.special import expit, softmax

from glomspike.errors import WeightsError, not_there
from glomspike.findings import StainName
from glomspike.networks.kinds import ENCODER, KINDS
from glomspike.results.files import replace_file


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Normalisation(_Strict):
    """Mean and standard deviation per channel, red first, of pixel values scaled to [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, pixels: torch.Tensor) -> torch.Tensor:
        """Network input (n, 3, h, w), channels last in memory, of uint8 pictures (n, h, w, 3)."""
        mean, std = _on_device(self.mean, pixels.device), _on_device(self.std, pixels.device)
        return pixels.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)


@cache
def _on_device(numbers: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Numbers on a device, brought there once: a GPU would wait for them each time."""
    with torch.inference_mode(mode=False):
        return torch.tensor(numbers, device=device)


class Calibration(_Strict):
    """How log-odds x become a probability, sigmoid(scale x + offset) (Platt 1999); fitted on what."""

    method: Literal["platt"]
    scale: float = Field(gt=0)
    offset: float
    data: str

    def probability(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities of a network's log-odds, of any shape."""
        return np.asarray(expit(self.scale * log_odds + self.offset), dtype=np.float64)


class ClassCalibration(_Strict):
    """How logits of several classes become probabilities: their softmax at a temperature (Guo et al. 2017).

    `temperatures` are by the name of what the logits rest on; `data` says what they were fitted on.
    """

    method: Literal["temperature"]
    temperatures: dict[str, float]
    data: str

    def probabilities(self, logits: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        """Calibrated probabilities (..., classes) of logits that rest on what is named so."""
        return np.asarray(softmax(logits / self.temperatures[name], axis=-1), dtype=np.float64)


class ReliabilityBin(_Strict):
    """Glomeruli of like probability: how many, their mean probability, and which share is spiked."""

    n: int = Field(gt=0)
    probability: float
    spiked: float


class CallThresholds(_Strict):
    """Below which probability a glomerulus is called not spiked, and from which spiked; between, uncertain.

    By split conformal prediction for each class, over patients. Of a new patient's spiked glomeruli no more
    than `alpha` are called not spiked on average, and the other way round; `target` is the share of wrong
    calls that was aimed at. `alpha` cannot be less than one over the patients of a class and one.
    """

    not_spiked_below: float = Field(ge=0, le=1)
    spiked_from: float = Field(ge=0)
    alpha: float = Field(gt=0, lt=1)
    target: float = Field(gt=0, lt=1)
    spiked_patients: int = Field(gt=0)
    not_spiked_patients: int = Field(gt=0)
    data: str

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        if self.not_spiked_below > self.spiked_from:
            raise ValueError("not_spiked_below lies above spiked_from")
        return self


class ExtentThreshold(_Strict):
    """Below which share of spiked membrane an uncertain glomerulus has the extent none; fitted on what."""

    none_below: float = Field(ge=0, le=0.5)
    data: str


class TrainingData(_Strict):
    """One data set that the weights were trained on."""

    name: str
    licence: str
    images: int = Field(gt=0)
    source: str = ""


class Metric(_Strict):
    """One measured number, its 95 % interval where there is one, the data and how many items it is of."""

    name: str
    value: float
    ci95: tuple[float, float] | None = None
    data: str
    n: int = Field(gt=0)


class CardDraft(_Strict):
    """Everything a card says but the hash, which is known once the tensors are written."""

    kind: str
    name: str
    version: str
    architecture: str
    arguments: dict[str, JsonValue]
    mpp: float = Field(gt=0, description="µm per pixel of the network's input")
    input_px: int = Field(gt=0, description="side of the network's square input, pixels")
    normalisation: Normalisation
    classes: tuple[str, ...] = Field(min_length=1)
    thresholds: dict[str, float]
    calibration: Calibration | None = None
    stain_calibrations: dict[StainName, Calibration] = Field(
        default={}, description="of lesions, in tissue of these stains, where it differs from `calibration`"
    )
    tile_calibration: Calibration | None = Field(
        default=None, description="of single tiles, where one tile decides; None: that of the glomerulus"
    )
    call_thresholds: CallThresholds | None = Field(
        default=None, description="of three calls; None: two, by the threshold `spiked`"
    )
    class_calibration: ClassCalibration | None = Field(
        default=None, description="of models of more than two classes"
    )
    extent: ExtentThreshold | None = Field(
        default=None,
        description="of spikes on the membrane; None: no uncertain one has the extent none",
    )
    training_data: tuple[TrainingData, ...] = Field(min_length=1)
    metrics: tuple[Metric, ...]
    reliability: tuple[ReliabilityBin, ...] = ()
    intended_use: str
    limits: str = Field(default="", description="what it is known to do wrong; part of every run's warnings")
    licence: str

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind not in {*KINDS, ENCODER}:
            raise ValueError(f"{kind!r} is none of {', '.join([*KINDS, ENCODER])}")
        return kind


class Card(CardDraft):
    """The card of a set of weights, `sha256` being that of the `.safetensors` file beside it."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")


def weights_folder() -> Path:
    """The folder of the weights that came with glomspike: of the checkout, or of the installation."""
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "weights"
    return Path(sysconfig.get_path("data")) / "share" / "glomspike" / "weights"


def load_card(kind: str, path: Path | None) -> tuple[Card, Path]:
    """The card of a set of weights, and the path of its `.safetensors` file.

    `path` is the `.safetensors` file, its card, or a folder that holds one set of this kind; None is the
    set that came with glomspike. Raises WeightsError where there is no such set or its card is not valid.
    """
    place = weights_folder() if path is None else path
    card_path = _card_of_kind(kind, place) if path is None or place.is_dir() else _card_beside(place)
    card = read_card(card_path)
    if card.kind != kind:
        raise WeightsError(card_path, f"is a {card.kind}, not a {kind}", f"give the weights of a {kind}")
    tensors_path = card_path.with_suffix(".safetensors")
    if not tensors_path.is_file():
        raise WeightsError(tensors_path, "there is no such file", "put it beside its card")
    return card, tensors_path


def installed() -> tuple[tuple[Card, Path], ...]:
    """The cards of all sets that came with glomspike, and the paths of their `.safetensors` files."""
    paths = sorted(weights_folder().glob("*.safetensors"))
    return tuple((read_card(path.with_suffix(".json")), path) for path in paths)


def read_card(card_path: Path) -> Card:
    """The card in a JSON file. Raises WeightsError where it is missing, or a key is missing or unknown."""
    try:
        return Card.model_validate_json(card_path.read_bytes())
    except OSError as failure:
        raise WeightsError(
            card_path, failure.strerror or str(failure), "keep card and weights together"
        ) from failure
    except ValidationError as failure:
        first = failure.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        cause = f"is not a valid card: {key + ': ' if key else ''}{first['msg']}"
        raise WeightsError(card_path, cause, "use a card that glomspike wrote") from failure


def load_state(card: Card, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.safetensors` file by name, in the shapes of the card's network, floats as float32.

    Raises WeightsError where the file cannot be read or is not the one that the card was written for.
    """
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise WeightsError(path, failure.strerror or str(failure), "check the path") from failure
    if hashlib.sha256(content).hexdigest() != card.sha256:
        cause = "its SHA-256 is not the one on its card: the file is damaged or was exchanged"
        raise WeightsError(path, cause, "copy the weights and their card again, both from the same source")
    try:
        state = load(content)
    except SafetensorError as failure:
        raise WeightsError(path, "is not a safetensors file", "use weights that glomspike wrote") from failure
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def matches(card: Card, path: Path) -> bool:
    """Whether a `.safetensors` file is the one that the card was written for, by its SHA-256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == card.sha256


def save_weights(state: Mapping[str, torch.Tensor], draft: CardDraft, folder: Path, stem: str) -> Path:
    """The path of the written `folder/stem.safetensors`; its card is `folder/stem.json`.

    Floating-point tensors are stored as float16 where they fit into its range, others as they are. Each
    file appears whole or not at all; the card comes last, so a card never describes unwritten weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: _stored(tensor) for name, tensor in state.items()})
    card = Card(**draft.model_dump(), sha256=hashlib.sha256(content).hexdigest())
    tensors_path = folder / f"{stem}.safetensors"
    replace_file(tensors_path, content)
    replace_file(folder / f"{stem}.json", (card.model_dump_json(indent=2) + "\n").encode())
    return tensors_path


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if torch.equal(half.isfinite(), tensor.isfinite()) else tensor


def _card_beside(path: Path) -> Path:
    if not path.exists():
        raise WeightsError(path, *not_there(path, "there is no such file or folder"))
    if path.suffix not in {".safetensors", ".json"}:
        cure = "give a .safetensors file, its .json card, or their folder"
        raise WeightsError(path, "is not a weight file or card", cure)
    return path.with_suffix(".json")


def _card_of_kind(kind: str, folder: Path) -> Path:
    cards = [path.with_suffix(".json") for path in sorted(folder.glob("*.safetensors"))]
    of_kind = [path for path in cards if read_card(path).kind == kind]
    if len(of_kind) == 1:
        return of_kind[0]
    if of_kind:
        names = ", ".join(path.name for path in of_kind)
        raise WeightsError(folder, f"holds several {kind}s ({names})", "name one of them")
    raise WeightsError(folder, f"holds no {kind} weights", "give the folder or file that holds them")
