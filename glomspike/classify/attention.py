"""The judgement of networks that pool tiles by attention or by the highest (Ilse et al., Sadafi et al.)."""

from collections.abc import Sequence

import numpy as np

from glomspike.classify.method import TrainedMethod, Verdict, network_output
from glomspike.classify.msa_mil import MsaMil
from glomspike.classify.tiles import TileGrid
from glomspike.findings import Scores


class AttentionMil(TrainedMethod):
    """A `BagClassifier` whose network judges the glomerulus as a whole.

    A tile speaks for spikes as far as the glomerulus does and as much as it counts for that: the tile that
    counts most carries the glomerulus's probability.
    """

    def verdicts(self, grids: Sequence[TileGrid]) -> list[Verdict]:
        """See `BagClassifier`."""
        return [self._verdict(grid) for grid in grids]

    def _verdict(self, grid: TileGrid) -> Verdict:
        if not len(grid.corners_px):
            return Verdict(np.zeros(0), float("nan"))
        bag, _, attention = network_output(self.network, grid, self.normalisation)
        probability = float(self.calibration.probability(bag.double().cpu().numpy())[0])
        share = (attention / attention.max()).double().cpu().numpy()
        return Verdict(probability * share, probability)


class HighestTile(MsaMil):
    """The same judgement as MSA-MIL's, by a network that was taught to pool tiles by the highest."""

    def log_odds(self, grid: TileGrid) -> Scores:
        """Log-odds of spikes of each tile of a grid, (n,) float64. See `MsaMil`."""
        _, odds, _ = network_output(self.network, grid, self.normalisation)
        return np.asarray(odds.double().cpu().numpy())
