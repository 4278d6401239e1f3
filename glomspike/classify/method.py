"""The one interface of all ways to judge a glomerulus by its tiles; there is a file for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from glomspike.classify.tiles import TileGrid
from glomspike.findings import Scores


@dataclass(frozen=True, eq=False)
class Verdict:
    """How much each tile of a glomerulus speaks for spikes (n,), and its spike probability; all in [0, 1].

    The probability is NaN where there is not one tile.
    """

    tiles: Scores
    probability: float


class BagClassifier(Protocol):
    """A trained way to judge glomeruli, each a bag of tiles."""

    def verdicts(self, grids: Sequence[TileGrid]) -> list[Verdict]:
        """What is to be thought of each glomerulus."""
        ...
