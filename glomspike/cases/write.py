"""A case's folder, reports and table first and `case.json` last; and `cases.csv`, one row a case."""

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from glomspike.errors import OutputError
from glomspike.report.case_page import write_case_page
from glomspike.report.case_pdf import PDF_NAME, write_case_pdf
from glomspike.report.page import REPORT_NAME
from glomspike.results.case_record import CASE_NAME, CaseGlomerulus, CaseRecord
from glomspike.results.files import replace_file

TABLE_NAME = "glomeruli.csv"
CASES_NAME = "cases.csv"
COLUMNS = ("id", "call", "sclerosed", "disagreement", "certainty", "area_um2", "profiles")
CASE_COLUMNS = (
    "case", "folder", "images", "failed", "glomeruli", "spiked", "scored", "spiked_low", "spiked_high",
    "sclerosed", "adequacy", "counted_apart", "warnings", "uncertain",
)  # fmt: skip


def check_place(place: Path) -> None:
    """Raises OutputError where a case's folder is taken by files that glomspike did not write."""
    if place.exists() and any(place.iterdir()) and not (place / REPORT_NAME).exists():
        raise OutputError(
            place, "was not written by glomspike and is not replaced", "move it, or choose another OUT"
        )


def write_case(out: Path, folder: str, record: CaseRecord) -> None:
    """The files of a case in `OUT/cases/FOLDER`; without `case.json` until all others stand."""
    place = out / "cases" / folder
    check_place(place)
    place.mkdir(parents=True, exist_ok=True)
    (place / CASE_NAME).unlink(missing_ok=True)
    write_case_page(place / REPORT_NAME, record, out)
    write_case_pdf(place / PDF_NAME, record, out)
    replace_file(place / TABLE_NAME, _table(record.glomeruli).encode())
    names = (REPORT_NAME, PDF_NAME, TABLE_NAME)
    files = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    complete = record.model_copy(update={"files": files})
    replace_file(place / CASE_NAME, (complete.model_dump_json(indent=1) + "\n").encode())


def _table(glomeruli: Sequence[CaseGlomerulus]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in glomeruli:
        profiles = ";".join(f"{profile.image}:{profile.id}" for profile in one.profiles)
        area = max(profile.area_um2 for profile in one.profiles)
        sclerosed = "" if one.sclerosed is None else int(one.sclerosed)
        cells = (
            one.id,
            one.call or "",
            sclerosed,
            int(one.disagreement),
            one.certainty,
            f"{area:.1f}",
            profiles,
        )
        writer.writerow(cells)
    return text.getvalue()


def write_cases(out: Path, records: Sequence[tuple[str, CaseRecord]]) -> None:
    """`OUT/cases.csv`, from each case's folder and record."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CASE_COLUMNS)
    for folder, record in records:
        summary = record.summary
        failed = sum(image.status == "failed" for image in record.images)
        spiked, sclerosed = summary.spiked, summary.sclerosed
        apart = len(record.apart) - len({image.block for image in record.images if image.status == "done"})
        named = (record.case, f"cases/{folder}", len(record.images), failed)
        counted = (summary.glomeruli, spiked.n, spiked.of, spiked.low, spiked.high)
        scars = sclerosed.n if sclerosed.of else None
        uncertain = summary.uncertain.n if summary.uncertain.of else None
        said = (summary.adequacy.verdict, int(apart > 0), len(record.warnings))
        cells = (*named, *counted, scars, *said, uncertain)
        writer.writerow(cells)
    replace_file(out / CASES_NAME, text.getvalue().encode())
