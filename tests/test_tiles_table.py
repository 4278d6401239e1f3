"""`tiles.csv`: every tile with its place and probability."""

import csv
from pathlib import Path

import numpy as np

from glomspike.findings import TileScores
from glomspike.results.tiles import write_tiles


def test_each_tile_of_each_glomerulus_has_a_row_in_reading_order(tmp_path: Path) -> None:
    first = TileScores(np.array([[10.0, 20.0], [35.5, 20.0]]), 12.5, np.array([0.25, 0.98765]), 3)
    second = TileScores(np.array([[900.0, 7.04]]), 12.5, np.array([0.5]), 0)
    write_tiles(tmp_path / "tiles.csv", {7: second, 2: first})
    with (tmp_path / "tiles.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["glomerulus", "x", "y", "probability"],
        ["2", "10.0", "20.0", "0.2500"],
        ["2", "35.5", "20.0", "0.9877"],
        ["7", "900.0", "7.0", "0.5000"],
    ]
