"""`glomeruli.csv`."""

import csv
from dataclasses import replace

from results import glomerulus, slide_result, spike_score

from glomspike.results.table import write_table


def rows(tmp_path, result):
    write_table(tmp_path / "glomeruli.csv", result)
    with (tmp_path / "glomeruli.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_columns_are_those_of_the_contract(tmp_path):
    write_table(tmp_path / "glomeruli.csv", slide_result())
    assert (tmp_path / "glomeruli.csv").read_bytes() == (
        b"id,x,y,radius_um,detection_score,area_um2,spike_probability,spiked,call,spike_fraction,tiles,"
        b"positive_tiles,top_tiles,touches_edge,unreadable_tiles,membrane_tiles,spiked_membrane_share,extent,"
        b"sharpness\n"
    )


def test_a_scored_glomerulus_fills_every_cell(tmp_path):
    scored = replace(glomerulus(3, x0=10_000.256, spikes=spike_score(0.93)), sharpness=0.4567)
    (row,) = rows(tmp_path, slide_result(scored))
    assert row == {
        "id": "3",
        "x": "10000.26",
        "y": "8000.00",
        "radius_um": "100.00",
        "detection_score": "0.8750",
        "area_um2": "25446.9",
        "spike_probability": "0.930000",
        "spiked": "1",
        "call": "spiked",
        "spike_fraction": "0.2500",
        "tiles": "40",
        "positive_tiles": "10",
        "top_tiles": "9900.0:7900.0:0.9300;10000.0:8000.0:0.9200",
        "touches_edge": "0",
        "unreadable_tiles": "3",
        "membrane_tiles": "16",
        "spiked_membrane_share": "0.2500",
        "extent": "segmental",
        "sharpness": "0.457",
    }


def test_without_a_score_its_cells_are_empty_and_not_zero(tmp_path):
    (row,) = rows(tmp_path, slide_result(glomerulus()))
    empty = {name for name, cell in row.items() if cell == ""}
    assert empty == {
        "spike_probability",
        "spiked",
        "call",
        "spike_fraction",
        "tiles",
        "positive_tiles",
        "top_tiles",
        "unreadable_tiles",
        "membrane_tiles",
        "spiked_membrane_share",
        "extent",
        "sharpness",
    }


def test_glomeruli_keep_their_order(tmp_path):
    found = [glomerulus(i, spikes=spike_score(0.1 * i)) for i in range(1, 10)]
    table = rows(tmp_path, slide_result(*found))
    assert [row["id"] for row in table] == [str(i) for i in range(1, 10)]
    assert [row["spiked"] for row in table] == ["0"] * 4 + ["1"] * 5
