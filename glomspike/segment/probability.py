"""How probable it is, pixel by pixel, that crops show their glomerulus."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glomspike.weights import Normalisation


def glomerulus_probability(
    network: nn.Module, crops: NDArray[np.uint8], normalisation: Normalisation
) -> NDArray[np.float32]:
    """Probabilities (n, h, w) for crops (n, h, w, 3), computed where the network is."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits = network(normalised(torch.from_numpy(crops).to(device), normalisation))
    return np.asarray(torch.sigmoid(logits[:, 0].float()).cpu().numpy(), dtype=np.float32)


def normalised(crops: Tensor, normalisation: Normalisation) -> Tensor:
    """Network input (n, 3, h, w) of uint8 crops (n, h, w, 3)."""
    mean = torch.tensor(normalisation.mean, device=crops.device)
    std = torch.tensor(normalisation.std, device=crops.device)
    return ((crops.float() / 255 - mean) / std).permute(0, 3, 1, 2)
