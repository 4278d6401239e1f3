"""The files of a slide's results beside its pictures and its report, and the record that is written last."""

import errno
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from glomspike.annotate.geojson import write_geojson
from glomspike.annotate.imagescope import write_imagescope
from glomspike.errors import SlideError
from glomspike.findings import RGB, SlideResult
from glomspike.geometry.frames import FieldFrame
from glomspike.report.overview import write_overview
from glomspike.results.counting import Summary
from glomspike.results.record import Counts, RunRecord, RunSettings, SlideRecord, Spikes, StainRecord
from glomspike.results.stopwatch import Stopwatch
from glomspike.results.table import write_table
from glomspike.slide.reader import Slide
from glomspike.slide.tissue import Tissue

if TYPE_CHECKING:
    from glomspike.annotate.dicom.origin import Origin


LONGEST_SUFFIX = ".geojson"
NAMELESS = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)  # of names that a file system does not take


@dataclass(frozen=True, eq=False)
class WrittenRun:
    """A run whose files are written: what was found and counted, when it began, and its stopwatch."""

    result: SlideResult
    counts: Counts
    summary: Summary
    tissue: Tissue | None
    started: datetime
    watch: Stopwatch


def check_name(folder: Path, stem: str, slide: Path) -> None:
    """Raises SlideError where files cannot be named after a slide, before the work that they would hold."""
    probe = folder / f"{stem}{LONGEST_SUFFIX}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno not in NAMELESS:
            raise
        cause = f"has a name that results cannot have here ({error.strerror})"
        raise SlideError(slide, cause, "rename it, shorter and without special characters") from error


def dicom_origin(slide: Slide, settings: RunSettings) -> "Origin":
    """What DICOM objects of a slide belong to. Raises SlideError where its header cannot be used for them."""
    from glomspike.annotate.dicom.write import checked_origin

    return checked_origin(slide.path, slide.facts, settings.fingerprint)


def write_dicom_objects(
    folder: Path, stem: str, written: WrittenRun, origin: "Origin", settings: RunSettings
) -> None:
    """Writes the annotations and the measurement report as DICOM objects."""
    from glomspike.annotate.dicom.write import write_dicom

    run_with = {"threshold": f"{settings.options['threshold']}", **settings.weights}
    counts = written.counts.model_dump(exclude={"classes"})
    with written.watch("annotate"):
        write_dicom(folder, stem, written.result, counts, origin, run_with)


def write_annotations(
    folder: Path, stem: str, result: SlideResult, thumbnail: tuple[RGB, FieldFrame]
) -> None:
    """Writes the annotations for both viewers, the table, and the slide with its glomeruli circled."""
    write_imagescope(folder / f"{stem}.xml", result)
    write_geojson(folder / f"{stem}.geojson", result)
    write_table(folder / "glomeruli.csv", result)
    write_overview(folder / "overview.png", *thumbnail, result)


def record_of(written: WrittenRun, settings: RunSettings, device: str) -> RunRecord:
    """The record of a run, which ends now."""
    edges = () if written.tissue is None else written.tissue.edges0()
    return RunRecord(
        slide=SlideRecord.of(written.result.slide, settings.fingerprint),
        options=settings.options,
        weights=settings.weights,
        device=device,
        started=written.started,
        finished=datetime.now(UTC),
        seconds={stage: round(seconds, 3) for stage, seconds in written.watch.seconds.items()},
        counts=written.counts,
        spikes=Spikes.of(written.result),
        warnings=written.result.warnings,
        stain=StainRecord.of(written.result.stain),
        summary=written.summary,
        tissue=tuple(tuple((round(x), round(y)) for x, y in edge.tolist()) for edge in edges),
    )
