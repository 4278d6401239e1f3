"""`tiles.csv`: one row per tile of every scored glomerulus, for maps and statistics of one's choice."""

import csv
from collections.abc import Mapping
from pathlib import Path

from glomspike.findings import TileScores

COLUMNS = ("glomerulus", "x", "y", "probability", "membrane")


def write_tiles(path: Path, tiles: Mapping[int, TileScores]) -> None:
    """The tiles of each glomerulus by its id, in reading order.

    `x`, `y` are a tile's upper left corner in level-0 pixels of the whole slide, `probability` is that it
    shows spikes, in [0, 1], `membrane` 1 where it crosses some. Tiles that could not be read have no row.
    Raises OSError.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for glomerulus in sorted(tiles):
            scores = tiles[glomerulus]
            rows = zip(scores.corners0, scores.probabilities, scores.membrane, strict=True)
            for (x0, y0), probability, crosses in rows:
                writer.writerow((glomerulus, f"{x0:.1f}", f"{y0:.1f}", f"{probability:.4f}", int(crosses)))
