"""A case's folder, reports and table first and `case.json` last; and `cases.csv`, one row a case."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from glomspike.cases.tables import CASE_COLUMNS, cases_table, glomeruli_table
from glomspike.errors import OutputError
from glomspike.report.case_page import write_case_page
from glomspike.report.case_pdf import PDF_NAME, write_case_pdf
from glomspike.report.page import REPORT_NAME
from glomspike.results.case_record import CASE_NAME, CaseRecord
from glomspike.results.files import replace_file

TABLE_NAME = "glomeruli.csv"
CASES_NAME = "cases.csv"


def check_place(place: Path) -> None:
    """Raises OutputError where a case's folder is taken by files that glomspike did not write."""
    if place.exists() and any(place.iterdir()) and not (place / REPORT_NAME).exists():
        raise OutputError(
            place, "was not written by glomspike and is not replaced", "move it, or choose another OUT"
        )


def check_table(out: Path) -> None:
    """Raises OutputError where a `cases.csv` that glomspike did not write is in the place of its own."""
    place = out / CASES_NAME
    if place.exists() and not place.read_bytes().startswith(",".join(CASE_COLUMNS[:3]).encode()):
        raise OutputError(
            place, "was not written by glomspike and is not replaced", "move it, or choose another OUT"
        )


def write_case(
    out: Path, folder: str, record: CaseRecord, pictures: Mapping[str, bytes] | None = None
) -> None:
    """The files of a case in `OUT/cases/FOLDER`; without `case.json` until all others stand.

    `pictures` are further files by their name in the folder, which the record names.
    """
    place = out / "cases" / folder
    check_place(place)
    place.mkdir(parents=True, exist_ok=True)
    (place / CASE_NAME).unlink(missing_ok=True)
    for name, content in (pictures or {}).items():
        (place / name).parent.mkdir(exist_ok=True)
        replace_file(place / name, content)
    write_case_page(place / REPORT_NAME, record, out)
    write_case_pdf(place / PDF_NAME, record, out)
    replace_file(place / TABLE_NAME, glomeruli_table(record))
    names = (REPORT_NAME, PDF_NAME, TABLE_NAME, *(pictures or {}))
    files = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    complete = record.model_copy(update={"files": files})
    replace_file(place / CASE_NAME, (complete.model_dump_json(indent=1) + "\n").encode())


def write_cases(out: Path, records: Sequence[tuple[str, CaseRecord]]) -> None:
    """`OUT/cases.csv`, from each case's folder below OUT and its record."""
    check_table(out)
    replace_file(out / CASES_NAME, cases_table(records))
