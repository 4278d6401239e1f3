"""MSA-MIL: the tile network's training from glomerulus labels and a few boxes on spikes.

Chen et al., section 3.2. Each round scores the tiles of the bags, takes from every bag those most likely
to show spikes (in a normal glomerulus these are the network's worst mistakes), and learns from them
together with the tiles S that are known to show spikes, because somebody drew a box on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor, nn

from glomspike.augment import Rng, compressed, lit, restained
from glomspike.classify.bags import Bag, load_bags
from glomspike.classify.evaluate import labels, probabilities, score
from glomspike.classify.model import ARCHITECTURE, NORMALISATION, tile_network
from glomspike.classify.scores import score_grids
from glomspike.classify.tiles import TILE_PX, TileGrid
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Scores
from glomspike.metrics.roc import best_threshold, statistics
from glomspike.samples import read_samples
from glomspike.sheets import evenly, sheet
from glomspike.training import (
    LICENCE,
    Batch,
    Example,
    state_signature,
    task_signature,
    training_data,
    validation_metrics,
)
from glomspike.weights import CardDraft

MPP = 0.25
BOX_JITTER_PX = 10  # how far the tile cut around a box may be moved
EXAMPLES = 24
THRESHOLD = 0.5


@dataclass(frozen=True)
class MilOptions:
    """How a round chooses its tiles.

    `k_pos` and `k_neg` tiles come from each positive and each negative bag, in the paper's 1 : 5. Scoring
    is the cost of a round, so it sees `bags_per_round` bags and `tiles_per_bag` tiles of each, drawn anew,
    and the chosen tiles are learnt from `passes` times, each time turned and coloured differently.
    """

    k_pos: int = 6
    k_neg: int = 60
    bags_per_round: int = 160
    tiles_per_bag: int = 400
    passes: int = 1
    validation_bags: int = 40


@dataclass(frozen=True, eq=False)
class Instance:
    """A tile to learn from: the bag, the middle of the tile in the bag's field, and its label."""

    bag: Bag
    x_px: float
    y_px: float
    spiked: bool
    certain: bool


class MilTask:
    """Brings MSA-MIL to the training loop; an epoch is a round."""

    quality = "auc"

    def __init__(self, tables: Sequence[Path], options: MilOptions, begin: dict[str, Tensor] | None) -> None:
        self.tables, self.options, self.begin = tables, options, begin
        samples = read_samples(tables)
        self.bags = load_bags([s for s in samples if s.split == "train"], MPP)
        validation = load_bags([s for s in samples if s.split == "val"], MPP)
        for split, bags in (("train", self.bags), ("val", validation)):
            if len({bag.spiked for bag in bags}) < 2:
                cause = f"split {split} does not hold both spiked and normal glomeruli"
                raise SamplesError(
                    ", ".join(map(str, tables)), cause, "label more patients, or set the splits"
                )
        self.validation = evenly(validation, options.validation_bags)
        self.certain = [
            Instance(bag, float(x), float(y), True, True)
            for bag in self.bags
            if bag.spiked
            for x, y in bag.boxes_px
        ]
        self.chosen: list[Instance] = []

    @property
    def signature(self) -> str:
        return task_signature(self.tables, self.options, state_signature(self.begin))

    def network(self) -> nn.Module:
        network = tile_network()
        if self.begin is not None:
            network.load_state_dict(self.begin)
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        rng = np.random.default_rng([epoch, len(self.bags)])
        bags = [self.bags[i] for i in rng.permutation(len(self.bags))[: self.options.bags_per_round]]
        grids = [bag.grid.sampled(rng, self.options.tiles_per_bag) for bag in bags]
        scores = score_grids(network, grids, NORMALISATION)
        found = [tile for scored in zip(bags, grids, scores, strict=True) for tile in self._worst(*scored)]
        pool = self.certain + found
        self.chosen = [pool[i] for _ in range(self.options.passes) for i in rng.permutation(len(pool))]
        return len(self.chosen)

    def _worst(self, bag: Bag, grid: TileGrid, scores: Scores) -> list[Instance]:
        """The tiles of a bag that look most like spikes."""
        count = self.options.k_pos if bag.spiked else self.options.k_neg
        middles = grid.corners_px[np.argsort(-scores, kind="stable")[:count]] + TILE_PX / 2
        return [Instance(bag, float(x), float(y), bag.spiked, False) for x, y in middles]

    def sample(self, index: int, rng: Rng) -> Example:
        instance = self.chosen[index]
        jitter = rng.uniform(-BOX_JITTER_PX, BOX_JITTER_PX, 2) if instance.certain else np.zeros(2)
        tile = instance.bag.around(instance.x_px + jitter[0], instance.y_px + jitter[1])
        return {"image": varied(tile, rng), "spiked": np.array(instance.spiked, dtype=np.float32)}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean cross-entropy (equations 1 and 2, with the sign and the mean that they lack)."""
        logits = network(NORMALISATION.apply(batch["image"]))[:, 0]
        return nn.functional.binary_cross_entropy_with_logits(logits, batch["spiked"])

    def validate(self, network: nn.Module) -> dict[str, float]:
        scored = score(network, self.validation, NORMALISATION)
        measured = statistics(probabilities(scored), labels(scored), THRESHOLD)
        return measured | {"best_threshold": best_threshold(probabilities(scored), labels(scored))}

    def examples(self, network: nn.Module) -> RGB:
        """Validation glomeruli with their highest tiles, their scores and labels."""
        scored = score(network, evenly(self.validation, EXAMPLES), NORMALISATION)
        return sheet([one.drawn() for one in scored], [one.caption for one in scored])

    def card(self, measured: dict[str, float]) -> CardDraft:
        return CardDraft(
            kind="classifier",
            name="glomspike spike classifier",
            version="1",
            architecture=ARCHITECTURE,
            arguments={},
            mpp=MPP,
            input_px=TILE_PX,
            normalisation=NORMALISATION,
            classes=("spiked",),
            thresholds={"spiked": THRESHOLD, "best_f1_on_validation": measured["best_threshold"]},
            training_data=training_data(self.tables),
            metrics=validation_metrics(measured, len(self.validation), "best_threshold"),
            intended_use="research: scoring glomeruli of silver-stained slides for membranous spikes",
            licence=LICENCE,
        )


def varied(tile: RGB, rng: Rng) -> RGB:
    """A tile turned, mirrored and stained otherwise; what was blank outside the outline stays blank."""
    tile = np.rot90(tile, int(rng.integers(4)))
    tile = tile[:, ::-1] if rng.random() < 0.5 else tile
    blank = ~tile.any(axis=2)
    pixels = np.ascontiguousarray(tile)
    if rng.random() < 0.4:
        pixels = restained(pixels, rng)
    pixels = lit(pixels, rng)
    if rng.random() < 0.3:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.3, 1.0)), dtype=np.uint8)
    pixels = compressed(pixels, rng)
    pixels[blank] = 0
    return pixels
