"""The files that a review leaves with: annotations for ImageScope and QuPath, and a page that sums it up."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from glomspike import __version__
from glomspike.annotate.geojson import write_marks
from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer
from glomspike.errors import OutputError
from glomspike.findings import NON_GLOMERULAR
from glomspike.geometry.frames import mpp_shown
from glomspike.results.files import replace_file
from glomspike.review.in_report import add_to_report
from glomspike.review.marks import reviewed_marks, styles_used
from glomspike.review.slides import ReviewedSlide
from glomspike.review.state import ReviewedGlomerulus, labels
from glomspike.review.summary import AgreementOfTwo, ReviewCounts
from glomspike.review.tiles import PictureCache

_PAGES = Environment(
    loader=PackageLoader("glomspike.review", "page"), autoescape=True, undefined=StrictUndefined
)
_STYLE = "reviewed.css"


def write_files(slide: ReviewedSlide, reviewer: str) -> tuple[Path, ...]:
    """A reviewer's annotations and summary, beside the results and never over them.

    `reviewed-NAME.xml` and `.geojson` are what `glomspike samples` reads, `reviewed-NAME.html` is for people.
    The slide's report gets a section of what all reviewers say; nothing else of it is changed.
    Raises OutputError where they cannot be written.
    """
    start = slide.folder / f"reviewed-{_slug(reviewer)}"
    paths = tuple(start.with_name(f"{start.name}.{kind}") for kind in ("xml", "geojson", "html"))
    try:
        write_reviewed_imagescope(paths[0], slide, reviewer)
        write_reviewed_geojson(paths[1], slide, reviewer)
        _write_page(paths[2], slide, reviewer)
        add_to_report(slide.folder, slide.review())
    except OSError as error:
        cause = f"cannot be written ({error.strerror})"
        raise OutputError(slide.folder, cause, "make it writable for you, or free some disk space") from error
    return paths


def _slug(reviewer: str) -> str:
    """A reviewer's name as a part of a file's; a digest where nothing of it can be."""
    slug = re.sub(r"\W+", "-", reviewer).strip("-").lower()[:60]
    return slug or hashlib.sha256(reviewer.encode()).hexdigest()[:8]


def write_reviewed_geojson(path: Path, slide: ReviewedSlide, reviewer: str) -> None:
    """A reviewer's annotations for QuPath."""
    marks = reviewed_marks(slide.state(reviewer), reviewer, slide.found.slide, "qupath")
    write_marks(path, marks, slide.found.slide.name)


def write_reviewed_imagescope(path: Path, slide: ReviewedSlide, reviewer: str) -> None:
    """A reviewer's annotations for ImageScope."""
    facts = slide.found.slide
    marks = reviewed_marks(slide.state(reviewer), reviewer, facts, "imagescope")
    layers = [
        Layer(style.name, style.colour, tuple(mark.region for mark in marks if mark.style == style))
        for style in styles_used(marks)
    ]
    write_layers(path, layers, mpp_shown(facts, "imagescope"))


@dataclass(frozen=True)
class _Row:
    """A glomerulus on the page: what the run said, and what stands after review."""

    label: str
    picture: str
    run: str
    after: str
    changed: bool
    reviewed: bool
    details: str
    note: str


@dataclass(frozen=True)
class _Content:
    slide: str
    reviewer: str
    last: datetime
    counts: ReviewCounts
    agreement: Sequence[AgreementOfTwo]
    rows: Sequence[_Row]
    version: str


def _write_page(path: Path, slide: ReviewedSlide, reviewer: str) -> None:
    state = slide.state(reviewer)
    counts, named = ReviewCounts.of(state), labels(state)
    times = [change.time for change in slide.changes if change.reviewer == reviewer]
    cache = PictureCache()
    content = _Content(
        slide=slide.found.slide.name,
        reviewer=reviewer,
        last=max(times),
        counts=counts,
        agreement=slide.review().agreement if counts.is_complete else (),
        rows=[_row(one, named[one.key], slide, cache) for one in state],
        version=__version__,
    )
    style = files("glomspike.review").joinpath("page", _STYLE).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    page = _PAGES.get_template("reviewed.html.j2").render(content=content, style=style, policy=policy)
    replace_file(path, page.encode(errors="replace"))


def _row(one: ReviewedGlomerulus, label: str, slide: ReviewedSlide, cache: PictureCache) -> _Row:
    finding = one.finding
    picture = None if finding is None else slide.picture("images", finding.id, True, cache)
    run, after = "drawn" if finding is None else _call_text(finding.call), _call_text(one.call)
    if finding is not None and finding.lesion is not None and finding.lesion.name == NON_GLOMERULAR:
        run = "no glomerulus"
    details = [f"{2 * one.circle.radius_um:.0f} µm"]
    details += ["sclerosed"] * (one.sclerosed is True)
    if one.moved and finding is not None:
        details.append("outline redrawn" if one.redrawn else "circle moved")
    if one.boxes0:
        details.append("1 box on spikes" if len(one.boxes0) == 1 else f"{len(one.boxes0)} boxes on spikes")
    after = after if one.is_glomerulus else "no glomerulus"
    return _Row(
        label=label,
        picture="" if picture is None else f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}",
        run=run,
        after=after if one.reviewed else "not reviewed",
        changed=one.is_changed,
        reviewed=one.reviewed,
        details=", ".join(details),
        note=one.note,
    )


def _call_text(call: str | None) -> str:
    return call or "not scored"
