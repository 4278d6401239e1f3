"""The judgement of networks that pool tiles by attention or otherwise (Ilse et al., Sadafi et al.)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn

from glomspike.classify.method import Verdict
from glomspike.classify.msa_mil import UNCALIBRATED, boxes_of
from glomspike.classify.tiles import TileGrid
from glomspike.models import Model
from glomspike.weights import Calibration, Normalisation


@dataclass(frozen=True, eq=False)
class AttentionMil:
    """A `BagClassifier` that asks a network about the glomerulus as a whole.

    A tile speaks for spikes as far as the glomerulus does and as much as it counts for that: the tile that
    counts most carries the glomerulus's probability.
    """

    network: nn.Module
    normalisation: Normalisation
    calibration: Calibration = UNCALIBRATED

    @classmethod
    def of(cls, model: Model) -> Self:
        """The classifier that was loaded."""
        return cls(model.network, model.card.normalisation, model.card.calibration or UNCALIBRATED)

    def verdicts(self, grids: Sequence[TileGrid]) -> list[Verdict]:
        """See `BagClassifier`."""
        return [self._verdict(grid) for grid in grids]

    def _verdict(self, grid: TileGrid) -> Verdict:
        if not len(grid.corners_px):
            return Verdict(np.zeros(0), float("nan"))
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            picture = self.normalisation.apply(torch.from_numpy(grid.pixels[None]).to(device))
            bag, _, attention = self.network(picture, boxes_of(grid).to(device))
        probability = float(self.calibration.probability(bag.double().cpu().numpy())[0])
        share = (attention / attention.max()).double().cpu().numpy()
        return Verdict(probability * share, probability)
