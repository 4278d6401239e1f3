"""MSA-MIL's judgement (Chen et al., section 3.2): a glomerulus is as spiked as its most suspicious tile."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from glomspike.classify.method import NONE, TrainedMethod, Verdict, network_output
from glomspike.classify.tiles import TileGrid
from glomspike.findings import Scores
from glomspike.networks.transfer import Delivery
from glomspike.networks.weights import Normalisation


class MsaMil(TrainedMethod):
    """A `BagClassifier` that lets one tile decide (any-window rule).

    A glomerulus has the probability that it is spiked, by the calibration that was fitted to glomeruli and
    their highest tiles. A tile has the probability that it shows spikes, by the calibration of tiles. Where
    there is none, the tile takes the glomeruli's: its value then is the probability of spikes in a
    glomerulus whose highest tile scores so, as a rule less than that of spikes in the tile.
    """

    def verdicts(self, grids: Sequence[TileGrid]) -> list[Verdict]:
        """See `BagClassifier`."""
        begun = [self.log_odds(grid) if len(grid.corners_px) else None for grid in grids]
        return [NONE if odds is None else self._verdict(odds.array()) for odds in begun]

    def _verdict(self, odds: Scores) -> Verdict:
        of_tiles = self.tile_calibration or self.calibration
        return Verdict(of_tiles.probability(odds), float(self.calibration.probability(odds.max())))

    def log_odds(self, grid: TileGrid) -> Delivery:
        """Those of each tile of a glomerulus (n,), of at least one."""
        odds: Tensor = network_output(self.network, grid, self.normalisation)
        return Delivery.of(odds.double())


def tile_log_odds(network: nn.Module, grid: TileGrid, normalisation: Normalisation) -> Scores:
    """What a tile network says of each tile of a grid (n,), computed where the network is."""
    if not len(grid.corners_px):
        return np.zeros(0)
    return MsaMil(network, normalisation).log_odds(grid).array()
