"""The one interface of all ways to judge a glomerulus by its tiles; there is a file for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from glomspike.classify.tiles import TileGrid
from glomspike.findings import Scores
from glomspike.networks.models import Model
from glomspike.networks.transfer import sent, sent_tensor
from glomspike.networks.weights import Calibration, Normalisation

UNCALIBRATED = Calibration(method="platt", scale=1, offset=0, data="none")


@dataclass(frozen=True, eq=False)
class Verdict:
    """How much each tile of a glomerulus speaks for spikes (n,), and its spike probability; all in [0, 1].

    What a tile's number means is the method's to say. The probability is that the glomerulus is spiked, NaN
    where there is not one tile.
    """

    tiles: Scores
    probability: float


NONE = Verdict(np.zeros(0), float("nan"))  # on a glomerulus without a tile


class BagClassifier(Protocol):
    """A trained way to judge glomeruli, each a bag of tiles."""

    def verdicts(self, grids: Sequence[TileGrid]) -> list[Verdict]:
        """What is to be thought of each glomerulus."""
        ...


@dataclass(frozen=True, eq=False)
class TrainedMethod:
    """What a method knows: its network, how pictures are normalised for it, and its calibrations.

    `calibration` is of glomeruli, `tile_calibration` of single tiles; where it is None, tiles take the
    former.
    """

    network: nn.Module
    normalisation: Normalisation
    calibration: Calibration = UNCALIBRATED
    tile_calibration: Calibration | None = None

    @classmethod
    def of(cls, model: Model) -> Self:
        """The classifier that was loaded."""
        card = model.card
        return cls(model.network, card.normalisation, card.calibration or UNCALIBRATED, card.tile_calibration)


def network_output(network: nn.Module, grid: TileGrid, normalisation: Normalisation) -> Any:
    """What a network says of a glomerulus and its tiles, at least one, computed where the network is."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        picture = normalisation.apply(sent(grid.pixels[None], device))
        return network(picture, sent_tensor(boxes_of(grid), device))


def boxes_of(grid: TileGrid) -> Tensor:
    """The tiles of a grid as boxes (n, 5) of picture 0: its number, left, top, right, bottom."""
    corners = torch.from_numpy(grid.corners_px).float()
    return torch.cat([torch.zeros(len(corners), 1), corners, corners + grid.tile_px], dim=1)
