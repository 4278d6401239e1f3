"""Both DICOM objects of a slide as files."""

from collections.abc import Mapping
from pathlib import Path

from glomspike.annotate.dicom.annotations import annotations_of
from glomspike.annotate.dicom.origin import Origin
from glomspike.annotate.dicom.report import report_of
from glomspike.findings import SlideResult


def write_dicom(
    folder: Path,
    stem: str,
    result: SlideResult,
    counts: Mapping[str, float | None],
    origin: Origin,
    parameters: Mapping[str, str],
) -> None:
    """`STEM.ann.dcm`, where anything was found, and `STEM.sr.dcm`; arguments are those of `report_of`."""
    annotations = annotations_of(result, origin, parameters)
    if annotations is not None:
        annotations.save_as(folder / f"{stem}.ann.dcm", enforce_file_format=True)
    report = report_of(result, counts, origin, annotations, parameters)
    report.save_as(folder / f"{stem}.sr.dcm", enforce_file_format=True)
