"""The disease of a case in its `report.pdf`: what is said, what it rests on, the images that count."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from glomspike.report.disease_words import (
    RESEARCH,
    disease_rows,
    image_words,
    images_of,
    opinion_rows,
    probabilities_words,
)
from glomspike.results.disease_record import DiseaseImage, DiseaseRecord


def disease_content(
    disease: DiseaseRecord | None, case_folder: Path, place: Path, columns: int
) -> dict[str, Any] | None:
    """What the template fills in, its pictures copied to `place`; None where no disease was judged.

    Electron micrographs come by how much they count, in two rows of `columns`, then fluorescence in one that
    holds as many.
    """
    if disease is None:
        return None
    most = 2 * columns
    micrographs, fluorescence = images_of(disease, "tem"), images_of(disease, "if")
    return {
        "research": RESEARCH,
        "rows": list(disease_rows(disease)),
        "alone": opinion_rows(disease.by_modality),
        "without": opinion_rows(disease.without),
        "columns": columns,
        "micrographs_note": _note("Electron micrographs by how much each counts", len(micrographs), most),
        "micrographs": list(_pictures(micrographs[:most], case_folder, place)),
        "fluorescence_note": _note(
            "Fluorescence, its brightest parts at full brightness", len(fluorescence), most
        ),
        "fluorescence": list(_pictures(fluorescence[:most], case_folder, place)),
        "heated": disease.called or "",
    }


def _note(what: str, there: int, shown: int) -> str:
    if there <= shown:
        return what
    return f"{what}; {there - shown} more are in report.html"


def _pictures(images: Sequence[DiseaseImage], case_folder: Path, place: Path) -> Iterator[dict[str, Any]]:
    for one in images:
        copies = [_copied(name, case_folder, place) for name in (one.picture, one.heat)]
        yield {
            "pictures": [name for name in copies if name],
            "said": _said(one),
            "dropped": one.kept is False,
        }


def _copied(name: str | None, case_folder: Path, place: Path) -> str | None:
    """The name of a copy that the template can read; None where there is no such picture."""
    if name is None or not (case_folder / name).is_file():
        return None
    copy = f"disease-{Path(name).name}"
    (place / copy).write_bytes((case_folder / name).read_bytes())
    return copy


def _said(image: DiseaseImage) -> str:
    parts = [
        image.marker or Path(image.image).name,
        *image_words(image),
    ]
    if image.modality == "tem" and image.probabilities is not None:
        parts.append(f"alone: {probabilities_words(image.probabilities)}")
    return "; ".join(parts)
