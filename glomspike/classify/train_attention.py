"""Attention MIL and its simpler relatives: a glomerulus a step, from labels of glomeruli alone.

Sadafi et al., "Attention based multiple instance learning for classification of blood cell disorders" (2020):
the loss of the bag is joined, at first, by that of a single-instance classifier (SIC), which gives every tile
the label of its glomerulus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, cast

import cv2
import numpy as np
from pydantic import JsonValue
from torch import Tensor, nn
from torch.nn import functional

from glomspike.classify.infer import METHODS
from glomspike.classify.method import BagClassifier, boxes_of
from glomspike.classify.model import NORMALISATION
from glomspike.classify.pooling import Evidence, PooledTiles, Pooling
from glomspike.classify.tiles import PAPERS, TileGrid, Tiling
from glomspike.classify.train import BagTask
from glomspike.classify.views import varied
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng
from glomspike.learn.pretrain.encoder import begin_with
from glomspike.learn.training import Batch, Example, Schedule, Settings, task_signature
from glomspike.networks.weights import Card

BETA = 0.5  # the SIC's share of the loss is this to the power of the epoch


@dataclass(frozen=True)
class AttentionOptions:
    """How tiles are pooled and cut, and whether tiles also learn alone (`auxiliary`).

    With the pooling "single" that is all they do.
    """

    pooling: Pooling = "attention"
    auxiliary: bool = True
    tiling: Tiling = PAPERS

    @classmethod
    def of_method(cls, method: str, auxiliary: bool, tiling: Mapping[str, float | None]) -> Self:
        """Those of one of the `POOLINGS`, with what is chosen of the tiling; None is not."""
        known = {name: value for name, value in tiling.items() if value is not None}
        return cls(cast(Pooling, method), auxiliary, Tiling(**(asdict(PAPERS) | known)))

    @classmethod
    def of(cls, card: Card) -> Self:
        """Those of a classifier that is to go on learning."""
        arguments: dict[str, Any] = dict(card.arguments)
        return cls(cast(Pooling, card.architecture), arguments["auxiliary"], Tiling.of(arguments))


def attention_settings(
    epochs: int, learning_rate: float | None, seed: int, schedule: Schedule = "onecycle"
) -> Settings:
    """The reference's: AMSGrad, a bag a step, and an end once the loss stays under 0.005."""
    return Settings(
        epochs,
        batch=1,
        learning_rate=learning_rate or 5e-4,
        weight_decay=1e-5,
        schedule=schedule,
        seed=seed,
        amsgrad=True,
        enough_loss=0.005,
    )


class AttentionTask(BagTask):
    """Brings networks that pool tiles to the training loop, in batches of one glomerulus."""

    def __init__(
        self, tables: Sequence[Path], options: AttentionOptions, begin: dict[str, Tensor] | None, seed: int
    ) -> None:
        super().__init__(tables, options.tiling, begin, seed)
        self.options = options
        self.learning = [bag for bag in self.bags if len(bag.grid.corners_px)]
        self.order: list[int] = []
        self.auxiliary_share = 0.0

    @property
    def architecture(self) -> str:
        return self.options.pooling

    @property
    def arguments(self) -> dict[str, JsonValue]:
        return asdict(self.options.tiling) | {"auxiliary": self.options.auxiliary}

    @property
    def signature(self) -> str:
        return task_signature(self.tables, self.options, self.begin)

    def network(self) -> nn.Module:
        network = PooledTiles(self.options.pooling)
        if self.begin is not None:
            begin_with(network, self.begin)
        return network

    def classifier(self, network: nn.Module) -> BagClassifier:
        return METHODS[self.options.pooling](network, NORMALISATION)

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.learning)).tolist()
        if self.options.pooling == "single":
            self.auxiliary_share = 1.0
        else:
            self.auxiliary_share = BETA**epoch if self.options.auxiliary else 0.0
        return len(self.order)

    def sample(self, index: int, rng: Rng) -> Example:
        bag = self.learning[self.order[index]]
        image, boxes = mirrored(bag.grid, rng)
        spiked = np.array([bag.spiked], dtype=np.float32)
        return {"image": np.where(image.any(axis=2, keepdims=True), varied(image, rng), np.uint8(0)),
                "boxes": boxes, "spiked": spiked}  # fmt: skip

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """(1 - β^E) of the bag's cross-entropy and β^E of its tiles', E being the epoch."""
        evidence = Evidence(*network(NORMALISATION.apply(batch["image"]), batch["boxes"][0]))
        truth, share = batch["spiked"][0], self.auxiliary_share
        of_bag = functional.binary_cross_entropy_with_logits(evidence.bag, truth)
        of_tiles = functional.binary_cross_entropy_with_logits(
            evidence.tiles, truth.expand_as(evidence.tiles)
        )
        return (1 - share) * of_bag + share * of_tiles


def mirrored(grid: TileGrid, rng: Rng) -> tuple[RGB, np.ndarray[Any, np.dtype[np.float32]]]:
    """A glomerulus turned by a right angle and mirrored at random, and its tiles as boxes (m, 5) in it."""
    boxes = boxes_of(grid).numpy().astype(np.float32)
    pixels = grid.pixels
    for _ in range(int(rng.integers(4))):  # by a quarter to the left: x becomes y, and y what is left of x
        width_px = pixels.shape[1]
        pixels = np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE), dtype=np.uint8)
        _, left, top, right, bottom = boxes.T.copy()
        boxes[:, 1:] = np.stack([top, width_px - right, bottom, width_px - left], axis=1)
    if rng.random() < 0.5:
        boxes[:, [1, 3]] = pixels.shape[1] - boxes[:, [3, 1]]
        pixels = np.asarray(cv2.flip(pixels, 1), dtype=np.uint8)
    return pixels, boxes
