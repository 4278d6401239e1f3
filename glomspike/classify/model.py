"""The tile network: ResNet-18 with one output, the log-odds that a tile shows spikes."""

from torch import nn
from torchvision.models import resnet18

from glomspike.weights import Normalisation

ARCHITECTURE = "resnet18"
NORMALISATION = Normalisation(mean=(0.62, 0.58, 0.62), std=(0.30, 0.31, 0.29))


def tile_network() -> nn.Module:
    """A ResNet-18 (He et al. 2016) with random weights: (n, 3, 50, 50) to log-odds (n, 1)."""
    network: nn.Module = resnet18(weights=None, num_classes=1)
    return network
