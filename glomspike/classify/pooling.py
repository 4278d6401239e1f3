"""Networks that judge a glomerulus as a whole: tiles become features, and these are pooled to one answer."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, get_args

from torch import Tensor, nn

from glomspike.classify.model import DenseTiles, feature_map
from glomspike.networks.attention import Attention

Pooling = Literal["attention", "gated-attention", "max", "single"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
BY_HIGHEST = ("max", "single")
HIDDEN = 64


class Evidence(NamedTuple):
    """What a network sees in a bag of m tiles.

    `bag` (1,) are the log-odds that the glomerulus is spiked, `tiles` (m,) those of each tile alone, and
    `attention` (m,) how much each tile counts for the bag; it sums to 1.
    """

    bag: Tensor
    tiles: Tensor
    attention: Tensor


class PooledTiles(nn.Module):
    """A picture (1, 3, h, w), normalised, and its tiles (m, 5) as tile networks take them, to `Evidence`.

    "attention" and "gated-attention" are weighted means of features, the weights those of `Attention`. "max"
    and "single" go by the highest tile; in "single" tiles learn alone (see `train_attention`).
    """

    def __init__(self, pooling: Pooling) -> None:
        super().__init__()
        self.pooling = pooling
        self.encoder = DenseTiles().encoder
        self.tile = nn.Linear(DenseTiles.FEATURES, 1)
        if pooling in {"attention", "gated-attention"}:
            gated = pooling == "gated-attention"
            self.attention = Attention(DenseTiles.FEATURES, HIDDEN, gated=gated)
            self.bag = nn.Linear(DenseTiles.FEATURES, 1)

    def forward(self, picture: Tensor, boxes: Tensor) -> Evidence:
        features = DenseTiles.mean_of_tiles(feature_map(self.encoder, picture).float(), boxes)
        tiles = self.tile(features).float()[:, 0]
        if self.pooling in BY_HIGHEST:
            highest = tiles.argmax(dim=0, keepdim=True)
            return Evidence(tiles[highest], tiles, tiles.new_zeros(len(tiles)).index_fill(0, highest, 1))
        attention = self.attention(features).softmax(dim=0)
        pooled = (attention[:, None] * features).sum(dim=0, keepdim=True)
        return Evidence(self.bag(pooled).float()[:, 0], tiles, attention)


POOLED: dict[str, Callable[[], nn.Module]] = {pooling: partial(PooledTiles, pooling) for pooling in POOLINGS}
