"""The segmenter: a network that says of each pixel of a crop whether it is of the glomerulus in its middle.

Ronneberger et al., "U-Net" (2015), Chen et al., "DeepLabV3+" (2018), or the decoders of Xiao et al.,
"UPerNet" (2018), or of Xie et al., "SegFormer" (2021), on a convolutional encoder.
"""

from types import ModuleType
from typing import Literal

from torch import nn

from glomspike.networks.libraries import library
from glomspike.segment.unet import UNet

Architecture = Literal["Unet", "DeepLabV3Plus", "Segformer", "UPerNet"]


def segmentation_network(architecture: str, encoder: str, encoder_weights: str | None = None) -> nn.Module:
    """A network from normalised images (n, 3, h, w) to log-odds (n, 1, h, w); h and w are multiples of 32.

    Raises ValueError for an architecture that is none of `Architecture`.
    """
    network: nn.Module
    match architecture:
        case "Unet":
            network = UNet(encoder, encoder_weights)
        case "DeepLabV3Plus":
            network = _smp().DeepLabV3Plus(encoder, encoder_weights=encoder_weights, decoder_channels=128)
        case "Segformer":
            network = _smp().Segformer(
                encoder, encoder_weights=encoder_weights, decoder_segmentation_channels=128
            )
        case "UPerNet":
            network = _smp().UPerNet(encoder, encoder_weights=encoder_weights, decoder_channels=128)
        case _:
            raise ValueError(architecture)
    return network


def _smp() -> ModuleType:
    return library("segmentation_models_pytorch")
