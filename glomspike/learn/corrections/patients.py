"""Whose tissue each slide of a folder is, from a table that people type.

A slide that is taken for a separate patient by mistake puts this patient on both sides of a split, and all
numbers of the models are then too good. So a row counts however its slide is spelled, and a table that leaves
anything open is refused.
"""

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from glomspike.errors import SamplesError
from glomspike.names import as_text
from glomspike.slide.find import FoundSlide
from glomspike.tables import read_table, refuse_two_spellings

COLUMNS = ("slide", "patient")
MOST_NAMED = 5  # slides in one message
_MEND = "correct or add the rows, since a patient must not be on both sides of a split"


@dataclass(frozen=True)
class PatientRow:
    """A row of the table: its line in the file, the slide as it is spelled there, and the patient."""

    line: int
    slide: str
    patient: str


def read_patients(path: Path) -> tuple[PatientRow, ...]:
    """The rows of a CSV file with the columns slide and patient, of any usual separator.

    Raises SamplesError for a file or a row that cannot be read, and for patients who differ in capitals only.
    """
    table = read_table(path)
    if not set(COLUMNS) <= set(table.columns):
        cause = f"has the columns {', '.join(table.columns) or 'without names'}, not slide and patient"
        raise SamplesError(path, cause, "name them in the first row")
    if not table.rows:
        raise SamplesError(path, "has no rows", "give a slide and its patient in each row")
    rows = tuple(PatientRow(row.line, *(row.cells[column] for column in COLUMNS)) for row in table.rows)
    for row in rows:
        if not row.slide or not row.patient:
            place = f"{path} line {row.line}"
            raise SamplesError(place, "lacks a slide or a patient", "give both in every row")
    refuse_two_spellings((f"{path} line {row.line}", row.patient) for row in rows)
    return rows


def patients_of(
    slides: Sequence[FoundSlide], rows: Sequence[PatientRow], table: Path
) -> Mapping[FoundSlide, str]:
    """The patient of each slide.

    A row names a slide by its path in the folder, its name or its stem; capitals, backslashes and how accents
    are encoded make no difference where no slide is spelled just so. Raises SamplesError where a slide has no
    row, or rows of several patients.
    """
    named, unused = _matched(slides, rows)
    patients: dict[FoundSlide, str] = {}
    for slide, fitting in named.items():
        lines = {row.patient: row.line for row in fitting}
        if len(lines) > 1:
            (first, line), (second, other), *_ = lines.items()
            cause = f"gives {slide.name} to {first} in line {line}, and to {second} in line {other}"
            raise SamplesError(table, cause, "keep one of them, or name slides by their paths in the folder")
        patients[slide] = fitting[0].patient
    if missing := [slide for slide in slides if slide not in named]:
        shown = [f"{slide.name}{_guess(slide, unused)}" for slide in missing[:MOST_NAMED]]
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise SamplesError(table, f"names no patient for {', '.join(shown)}{more}", _MEND)
    return patients


def _matched(
    slides: Sequence[FoundSlide], rows: Sequence[PatientRow]
) -> tuple[dict[FoundSlide, list[PatientRow]], list[PatientRow]]:
    """The rows that name each slide, and those that name none. A row is of the slides that it fits best."""
    indices: list[tuple[bool, dict[str, list[FoundSlide]]]] = []
    for folded in (False, True):
        for names in zip(*map(_names, slides), strict=True):
            index: dict[str, list[FoundSlide]] = {}
            for name, slide in zip(names, slides, strict=True):
                index.setdefault(_spelled(name, folded), []).append(slide)
            indices.append((folded, index))
    named: dict[FoundSlide, list[PatientRow]] = {}
    unused = []
    for row in rows:
        spelled = {folded: _spelled(row.slide, folded) for folded in (False, True)}
        fits = (index[spelled[folded]] for folded, index in indices if spelled[folded] in index)
        best = next(fits, [])
        for slide in best:
            named.setdefault(slide, []).append(row)
        if not best:
            unused.append(row)
    return named, unused


def _names(slide: FoundSlide) -> tuple[str, ...]:
    path = PurePosixPath(slide.name)
    return slide.name, str(path.with_suffix("")), path.name, path.stem


def _spelled(name: str, folded: bool) -> str:
    plain = unicodedata.normalize("NFC", as_text(name)).replace("\\", "/").removeprefix("./")
    return plain.casefold() if folded else plain


def _guess(slide: FoundSlide, unused: Sequence[PatientRow]) -> str:
    """Which row that names no slide may be meant, in words."""
    spelled = {_spelled(row.slide, folded=True): row for row in unused}
    for name in _names(slide):
        if close := difflib.get_close_matches(_spelled(name, folded=True), spelled, n=1):
            row = spelled[close[0]]
            return f" (is it {row.slide!r} in line {row.line}?)"
    return ""
