"""How probable each lesion is, for crops of glomeruli."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glomspike.findings import RGB, Scores
from glomspike.networks.weights import Normalisation

CROPS_AT_ONCE = 32


def lesion_probabilities(network: nn.Module, crops: Sequence[RGB], normalisation: Normalisation) -> Scores:
    """The probability of each class (n, classes) for crops of one size, computed where the network is."""
    device = next(network.parameters()).device
    parts = torch.split(torch.from_numpy(np.stack(crops)).to(device), CROPS_AT_ONCE)
    with torch.inference_mode():
        scores = [network(normalisation.apply(part)).float().softmax(dim=1).cpu() for part in parts]
    found: NDArray[np.float64] = torch.cat(scores).numpy().astype(np.float64)
    return found
