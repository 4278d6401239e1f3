"""MSA-MIL's judgement (Chen et al., section 3.2): a glomerulus is as spiked as its most suspicious tile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from glomspike.classify.method import Verdict
from glomspike.classify.tiles import TileGrid
from glomspike.findings import Scores
from glomspike.models import Model
from glomspike.weights import Calibration, Normalisation

UNCALIBRATED = Calibration(method="platt", scale=1, offset=0, data="none")


@dataclass(frozen=True, eq=False)
class MsaMil:
    """A `BagClassifier` that lets one tile decide (any-window rule).

    Calibration is a rising map of log-odds, fitted to glomeruli by their highest tile. It is applied to every
    tile, so that the tile that decides carries the glomerulus's probability: a tile's value is the
    probability of spikes in a glomerulus whose highest tile scores so.
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
        verdicts = []
        for grid in grids:
            odds = tile_log_odds(self.network, grid, self.normalisation)
            tiles = self.calibration.probability(odds)
            verdicts.append(Verdict(tiles, float(tiles.max(initial=0)) if len(tiles) else float("nan")))
        return verdicts


def tile_log_odds(network: nn.Module, grid: TileGrid, normalisation: Normalisation) -> Scores:
    """What a tile network says of each tile of a grid (n,), computed where the network is."""
    if not len(grid.corners_px):
        return np.zeros(0)
    device = next(network.parameters()).device
    with torch.inference_mode():
        pictures = normalisation.apply(torch.from_numpy(grid.pixels[None]).to(device))
        odds: Tensor = network(pictures, boxes_of(grid).to(device))
    return np.asarray(odds.double().cpu().numpy())


def boxes_of(grid: TileGrid) -> Tensor:
    """The tiles of a grid as boxes (n, 5) of picture 0: its number, left, top, right, bottom."""
    corners = torch.from_numpy(grid.corners_px).float()
    return torch.cat([torch.zeros(len(corners), 1), corners, corners + grid.tile_px], dim=1)
