"""The markers of a case's slides where its table has none: by the stain that was measured."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from glomspike.cases.table import Case, CaseImage
from glomspike.findings import SlideRow, StainName
from glomspike.modalities import SILVER
from glomspike.results.record import read_record

# Other stains than these have no marker, and are named as they are measured.
_MARKERS: dict[StainName, str] = {"silver": SILVER, "PAS": "pas", "H&E": "he", "trichrome": "masson"}


def with_markers(case: Case, rows: Mapping[str, SlideRow], out: Path) -> Case:
    """The case with a marker for each slide that is done; `rows` say what became of its slides in OUT.

    A slide whose stain could not be measured was scored, and counts as silver.
    """
    return replace(
        case, images=tuple(_with_marker(image, rows.get(image.image), out) for image in case.images)
    )


def _with_marker(image: CaseImage, row: SlideRow | None, out: Path) -> CaseImage:
    if image.marker or image.modality != "om" or row is None or row.folder is None:
        return image
    stain = read_record(out / row.folder).stain
    if stain is None:
        return replace(image, marker=SILVER)
    return replace(image, marker=_MARKERS.get(stain.name, stain.name))
