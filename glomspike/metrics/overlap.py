"""How well an outline covers a glomerulus: Dice and intersection over union."""

from dataclasses import dataclass

import numpy as np

from glomspike.findings import Mask


@dataclass(frozen=True)
class Overlap:
    """Dice and IoU of one glomerulus, both in [0, 1]."""

    dice: float
    iou: float


def overlap(found: Mask, truth: Mask) -> Overlap:
    """The overlap of two masks of one size; two empty masks agree."""
    both, either = int((found & truth).sum()), int((found | truth).sum())
    if either == 0:
        return Overlap(1.0, 1.0)
    return Overlap(2 * both / (either + both), both / either)


@dataclass(frozen=True)
class OverlapSummary:
    """Mean and standard deviation of Dice, and mean IoU, over n glomeruli."""

    dice_mean: float
    dice_sd: float
    iou_mean: float
    n: int


def overlap_summary(overlaps: list[Overlap]) -> OverlapSummary:
    """The summary of at least one overlap; the standard deviation is the population's."""
    dice = np.array([o.dice for o in overlaps])
    return OverlapSummary(
        float(dice.mean()), float(dice.std()), float(np.mean([o.iou for o in overlaps])), len(dice)
    )
