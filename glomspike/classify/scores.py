"""From a verdict on tiles to what is reported of a glomerulus and of a case: score, most suspicious tiles."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from glomspike.classify.tiles import TileGrid
from glomspike.findings import CallRule, Points, Scores, SpikeScore, TileScores, TopTile
from glomspike.slide.field import Field

TOP_TILES = 4
POSITIVE = 0.5  # a tile of exactly this probability counts as positive


def placed(grid: TileGrid, probabilities: Scores, field: Field) -> TileScores:
    """The scores of one glomerulus's tiles with their places on the slide."""
    corners0 = field.frame.to_level0(grid.corners_px.astype(np.float64))
    return TileScores(corners0, grid.tile_px * field.mpp, probabilities, grid.unreadable)


def judge(scores: TileScores, probability: float, field: Field, rule: CallRule) -> SpikeScore:
    """The glomerulus's judgement, given its probability, which is NaN where no tile could be scored.

    `spiked` is whether that reaches the rule's threshold; a tile counts as positive from 0.5.
    """
    positive = int((scores.probabilities >= POSITIVE).sum())
    count = len(scores.probabilities)
    return SpikeScore(
        probability=probability,
        spiked=bool(count and probability >= rule.threshold),
        fraction=positive / count if count else float("nan"),
        tiles=count,
        positive_tiles=positive,
        unreadable_tiles=scores.unreadable,
        tile_side_um=scores.side_um,
        top_tiles=_top_tiles(scores, field),
        call=rule.call(probability),
    )


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
