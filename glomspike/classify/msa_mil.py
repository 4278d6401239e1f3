"""MSA-MIL's judgement (Chen et al., section 3.2): a glomerulus is as spiked as its most suspicious tile."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from glomspike.classify.method import Trained, Verdict, asked
from glomspike.classify.tiles import TileGrid
from glomspike.findings import Scores
from glomspike.networks.weights import Normalisation


class MsaMil(Trained):
    """A `BagClassifier` that lets one tile decide (any-window rule).

    Calibration is a rising map of log-odds, fitted to glomeruli by their highest tile. It is applied to every
    tile, so that the tile that decides carries the glomerulus's probability: a tile's value is the
    probability of spikes in a glomerulus whose highest tile scores so.
    """

    def verdicts(self, grids: Sequence[TileGrid]) -> list[Verdict]:
        """See `BagClassifier`."""
        verdicts = []
        for grid in grids:
            odds = self.log_odds(grid) if len(grid.corners_px) else np.zeros(0)
            tiles = self.calibration.probability(odds)
            verdicts.append(Verdict(tiles, float(tiles.max(initial=0)) if len(tiles) else float("nan")))
        return verdicts

    def log_odds(self, grid: TileGrid) -> Scores:
        """Those of each tile of a glomerulus (n,), of at least one."""
        return tile_log_odds(self.network, grid, self.normalisation)


def tile_log_odds(network: nn.Module, grid: TileGrid, normalisation: Normalisation) -> Scores:
    """What a tile network says of each tile of a grid (n,), computed where the network is."""
    if not len(grid.corners_px):
        return np.zeros(0)
    odds: Tensor = asked(network, grid, normalisation)
    return np.asarray(odds.double().cpu().numpy())
