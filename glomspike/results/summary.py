"""`summary.csv`: one row for each slide of a folder."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from glomspike.errors import OutputError
from glomspike.findings import SlideRow
from glomspike.names import as_text
from glomspike.results.files import replace_file

SUMMARY_NAME = "summary.csv"
_COLUMNS = [column.name for column in fields(SlideRow)]
_FIRST = ",".join(_COLUMNS[:3])  # whatever columns a version has after these


def check_summary(out: Path) -> None:
    """Raises OutputError where a `summary.csv` that glomspike did not write is in its place."""
    place = out / SUMMARY_NAME
    if place.exists() and not place.read_bytes().startswith(_FIRST.encode()):
        cure = "move it, or choose another output folder"
        raise OutputError(place, "was not written by glomspike and is not replaced", cure)


def write_summary(out: Path, rows: Sequence[SlideRow]) -> None:
    """`OUT/summary.csv`, which appears whole or not at all.

    Raises OutputError where another is in its place, OSError where it cannot be written.
    """
    check_summary(out)
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    table.writerows(_cells(row) for row in rows)
    # A file's name may hold bytes that are no text; they are shown as %FF or so.
    replace_file(out / SUMMARY_NAME, as_text(text.getvalue()).encode())


def _cells(row: SlideRow) -> dict[str, object]:
    decimals = {"mpp": 4, "spike_fraction": 4, "seconds": 1}
    cells = asdict(row)
    rounded = {name: f"{cells[name]:.{n}f}" for name, n in decimals.items() if cells[name] is not None}
    if row.top_tiles is not None:
        tops = (f"{t.glomerulus}:{t.x0:.1f}:{t.y0:.1f}:{t.probability:.4f}" for t in row.top_tiles)
        rounded["top_tiles"] = ";".join(tops)
    return cells | rounded
