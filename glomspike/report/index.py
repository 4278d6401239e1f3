"""`index.html`: cases and slides on one page, each with its counts and its report, slides with a picture."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from glomspike.errors import OutputError, SlideError
from glomspike.findings import SlideRow
from glomspike.report.case_pdf import PDF_NAME
from glomspike.report.case_words import warning_words
from glomspike.report.html import GENERATOR, data_uri, write_page
from glomspike.report.page import REPORT_NAME
from glomspike.report.portrait import encode_jpeg, shrunk
from glomspike.results.case_record import CaseRecord
from glomspike.results.counting import Summary
from glomspike.slide.reader import read_picture

INDEX_NAME = "index.html"
THUMBNAIL_PX = 264  # of the longer side; shown at half of that, for dense screens
_JPEG_QUALITY = 78
_THREADS = 4

_STATUS = {"done": "done", "skipped": "done before", "failed": "failed", "omitted": "omitted"}


@dataclass(frozen=True)
class IndexRow:
    """A slide as the page shows it; `report` and `thumbnail` are None where there are none."""

    slide: SlideRow
    status: str
    report: str | None
    thumbnail: str | None


@dataclass(frozen=True)
class CaseRow:
    """A case as the page shows it; `missing` counts slides that failed, `warnings` those of slides too."""

    case: str
    summary: Summary
    missing: int
    warnings: int
    report: str
    pdf: str


@dataclass(frozen=True)
class IndexView:
    """Everything that the template of the index fills in: cases, sums over the slides, then the slides."""

    cases: tuple[CaseRow, ...]
    slides: int
    failed: int
    omitted: int
    skipped: int
    warned: int
    glomeruli: int
    scored: int
    spiked: int
    uncertain: int
    tiles: int
    positive_tiles: int
    rows: tuple[IndexRow, ...]


def check_index(out: Path) -> None:
    """Raises OutputError where an `index.html` that glomspike did not write is in its place."""
    place = out / INDEX_NAME
    if place.exists() and GENERATOR not in place.read_bytes():
        cure = "move it, or choose another output folder"
        raise OutputError(place, "was not written by glomspike and is not replaced", cure)


def write_index(out: Path, rows: Sequence[SlideRow], cases: Sequence[tuple[str, CaseRecord]] = ()) -> None:
    """`OUT/index.html`, which appears whole or not at all; `rows` are its slides in their order.

    `cases` are folders below OUT and what was assembled there.

    Raises OutputError where another `index.html` is in its place, OSError where it cannot be written.
    """
    check_index(out)
    with ThreadPoolExecutor(_THREADS) as readers:
        thumbnails = list(readers.map(lambda row: _thumbnail(out, row), rows))
    shown = tuple(_index_row(row, small) for row, small in zip(rows, thumbnails, strict=True))
    view = IndexView(
        cases=tuple(_case_row(folder, record) for folder, record in cases),
        slides=len(rows),
        failed=sum(row.status == "failed" for row in rows),
        omitted=sum(row.status == "omitted" for row in rows),
        skipped=sum(row.status == "skipped" for row in rows),
        warned=sum(bool(row.warnings) for row in rows),
        glomeruli=sum(row.glomeruli or 0 for row in rows),
        scored=sum(row.scored or 0 for row in rows),
        spiked=sum(row.spiked or 0 for row in rows),
        uncertain=sum(row.uncertain or 0 for row in rows),
        tiles=sum(row.tiles or 0 for row in rows),
        positive_tiles=sum(row.positive_tiles or 0 for row in rows),
        rows=shown,
    )
    write_page(out / INDEX_NAME, "index.html.j2", "index.js", view)


def _case_row(folder: str, record: CaseRecord) -> CaseRow:
    return CaseRow(
        record.case,
        record.summary,
        sum(image.status == "failed" for image in record.images),
        len(warning_words(record)),
        f"./{quote(folder)}/{REPORT_NAME}",
        f"./{quote(folder)}/{PDF_NAME}",
    )


def _index_row(row: SlideRow, thumbnail: str | None) -> IndexRow:
    # A name's bytes need not be text, and an address must not be taken for one of the network.
    report = None if row.folder is None else f"./{quote(os.fsencode(row.folder))}/{REPORT_NAME}"
    return IndexRow(row, _STATUS[row.status], report, thumbnail)


def _thumbnail(out: Path, row: SlideRow) -> str | None:
    """A slide's overview small, as an address that holds it; None where there is no overview."""
    if row.folder is None:
        return None
    try:
        picture = read_picture(out / row.folder / "overview.png")
    except SlideError:
        return None
    small = shrunk(picture, THUMBNAIL_PX)
    return data_uri("jpeg", encode_jpeg(small, _JPEG_QUALITY))
