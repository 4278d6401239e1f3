"""Encoders of images: the same convolutions for all modalities, with normalisation layers of each one's.

Light, fluorescence and electron micrographs differ in their statistics as no two stains do: batch
normalisation over a mixture of them would be that of none.
"""

from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.errors import WeightsError
from glomspike.learn.pretrain.encoder import PREFIX
from glomspike.modalities import MODALITIES, Modality
from glomspike.networks.encoders import LITE0, image_encoder
from glomspike.networks.libraries import library
from glomspike.networks.resnet import ResNetEncoder

STRIDE_PX = 32  # of an image, for which one place of a map stands
FINE_STRIDE_PX = 16  # of a micrograph, where the encoder ends there: a deposit and the membrane are as wide
RESNETS = {"resnet18-short": ("resnet18", 3), "resnet18": ("resnet18", 4), "resnet50": ("resnet50", 4)}
LITE = {"efficientnet-lite0": LITE0}
SWINS = ("swin_t", "swin_b")
ENCODERS = (*RESNETS, *LITE, *SWINS)
# The name on an encoder's card to ours; "short" leaves out the last stage, which has most of the weights.
BY_CARD = {
    "resnet18": "resnet18-short",
    "resnet50": "resnet50",
    LITE["efficientnet-lite0"]: "efficientnet-lite0",
    # Those of a disease network itself.
    **{name: name for name in ("resnet18-short", "efficientnet-lite0", *SWINS)},
}
OF_STAGES = slice(2, None)  # of a ResNet's maps, which begin with the images and the stem's
_OWN = "norms."
TRAINED = f"{PREFIX}body."  # how a disease network's tensors begin


def is_fine(encoder: str, modality: Modality) -> bool:
    """Whether places of a map are half as wide as usual, and all stages of an encoder are seen in them."""
    return encoder == "resnet18-short" and modality == "tem"


def map_side(encoder: str, modality: Modality, side_px: int) -> int:
    """How many places of a map stand for a side of an image."""
    return -(-side_px // (FINE_STRIDE_PX if is_fine(encoder, modality) else STRIDE_PX))


class ModalityNorm(nn.Module):
    """A normalisation layer for each modality; `SharedEncoder` says which is in use."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norms = nn.ModuleDict({modality: deepcopy(norm) for modality in MODALITIES})
        self.modality: Modality = "om"

    def forward(self, maps: Tensor) -> Tensor:
        normed: Tensor = self.norms[self.modality](maps)
        return normed


class SharedEncoder(nn.Module):
    """Normalised images (n, 3, h, w) of one modality to maps (n, width, h / 32, w / 32).

    Of micrographs a short ResNet's maps have twice as many rows and columns, and beside what its last stage
    sees the most that the finer ones see in each place, since many deposits are smaller than a place.
    `name` is one of ENCODERS: ResNets (He et al. 2016), EfficientNet-Lite (Tan and Le 2019) or Swin
    Transformers (Liu et al. 2021), which have no batch normalisation. `photographs` begins with weights
    learnt from ImageNet, which are downloaded.
    """

    def __init__(self, name: str, *, photographs: bool = False) -> None:
        super().__init__()
        self.name = name
        self.body, self._widths = _body(name, photographs)
        self._norms = _with_norms(self.body)

    def width(self, modality: Modality) -> int:
        """The channels of the maps of a modality."""
        return sum(self._widths[OF_STAGES]) if is_fine(self.name, modality) else self._widths[-1]

    def forward(self, images: Tensor, modality: Modality) -> Tensor:
        for norm in self._norms:
            norm.modality = modality
        maps = self.body(images)
        if self.name in SWINS:
            maps = maps.permute(0, 3, 1, 2)
        elif is_fine(self.name, modality):
            maps = _joined(maps[OF_STAGES])
        else:
            maps = maps[-1]
        # A short ResNet ends at half that stride.
        height_px, width_px = images.shape[2:]
        sides = map_side(self.name, modality, height_px), map_side(self.name, modality, width_px)
        return functional.adaptive_avg_pool2d(maps, sides) if tuple(maps.shape[2:]) != sides else maps

    def begin_with(self, state: dict[str, Tensor]) -> None:
        """Takes the tensors of an encoder, named `encoder.`, of a disease network or without modalities.

        Raises WeightsError where they are those of another architecture.
        """
        initial = self.body.state_dict()
        given = {name: state.get(TRAINED + name, state.get(PREFIX + _plain_name(name))) for name in initial}
        lacking = [
            name for name, tensor in given.items() if tensor is None or tensor.shape != initial[name].shape
        ]
        if lacking:
            cause = f"the initial weights are not those of the encoder {self.name}"
            raise WeightsError("--encoder-weights", cause, "give the --encoder that they have")
        self.body.load_state_dict({name: tensor for name, tensor in given.items() if tensor is not None})


def _joined(stages: Sequence[Tensor]) -> Tensor:
    """The maps of stages as one, the finer ones brought to the places of the last."""
    places = stages[-1].shape[2:]
    return torch.cat([functional.adaptive_max_pool2d(maps, places) for maps in stages], dim=1)


def _plain_name(name: str) -> str:
    """`layer1.0.bn1.weight` of `layer1.0.bn1.norms.tem.weight`."""
    head, inserted, tail = name.partition(_OWN)
    return head + tail.partition(".")[2] if inserted else name


def _body(name: str, photographs: bool) -> tuple[nn.Module, Sequence[int]]:
    """The layers of an encoder, and the channels of the maps that they give; a Swin gives one map."""
    if name in LITE:
        body = image_encoder(LITE[name], "imagenet" if photographs else None)
        return body, body.out_channels
    weights = "DEFAULT" if photographs else None
    if name in SWINS:
        whole = library("torchvision.models").get_model(name, weights=weights)
        body = nn.Sequential(OrderedDict(features=whole.features, norm=whole.norm))
        return body, (int(whole.head.in_features),)
    network, stages = RESNETS[name]
    body = ResNetEncoder(network, stages)
    if photographs:
        learnt = library("torchvision.models").get_model(network, weights=weights).state_dict()
        body.load_state_dict({name: learnt[name] for name in body.state_dict()})
    return body, body.out_channels


def _with_norms(module: nn.Module) -> list[ModalityNorm]:
    """Puts a `ModalityNorm` in the place of each batch normalisation; gives them."""
    made = []
    for name, part in list(module.named_children()):
        if isinstance(part, nn.BatchNorm2d):
            norm = ModalityNorm(part)
            setattr(module, name, norm)
            made.append(norm)
        else:
            made += _with_norms(part)
    return made
