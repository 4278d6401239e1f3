"""The most suspicious tiles of all glomeruli together."""

from collections.abc import Sequence
from dataclasses import asdict

from glomspike.findings import CaseTile, Glomerulus

BEST_TILES = 4


def best_of_case(glomeruli: Sequence[Glomerulus]) -> tuple[CaseTile, ...]:
    """Up to four tiles with the highest scores of all glomeruli, the highest first."""
    tiles = [
        CaseTile(**asdict(tile), glomerulus=one.id)
        for one in glomeruli
        if one.judgement is not None
        for tile in one.judgement.top_tiles
    ]
    return tuple(sorted(tiles, key=lambda tile: -tile.probability)[:BEST_TILES])
