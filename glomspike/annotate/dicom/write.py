"""Both DICOM objects of a slide as files."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset

from glomspike.annotate.dicom.annotations import annotations_of
from glomspike.annotate.dicom.codes import TOTALS
from glomspike.annotate.dicom.origin import Origin, origin_of, unusable_header, values_as_they_stand
from glomspike.annotate.dicom.report import report_of
from glomspike.findings import Circle, Glomerulus, Outline, SlideFacts, SlideResult


def checked_origin(path: Path, slide: SlideFacts, fingerprint: str) -> Origin:
    """What the objects of a slide belong to, after a trial with any glomerulus.

    Raises SlideError where its header does not do, before anyone has waited for results.
    """
    origin = origin_of(path, slide, fingerprint)
    square0 = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    any_one = Glomerulus(1, Circle(0.5, 0.5, 1.0, 1.0), Outline(square0, 1.0, touches_edge=False), None)
    try:
        trial = SlideResult(slide, (any_one,), ())
        annotations = annotations_of(trial, origin, {})
        report = report_of(trial, dict.fromkeys(TOTALS, 0), origin, annotations, {})
        for dataset in filter(None, (annotations, report)):
            _save(dataset, BytesIO())
    except Exception as error:  # so does one with values that DICOM does not allow
        raise unusable_header(path, error) from error
    return origin


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
        _save(annotations, folder / f"{stem}.ann.dcm")
    _save(report_of(result, counts, origin, annotations, parameters), folder / f"{stem}.sr.dcm")


def _save(dataset: Dataset, target: Path | BytesIO) -> None:
    with values_as_they_stand():
        dataset.save_as(target, enforce_file_format=True)
