"""MSA-MIL: a tile network's training from glomerulus labels and a few boxes on spikes.

Chen et al., section 3.2. Each round scores the tiles of the bags, takes from every bag those most likely
to show spikes (in a normal glomerulus these are the network's worst mistakes), and learns from them
together with the tiles S that are known to show spikes, because someone drew a box on them; or, in IDA-MIL,
because they were made to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import Tensor, nn
from torch.nn import functional

from glomspike.classify.bags import Bag
from glomspike.classify.model import NETWORKS, NORMALISATION
from glomspike.classify.msa_mil import MsaMil, tile_log_odds
from glomspike.classify.synthetic import SyntheticSet, SyntheticTile
from glomspike.classify.tiles import PAPERS, Tiling
from glomspike.classify.train import BagTask
from glomspike.classify.views import view_of
from glomspike.findings import RGB, Points
from glomspike.learn.augmentation import Rng
from glomspike.learn.pretrain.encoder import begin_with
from glomspike.learn.training import Batch, Example, task_signature
from glomspike.networks.encoders import LITE0
from glomspike.networks.weights import Card, CardDraft

BOX_JITTER_PX = 10  # how far the tile around a box's middle may be moved


@dataclass(frozen=True)
class MilOptions:
    """The network, its tiles, and how a round chooses from them; the numbers are the paper's.

    `k_pos` and `k_neg` tiles come from each positive and each negative bag, the highest of `tiles_per_bag`
    drawn at random, so that they are not always the same. A round scores `bags_per_round` bags, drawn
    anew too. Of either, all are taken where there are not more. Each tile is shown by itself, or in a view of
    `view_px` with all tiles around it.
    """

    architecture: str = "wide-resnet18"
    tiling: Tiling = PAPERS
    k_pos: int = 1
    k_neg: int = 5
    bags_per_round: int = 10_000
    tiles_per_bag: int = 10_000
    view_px: int | None = None

    @classmethod
    def beginning_with(cls, encoder: str | None) -> Self:
        """The paper's, of the network whose encoder is of this architecture, where a card named it."""
        return cls() if encoder != LITE0 else cls("lite0")

    @classmethod
    def of(cls, card: Card) -> Self:
        """Those of a classifier that is to go on learning, as far as its card keeps them."""
        return cls(card.architecture, Tiling.of(card.arguments))

    def changed(self, chosen: Mapping[str, float | None]) -> Self:
        """The same but for what is chosen, by the names of these options and of the tiling's; None is not."""
        given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        sampling = {
            name: given.pop(name)
            for name in ("k_pos", "k_neg", "bags_per_round", "tiles_per_bag", "view_px")
            if name in given
        }
        return replace(self, tiling=replace(self.tiling, **given), **sampling)


@dataclass(frozen=True, eq=False)
class Instance:
    """A tile to learn from: its bag, its middle (2,) in the bag's field, its label; a box is certain."""

    bag: Bag
    middle_px: Points
    spiked: bool
    certain: bool

    def random_view(self, rng: Rng) -> tuple[RGB, NDArray[np.float32]]:
        """The tile in a square view, and its box in that (4,)."""
        jitter_px = rng.uniform(-BOX_JITTER_PX, BOX_JITTER_PX, 2) if self.certain else np.zeros(2)
        return view_of(self.bag.grid, self.middle_px + jitter_px, rng)


class MilTask(BagTask):
    """Brings MSA-MIL to the training loop; an epoch is a round."""

    def __init__(
        self,
        tables: Sequence[Path],
        options: MilOptions,
        begin: dict[str, Tensor] | None,
        seed: int,
        synthetic: SyntheticSet | None = None,
    ) -> None:
        super().__init__(tables, options.tiling, begin, seed)
        self.options, self.synthetic = options, synthetic
        spiked = [bag for bag in self.bags if bag.spiked]
        self.certain = [Instance(bag, middle, True, True) for bag in spiked for middle in bag.boxes_px]
        self.chosen: list[Instance | SyntheticTile] = []

    @property
    def architecture(self) -> str:
        return self.options.architecture

    @property
    def arguments(self) -> dict[str, JsonValue]:
        return asdict(self.options.tiling) | {"k_pos": self.options.k_pos, "k_neg": self.options.k_neg}

    @property
    def signature(self) -> str:
        beginning = [] if self.synthetic is None else [self.synthetic.signature]
        return task_signature(self.tables, self.options, self.begin, *beginning)

    def network(self) -> nn.Module:
        network = NETWORKS[self.options.architecture]()
        if self.begin is not None:
            begin_with(network, self.begin)
        return network

    def classifier(self, network: nn.Module) -> MsaMil:
        return MsaMil(network, NORMALISATION)

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        rng = np.random.default_rng([self.seed, epoch])
        bags = [self.bags[i] for i in rng.permutation(len(self.bags))[: self.options.bags_per_round]]
        pool: list[Instance | SyntheticTile] = [*self.certain_in(bags)]
        pool += [tile for bag in bags for tile in self._most_suspicious(network, bag, rng)]
        if self.synthetic is not None:
            pool += self.synthetic.of_a_round(sum(tile.spiked for tile in pool), rng)
        self.chosen = [pool[i] for i in rng.permutation(len(pool))]
        return len(self.chosen)

    def certain_in(self, bags: Sequence[Bag]) -> Sequence[Instance]:
        """S, of a round that scores these bags: all of it in every round."""
        return self.certain

    def _most_suspicious(self, network: nn.Module, bag: Bag, rng: Rng) -> list[Instance]:
        """The tiles of a bag that look most like spikes."""
        count = self.options.k_pos if bag.spiked else self.options.k_neg
        grid = bag.grid.sampled(rng, self.options.tiles_per_bag)
        odds = tile_log_odds(network, grid, NORMALISATION)
        middles = grid.middles_px[np.argsort(-odds, kind="stable")[:count]]
        return [Instance(bag, middle, bag.spiked, False) for middle in middles]

    def sample(self, index: int, rng: Rng) -> Example:
        tile = self.chosen[index]
        image, box = tile.random_view(rng)
        return {"image": image, "box": box, "spiked": np.array(tile.spiked, dtype=np.float32)}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean cross-entropy (equations 1 and 2, with the sign and the mean that they lack)."""
        boxes = batch["box"]
        odds = network(NORMALISATION.apply(batch["image"]), numbered(boxes[:, None]))
        return functional.binary_cross_entropy_with_logits(odds, batch["spiked"])

    def card(self, measured: dict[str, float]) -> CardDraft:
        draft = super().card(measured)
        if self.synthetic is None:
            return draft
        learnt = (*draft.training_data, self.synthetic.training_data)
        return draft.model_copy(update={"training_data": learnt})


def numbered(boxes: Tensor) -> Tensor:
    """Boxes (n, k, 4) of n pictures as tile networks take them: (n * k, 5), picture numbers first."""
    pictures = torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])
    return torch.column_stack([pictures, boxes.flatten(0, 1)])
