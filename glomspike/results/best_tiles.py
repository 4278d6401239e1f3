"""The most suspicious tiles of all glomeruli together."""

from collections.abc import Sequence
from dataclasses import asdict

from glomspike.findings import Glomerulus, SlideTile

BEST_TILES = 4


def best_of_slide(glomeruli: Sequence[Glomerulus]) -> tuple[SlideTile, ...]:
    """Up to four tiles with the highest scores of all glomeruli, the highest first."""
    tiles = [
        SlideTile(**asdict(tile), glomerulus=one.id)
        for one in glomeruli
        if one.judgement is not None
        for tile in one.judgement.top_tiles
    ]
    return tuple(sorted(tiles, key=lambda tile: -tile.probability)[:BEST_TILES])
