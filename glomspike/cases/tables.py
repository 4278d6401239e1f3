"""`glomeruli.csv` of a case, one row a distinct glomerulus, and `cases.csv`, one row a case."""

import csv
import io
from collections.abc import Mapping, Sequence

from glomspike.results.case_record import CaseGlomerulus, CaseRecord

COLUMNS = (
    "id", "call", "sclerosed", "disagreement", "certainty", "area_um2", "profiles", "spike_probability",
)  # fmt: skip
CASE_COLUMNS = (
    "case", "folder", "images", "failed", "glomeruli", "spiked", "scored", "spiked_low", "spiked_high",
    "sclerosed", "adequacy", "counted_apart", "warnings", "uncertain", "profiles", "tissue_mm2",
)  # fmt: skip

Cells = Mapping[str, object]  # by column; None is an empty cell


def glomeruli_table(record: CaseRecord) -> bytes:
    """The distinct glomeruli of a case as CSV in UTF-8."""
    return _table(COLUMNS, [_glomerulus_cells(one) for one in record.glomeruli])


def cases_table(records: Sequence[tuple[str, CaseRecord]]) -> bytes:
    """Cases as CSV in UTF-8, from each one's folder below OUT and its record."""
    return _table(CASE_COLUMNS, [_case_cells(folder, record) for folder, record in records])


def _table(columns: Sequence[str], rows: Sequence[Cells]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _glomerulus_cells(one: CaseGlomerulus) -> Cells:
    probability = one.spike_probability
    return {
        "id": one.id,
        "call": one.call,
        "sclerosed": None if one.sclerosed is None else int(one.sclerosed),
        "disagreement": int(one.disagreement),
        "certainty": one.certainty,
        "area_um2": f"{max(profile.area_um2 for profile in one.profiles):.1f}",
        "profiles": ";".join(f"{profile.image}:{profile.id}" for profile in one.profiles),
        "spike_probability": None if probability is None else f"{probability:.6f}",
    }


def _case_cells(folder: str, record: CaseRecord) -> Cells:
    summary = record.summary
    blocks = {image.block for image in record.images if image.status == "done"}
    return {
        "case": record.case,
        "folder": folder,
        "images": len(record.images),
        "failed": sum(image.status == "failed" for image in record.images),
        "glomeruli": summary.glomeruli,
        "spiked": summary.spiked.n,
        "scored": summary.spiked.of,
        "spiked_low": summary.spiked.low,
        "spiked_high": summary.spiked.high,
        "sclerosed": summary.sclerosed.n if summary.sclerosed.of else None,
        "adequacy": summary.adequacy.verdict,
        "counted_apart": int(len(record.apart) > len(blocks)),
        "warnings": len(record.warnings),
        "uncertain": summary.uncertain.n if summary.uncertain.of else None,
        "profiles": record.sections.profiles,
        "tissue_mm2": record.sections.tissue_mm2,
    }
