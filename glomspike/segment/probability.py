"""How probable it is, pixel by pixel, that crops show their glomerulus."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glomspike.networks.transfer import sent
from glomspike.networks.weights import Normalisation


def glomerulus_probability(
    network: nn.Module, crops: NDArray[np.uint8], normalisation: Normalisation
) -> NDArray[np.float32]:
    """Probabilities (n, h, w) for crops (n, h, w, 3), computed where the network is."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits = network(normalisation.apply(sent(crops, device)))
    return np.asarray(torch.sigmoid(logits[:, 0].float()).cpu().numpy(), dtype=np.float32)
