"""What reviewers make of a slide, as a section of its `report.html` that is renewed or, at first, put in."""

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from glomspike.results.files import replace_file
from glomspike.review.summary import Review

REPORT_NAME = "report.html"
BEGIN, END = b"<!-- after review -->", b"<!-- end of review -->\n"
_BEFORE = b'<section class="summary"'  # of the run's findings, which stay as they are
_SECTIONS = Environment(
    loader=PackageLoader("glomspike.review", "page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def add_to_report(folder: Path, review: Review) -> None:
    """Puts the section into a folder's report, if it has one; OSError where it cannot be written."""
    path = folder / REPORT_NAME
    if path.is_symlink() or not path.is_file():
        return
    written = path.read_bytes()
    page = re.sub(re.escape(BEGIN) + b".*?" + re.escape(END), b"", written, flags=re.DOTALL)
    before, found, after = page.partition(_BEFORE)
    if found:
        section = _SECTIONS.get_template("in_report.html.j2").render(review=review).encode(errors="replace")
        replace_file(path, before + BEGIN + section + END + found + after)
