"""A case's `report.pdf`: one to three A4 pages to file, set by Typst from the same record as `case.json`.

Typst gets all text as data and none as markup. It comes as one package that holds its fonts, and fetches
nothing.
"""

import json
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import typst

from glomspike.report.case_content import Room, case_content
from glomspike.report.letters import fonts, printable
from glomspike.results.case_record import CaseRecord
from glomspike.results.files import replace_file

PDF_NAME = "report.pdf"
MOST_PAGES = 3
# From roomy to tight: the first that fits is taken.
ROOMS = (
    Room(columns=3, overview_mm=62, overview_px=1000, overviews=6, portraits=6, sentences=12,
         slides=12, glomeruli=40),
    Room(columns=3, overview_mm=44, overview_px=800, overviews=9, portraits=6, sentences=10,
         slides=16, glomeruli=30),
    Room(columns=4, overview_mm=34, overview_px=600, overviews=16, portraits=4, sentences=8,
         slides=24, glomeruli=20),
    Room(columns=5, overview_mm=24, overview_px=500, overviews=30, portraits=2, sentences=6,
         slides=30, glomeruli=12),
)  # fmt: skip


def write_case_pdf(path: Path, record: CaseRecord, out: Path) -> None:
    """The report to file of a case whose slides' results lie in OUT. OSError where it cannot be written.

    What does not fit on three pages is omitted, and the report says how much that is.
    """
    slides = sum(image.folder is not None for image in record.images)
    for room in ROOMS:
        content, pages = _typeset(record, out, path.parent, room)
        if pages <= MOST_PAGES and slides <= room.overviews:
            break
    replace_file(path, content)


def _typeset(record: CaseRecord, out: Path, case_folder: Path, room: Room) -> tuple[bytes, int]:
    """The PDF and how many pages it has."""
    with TemporaryDirectory(prefix="glomspike-") as folder:
        place = Path(folder)
        data = printable(case_content(record, out, case_folder, room, place))
        (place / "data.json").write_text(json.dumps(data), encoding="utf-8")
        source = place / "case.typ"
        source.write_bytes(files("glomspike.report").joinpath("templates", "case.typ").read_bytes())
        compiler = typst.Compiler(str(source), root=folder, font_paths=fonts())
        made = int(record.made.timestamp())
        content = compiler.compile(format="pdf", pdf_standards="a-2b", timestamp=made)
        pages = json.loads(compiler.query("<pages>", field="value", one=True))
    if not isinstance(content, bytes):
        raise TypeError("Typst made no PDF")
    return content, int(pages)
