"""Encoders by the names that cards have for them: images to maps that get coarser, for decoders and heads."""

from typing import Any

from torch import nn

from glomspike.networks.efficientnet import EfficientNetLite0
from glomspike.networks.libraries import library
from glomspike.networks.resnet import RESNETS, ResNetEncoder

LITE0 = "tu-tf_efficientnet_lite0"


def image_encoder(name: str, weights: str | None = None) -> Any:
    """A network from images (n, 3, h, w) to maps, the images first; `out_channels` are the channels of each.

    Any encoder of segmentation_models_pytorch; most need that library, which takes a second to import.
    `weights` is a name that it has for trained ones, which are downloaded; None draws them.
    """
    if name not in {*RESNETS, LITE0}:
        return _of_library(name, weights)
    encoder: nn.Module = EfficientNetLite0() if name == LITE0 else ResNetEncoder(name)
    if weights is not None:
        encoder.load_state_dict(_of_library(name, weights).state_dict())
    return encoder


def _of_library(name: str, weights: str | None) -> nn.Module:
    encoder: nn.Module = library("segmentation_models_pytorch").encoders.get_encoder(name, weights=weights)
    return encoder
