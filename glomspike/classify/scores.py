"""From a verdict on tiles to what is reported of a glomerulus and of a case: score, most suspicious tiles."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from glomspike.classify.membrane import crosses_membrane
from glomspike.classify.tiles import TileGrid
from glomspike.findings import Call, CallRule, Points, Scores, SpikedMembrane, SpikeScore, TileScores, TopTile
from glomspike.slide.field import Field

TOP_TILES = 4
POSITIVE = 0.5  # a tile of exactly this probability counts as positive


def placed(grid: TileGrid, probabilities: Scores, field: Field) -> TileScores:
    """The scores of one glomerulus's tiles with their places on the slide."""
    corners0 = field.frame.to_level0(grid.corners_px.astype(np.float64))
    membrane = crosses_membrane(grid)
    return TileScores(corners0, grid.tile_px * field.mpp, probabilities, grid.unreadable, membrane)


def judge(scores: TileScores, probability: float, field: Field, rule: CallRule) -> SpikeScore:
    """The glomerulus's judgement, given its probability, which is NaN where no tile could be scored.

    `spiked` is whether that reaches the rule's threshold; a tile counts as positive from 0.5.
    """
    is_positive, call = scores.probabilities >= POSITIVE, rule.call(probability)
    positive, count = int(is_positive.sum()), len(scores.probabilities)
    return SpikeScore(
        probability=probability,
        spiked=bool(count and probability >= rule.threshold),
        fraction=positive / count if count else float("nan"),
        tiles=count,
        positive_tiles=positive,
        unreadable_tiles=scores.unreadable,
        tile_side_um=scores.side_um,
        top_tiles=_top_tiles(scores, field),
        call=call,
        membrane=spiked_membrane(scores.membrane, is_positive, call, rule),
    )


def spiked_membrane(
    membrane: NDArray[np.bool_], positive: NDArray[np.bool_], call: Call, rule: CallRule
) -> SpikedMembrane:
    """How much of the membrane is spiked, of tiles (n,) that cross some and tiles that are positive."""
    tiles, spiked = int(membrane.sum()), int((membrane & positive).sum())
    return SpikedMembrane(tiles, spiked, rule.extent(call, spiked / tiles if tiles else float("nan")))


def _top_tiles(scores: TileScores, field: Field) -> tuple[TopTile, ...]:
    """Up to four tiles with the highest scores that do not overlap."""
    corners_px, side_px = field.frame.from_level0(scores.corners0), scores.side_um / field.mpp
    chosen = islice(highest_apart(corners_px, scores.probabilities, side_px), TOP_TILES)
    return tuple(
        TopTile(float(scores.corners0[i, 0]), float(scores.corners0[i, 1]), float(scores.probabilities[i]))
        for i in chosen
    )


def highest_apart(corners_px: Points, probabilities: Scores, side_px: float) -> Iterator[int]:
    """The tiles by falling probability (n,), without those that overlap one before them.

    `corners_px` (n, 2) are their upper left corners.
    """
    chosen: list[int] = []
    for index in np.argsort(-probabilities, kind="stable").tolist():
        apart = np.abs(corners_px[chosen] - corners_px[index]).max(axis=1)
        if (apart > side_px - 0.5).all():
            chosen.append(index)
            yield index
