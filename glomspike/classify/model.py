"""The tile network: ResNet-18 with one output, the log-odds that a tile shows spikes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import resnet18

from glomspike.weights import Normalisation

ARCHITECTURE = "resnet18"
NORMALISATION = Normalisation(mean=(0.62, 0.58, 0.62), std=(0.30, 0.31, 0.29))


def tile_network() -> nn.Module:
    """A ResNet-18 (He et al. 2016) with random weights: (n, 3, 50, 50) to log-odds (n, 1)."""
    network: nn.Module = resnet18(weights=None, num_classes=1)
    return network


def as_input(tiles: NDArray[np.uint8], normalisation: Normalisation, device: torch.device) -> Tensor:
    """Tiles (n, 50, 50, 3) as the network wants them: (n, 3, 50, 50), normalised, channels last."""
    pixels = torch.from_numpy(np.ascontiguousarray(tiles)).to(device).permute(0, 3, 1, 2)
    return normalised(pixels, normalisation)


def normalised(pixels: Tensor, normalisation: Normalisation) -> Tensor:
    """Pixels (n, 3, h, w) of 0 to 255 with the card's mean and standard deviation taken out."""
    mean = torch.tensor(normalisation.mean, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(normalisation.std, device=pixels.device).view(1, 3, 1, 1)
    return ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
