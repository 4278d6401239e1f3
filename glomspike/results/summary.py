"""`summary.csv`: one row for each slide of a folder."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from glomspike.findings import SlideRow
from glomspike.results.files import replace_file


def write_summary(out: Path, rows: Sequence[SlideRow]) -> None:
    """`OUT/summary.csv`, which appears whole or not at all. Raises OSError where it cannot be written."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [column.name for column in fields(SlideRow)])
    table.writeheader()
    table.writerows(_cells(row) for row in rows)
    # A file's name may hold bytes that are no text; they are shown as \udcff or so.
    replace_file(out / "summary.csv", text.getvalue().encode("utf-8", "backslashreplace"))


def _cells(row: SlideRow) -> dict[str, object]:
    decimals = {"mpp": 4, "spike_fraction": 4, "seconds": 1}
    cells = asdict(row)
    told = {name: f"{cells[name]:.{n}f}" for name, n in decimals.items() if cells[name] is not None}
    if row.top_tiles is not None:
        tops = (f"{t.glomerulus}:{t.x0:.1f}:{t.y0:.1f}:{t.probability:.4f}" for t in row.top_tiles)
        told["top_tiles"] = ";".join(tops)
    return cells | told
