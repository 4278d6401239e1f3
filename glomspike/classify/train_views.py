"""MSA-MIL from views: a round's tiles are shown with all tiles around them, and all are learnt from.

A tile that is shown by itself costs the network four times its pixels for one label. But most tiles
around it have certain labels too: in a normal glomerulus none shows spikes, and where it is known along which
membranes spikes stand (as of phantoms), each tile holds some or none.

Of such a glomerulus all tiles should be right, not only the most suspicious one: what is shown of it are its
worst mistakes of either kind, and an epoch is chosen by tiles and glomeruli alike.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from glomspike.classify.bags import Bag
from glomspike.classify.evaluate import ScoredBag
from glomspike.classify.model import NORMALISATION
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.classify.tiles import Corners, Tiling, covered
from glomspike.classify.train import LOG_LIKELIHOOD, OFFSET, SCALE, THRESHOLD, calibration
from glomspike.classify.train_msa_mil import BOX_JITTER_PX, Instance, MilTask, numbered
from glomspike.classify.views import CONTEXT_PX, View, view_with
from glomspike.findings import Points
from glomspike.learn.augmentation import Rng, mapped
from glomspike.learn.training import Batch, Example
from glomspike.metrics.calibration import log_odds
from glomspike.metrics.localisation import LEAST_PX, certain_length

UNKNOWN = -1.0
BOTH = "log_likelihood_of_glomeruli_and_tiles"
LEAST = 1e-6  # a probability that is taken for impossible counts as this
HARDEST = 0.2  # the share of tiles without spikes that is learnt from, those that look most like some


class ViewTask(MilTask):
    """Brings MSA-MIL from views to the training loop."""

    quality = BOTH

    @property
    def arguments(self) -> dict[str, JsonValue]:
        return {**super().arguments, "view_px": self.options.view_px}

    def certain_in(self, bags: Sequence[Bag]) -> Sequence[Instance]:
        """S of the bags that the round scores: with all that is around, they are enough for a round."""
        scored = set(map(id, bags))
        return [tile for tile in self.certain if id(tile.bag) in scored]

    def measured(self, found: Sequence[ScoredBag]) -> dict[str, float]:
        """Those of glomeruli, and how tiles score that are known to show spikes, or to show none."""
        numbers = super().measured(found)
        odds = np.concatenate([log_odds(one.verdict.tiles) for one in found])
        length_px = np.concatenate([one.bag.spiked_px for one in found])
        probability = calibration(numbers[SCALE], numbers[OFFSET]).probability(odds)
        spiked, clear = probability[length_px >= LEAST_PX], probability[length_px == 0]
        if not len(spiked):
            return {**numbers, BOTH: numbers[LOG_LIKELIHOOD]}
        labels = np.arange(len(spiked) + len(clear)) < len(spiked)
        likelihood = (np.log(np.maximum(spiked, LEAST)).mean() + np.log1p(-clear + LEAST).mean()) / 2
        return {
            **numbers,
            "tile_recall": float((spiked >= THRESHOLD).mean()),
            "tile_false_positive_rate": float((clear >= THRESHOLD).mean()),
            "tile_auc": float(roc_auc_score(labels, np.concatenate([spiked, clear]))),
            BOTH: (numbers[LOG_LIKELIHOOD] + float(likelihood)) / 2,
        }

    def _most_suspicious(self, network: nn.Module, bag: Bag, rng: Rng) -> list[Instance]:
        """Of a bag whose tiles are all known, the worst mistakes of either kind; else as in MSA-MIL."""
        if not bag.stretches_px:
            return super()._most_suspicious(network, bag, rng)
        sampled = replace(bag, grid=bag.grid.sampled(rng, self.options.tiles_per_bag))
        odds, length_px = tile_log_odds(network, sampled.grid, NORMALISATION), sampled.spiked_px
        sure = np.flatnonzero((length_px >= LEAST_PX) | (length_px == 0))
        spiked = length_px[sure] >= LEAST_PX
        worst = np.argsort(np.where(spiked, odds[sure], -odds[sure]), kind="stable")[: self.options.k_pos]
        middles = sampled.grid.middles_px[sure[worst]]
        return [
            Instance(bag, middle, bool(label), False)
            for middle, label in zip(middles, spiked[worst], strict=True)
        ]

    def sample(self, index: int, rng: Rng) -> Example:
        """A view with a chosen tile in it: boxes (k, 4) of all its tiles, and what is known of each (k,)."""
        tile, side_px, tiling = self.chosen[index], self.options.view_px, self.options.tiling
        assert isinstance(tile, Instance)
        assert side_px is not None
        corners = corners_in(side_px, tiling, rng)
        chosen = int(rng.integers(len(corners)))
        jitter_px = rng.uniform(-BOX_JITTER_PX, BOX_JITTER_PX, 2) if tile.certain else np.zeros(2)
        at_px = corners[chosen] + tiling.tile_px / 2 + jitter_px
        view = view_with(tile.bag.grid, tile.middle_px, at_px, side_px, rng)
        known = known_of(tile.bag, corners, view, tiling)
        if not tile.bag.stretches_px:
            known[chosen] = tile.spiked
        boxes = np.concatenate([corners, corners + tiling.tile_px], axis=1).astype(np.float32)
        return {"image": view.pixels, "box": boxes, "spiked": known}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy of tiles, and of each view by its highest tile, as glomeruli are judged; a scalar.

        Of tiles half the mean of those with spikes, and half that of the hardest without.
        """
        boxes, spiked = batch["box"], batch["spiked"]
        odds = network(NORMALISATION.apply(batch["image"]), numbered(boxes)).view_as(spiked)
        known = spiked != UNKNOWN
        each = functional.binary_cross_entropy_with_logits(odds, spiked.clamp(min=0), reduction="none")
        without = each[known & (spiked == 0)]
        hardest = without.topk(min(len(without), 1 + int(HARDEST * len(without)))).values
        highest = odds.masked_fill(~known, -torch.inf).amax(dim=1)
        shown = known.any(dim=1)
        judged = functional.binary_cross_entropy_with_logits(
            highest[shown], spiked.amax(dim=1)[shown], reduction="sum"
        )
        tiles = (_mean(each[spiked == 1]) + _mean(hardest)) / 2
        return tiles + judged / max(1, int(shown.sum()))


def corners_in(side_px: int, tiling: Tiling, rng: Rng) -> Corners:
    """The corners (k, 2) of the tiles of a view: a square of them, anywhere in it where all have context."""
    room_px = side_px - 2 * CONTEXT_PX - tiling.tile_px
    along = np.arange(0, room_px + 1, tiling.stride_px)
    x, y = np.meshgrid(along, along)
    first = CONTEXT_PX + rng.integers(0, room_px - along[-1] + 1, 2)
    return np.stack([x.ravel(), y.ravel()], axis=1) + first


def known_of(bag: Bag, corners: Corners, view: View, tiling: Tiling) -> NDArray[np.float32]:
    """Which tiles (k,) of a view are known to show spikes (1), or to show none (0); else UNKNOWN.

    As in a bag, tiles count of which the outline holds enough. One with a little of a stretch is in doubt.
    """
    known, side_px = np.full(len(corners), UNKNOWN, np.float32), len(view.pixels)
    counts = covered(view.inside, corners, tiling)
    if not bag.spiked:
        known[counts] = 0
    elif bag.stretches_px:
        seen, hidden = (_shown(lines, view, side_px) for lines in (bag.stretches_px, bag.hidden_px))
        length_px = certain_length(corners.astype(np.float64), tiling.tile_px, seen, hidden)
        known[counts & (length_px == 0)] = 0
        known[counts & (length_px >= LEAST_PX)] = 1
    return known


def _shown(lines: Sequence[Points], view: View, side_px: int) -> list[Points]:
    """Lines (k, 2) of a bag's field that a view shows, in its pixels."""
    mapped_lines = [mapped(line, view.matrix) for line in lines]
    return [line for line in mapped_lines if line.max(axis=0).min() > 0 and line.min(axis=0).max() < side_px]


def _mean(values: Tensor) -> Tensor:
    """The mean, 0 of none."""
    return values.sum() / max(1, len(values))
