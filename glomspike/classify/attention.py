"""The judgement of networks that pool tiles by attention or by the highest (Ilse et al., Sadafi et al.)."""

from collections.abc import Sequence

from glomspike.classify.method import NONE, TrainedMethod, Verdict, network_output
from glomspike.classify.msa_mil import MsaMil
from glomspike.classify.tiles import TileGrid
from glomspike.networks.transfer import Delivery


class AttentionMil(TrainedMethod):
    """A `BagClassifier` whose network judges the glomerulus as a whole.

    A tile speaks for spikes as far as the glomerulus does and as much as it counts for that: the tile that
    counts most carries the glomerulus's probability.
    """

    def verdicts(self, grids: Sequence[TileGrid]) -> list[Verdict]:
        """See `BagClassifier`."""
        begun = [self._begun(grid) if len(grid.corners_px) else None for grid in grids]
        return [NONE if answers is None else self._verdict(*answers) for answers in begun]

    def _begun(self, grid: TileGrid) -> tuple[Delivery, Delivery]:
        """Log-odds (1,) of a glomerulus, and how much each tile counts (n,), at most 1."""
        bag, _, attention = network_output(self.network, grid, self.normalisation)
        return Delivery.of(bag.double()), Delivery.of((attention / attention.max()).double())

    def _verdict(self, bag: Delivery, share: Delivery) -> Verdict:
        probability = float(self.calibration.probability(bag.array())[0])
        return Verdict(probability * share.array(), probability)


class HighestTile(MsaMil):
    """The same judgement as MSA-MIL's, by a network that was taught to pool tiles by the highest."""

    def log_odds(self, grid: TileGrid) -> Delivery:
        """Log-odds of spikes of each tile of a grid, (n,) float64. See `MsaMil`."""
        _, odds, _ = network_output(self.network, grid, self.normalisation)
        return Delivery.of(odds.double())
