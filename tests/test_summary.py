"""`summary.csv`."""

import csv

from glomspike.findings import SlideRow, SlideTile
from glomspike.results.summary import write_summary


def test_a_slide_has_its_share_of_positive_tiles_and_its_best_ones_and_a_failed_one_has_its_cause(tmp_path):
    best = (SlideTile(120.0, 80.25, 0.97, 4), SlideTile(7.0, 9.0, 0.5, 2))
    done = SlideRow(
        "a.svs", "done", "", folder="a", tiles=40, positive_tiles=10, spike_fraction=0.25, top_tiles=best
    )
    write_summary(tmp_path, [done, SlideRow("b.svs", "failed", "is empty; copy it again")])
    with (tmp_path / "summary.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["spike_fraction"] == "0.2500"
    assert first["top_tiles"] == "4:120.0:80.2:0.9700;2:7.0:9.0:0.5000"
    assert (second["cause"], second["spike_fraction"], second["top_tiles"]) == (
        "is empty; copy it again",
        "",
        "",
    )
