"""Which slides of a folder somebody corrected: those with an annotation file of the same name beside them."""

import csv
from collections.abc import Mapping
from pathlib import Path

from glomspike.errors import SamplesError
from glomspike.learn.corrections.write import Corrected
from glomspike.slide.find import find_slides

ANNOTATION_SUFFIXES = (".xml", ".geojson", ".geojson.gz", ".ann.dcm")


def find_corrected(
    folder: Path, out: Path, patients: Mapping[str, str]
) -> tuple[list[Corrected], list[str], list[SamplesError]]:
    """The corrected slides of a folder and those below, names of slides without annotations, and failures.

    A slide is its patient's whom `patients` names by the slide's path in the folder, its name or its stem;
    else it is taken for a patient of its own.
    """
    corrected: list[Corrected] = []
    without: list[str] = []
    failures: list[SamplesError] = []
    for found in find_slides(folder, out):
        keys = (found.name, found.path.name, found.path.stem)
        patient = next((patients[key] for key in keys if key in patients), found.folder)
        try:
            annotations = annotations_beside(found.path)
        except SamplesError as error:
            failures.append(error)
            continue
        if annotations is None:
            without.append(found.name)
        else:
            corrected.append(Corrected(found.path, annotations, found.folder, patient))
    return corrected, without, failures


def annotations_beside(slide: Path) -> Path | None:
    """The annotation file of a slide's name in its folder. Raises SamplesError where there are several."""
    there = [
        slide.with_suffix(suffix) for suffix in ANNOTATION_SUFFIXES if slide.with_suffix(suffix).is_file()
    ]
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise SamplesError(slide, f"has {names} beside it", "take the one away that you did not correct")
    return there[0] if there else None


def read_patients(table: Path) -> dict[str, str]:
    """Whose tissue each slide is, from a CSV file with the columns slide and patient. Raises SamplesError."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SamplesError(table, f"cannot be read ({error})", "give a CSV file in UTF-8") from error
    if not all(row.get("slide") and row.get("patient") for row in rows):
        cure = "give both in every row, below a heading that names them"
        raise SamplesError(table, "lacks a slide or a patient", cure)
    return {row["slide"].strip(): row["patient"].strip() for row in rows}
