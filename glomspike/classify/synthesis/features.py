"""What the shipped classifier's encoder sees in pictures: a measure of how real synthetic ones look."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glomspike.metrics.likeness import Features
from glomspike.networks.models import load_model
from glomspike.networks.weights import Normalisation

AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """An encoder of tissue at 0.25 µm/px, and the name that every figure measured with it carries.

    It is that of the shipped weights whichever classifier chose the tiles, so that figures of several
    trainings can be compared as long as the shipped weights are the same.
    """

    name: str
    encoder: nn.Module
    normalisation: Normalisation
    device: torch.device

    @classmethod
    def shipped(cls, device: torch.device) -> Self:
        """That of the classifier that came with glomspike. Raises WeightsError where it is missing."""
        model = load_model("classifier", None, device)
        name = f"encoder of {model.card.name} {model.card.version}, SHA-256 {model.card.sha256[:12]}"
        return cls(name, model.network.get_submodule("encoder"), model.card.normalisation, device)

    def of(self, pictures: NDArray[np.uint8]) -> Features:
        """The mean feature vector of each of the pictures (n, h, w, 3)."""
        with torch.inference_mode():
            parts = [
                self.encoder(self.normalisation.apply(part.to(self.device))).mean(dim=(2, 3)).double().cpu()
                for part in torch.split(torch.from_numpy(pictures), AT_ONCE)
            ]
        return torch.cat(parts).numpy()
