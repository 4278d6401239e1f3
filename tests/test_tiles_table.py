"""`tiles.csv`: every tile with its place and probability."""

import csv
from pathlib import Path

import numpy as np

from glomspike.findings import TileScores
from glomspike.results.tiles import write_tiles


def test_each_tile_of_each_glomerulus_has_a_row_in_reading_order(tmp_path: Path) -> None:
    corners0, crossing = np.array([[10.0, 20.0], [35.5, 20.0]]), np.array([True, False])
    first = TileScores(corners0, 12.5, np.array([0.25, 0.98765]), 3, crossing)
    second = TileScores(np.array([[900.0, 7.04]]), 12.5, np.array([0.5]), 0, np.array([True]))
    write_tiles(tmp_path / "tiles.csv", {7: second, 2: first})
    with (tmp_path / "tiles.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["glomerulus", "x", "y", "probability", "membrane"],
        ["2", "10.0", "20.0", "0.2500", "1"],
        ["2", "35.5", "20.0", "0.9877", "0"],
        ["7", "900.0", "7.0", "0.5000", "1"],
    ]
