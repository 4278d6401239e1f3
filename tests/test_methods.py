"""The comparison of methods, without any training."""

import json

from benchmarks.quality.methods import METHODS, POOLED, SHOWN, table
from glomspike.classify.infer import METHODS as KNOWN


def test_the_methods_compared_are_those_that_can_be_chosen():
    assert {options.pooling for options in POOLED.values()} <= set(KNOWN)
    assert METHODS[-1] == "MSA-MIL"


def test_the_table_tells_each_method_with_its_intervals(tmp_path):
    for place, name in enumerate(METHODS):
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        numbers = dict.fromkeys(SHOWN, place / 10) | {f"{shown}_ci95": [0.0, 0.75] for shown in SHOWN}
        (folder / "result.json").write_text(json.dumps(numbers))
    rows = list(table(tmp_path))
    assert len({row.count("|") for row in rows}) == 1
    assert rows[3].startswith("| max | 0.100 (0.00–0.75) |")
    assert [row.split(" | ")[0] for row in rows[2:]] == [f"| {name}" for name in METHODS]
