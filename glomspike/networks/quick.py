"""Networks made quick for the main job: the same answers but for rounding, in less time."""

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from glomspike.networks.device import has_fast_bfloat16

# Numbers in a kernel from which rounding it for every batch takes time.
LARGE = 2**16


class ReducedPrecision(nn.Module):
    """A network that computes in bfloat16 what can be: convolutions and products, with sums in float32.

    Large kernels are rounded once, in place; autocast would round them each time.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for part in network.modules():
            if isinstance(part, nn.Conv2d) and part.weight.numel() >= LARGE:
                part.to(torch.bfloat16)

    def forward(self, pictures: torch.Tensor, *others: torch.Tensor) -> Any:
        with torch.autocast(pictures.device.type, torch.bfloat16):
            return self.network(pictures, *others)


def quickened(network: nn.Module, device: torch.device) -> nn.Module:
    """A trained network on its device, for inference only; the one that was given is used up."""
    folded = _fold_normalisation(network.eval()).to(memory_format=torch.channels_last).to(device)
    return ReducedPrecision(folded).eval() if has_fast_bfloat16(device) else folded


def _fold_normalisation(module: nn.Module) -> nn.Module:
    """Each batch normalisation that follows a convolution becomes part of its weights."""
    before = ""
    for name, part in list(module.named_children()):
        if isinstance(part, nn.BatchNorm2d) and isinstance(getattr(module, before, None), nn.Conv2d):
            setattr(module, before, fuse_conv_bn_eval(getattr(module, before), part))
            # timm's normalisation brings the activation that follows it.
            setattr(module, name, getattr(part, "act", nn.Identity()))
        else:
            _fold_normalisation(part)
        before = name
    return module
