"""`cases.csv`: which images belong to which biopsy, one row an image."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glomspike.errors import SamplesError
from glomspike.findings import StainName
from glomspike.modalities import SILVER, STAIN_OF_MARKER, Modality, check_scale, marker_of, modality_of
from glomspike.tables import alike, path_beside, read_table

COLUMNS = ("case", "image", "modality", "marker", "level", "block", "mpp")
NEEDED = ("case", "image")
_UNSAFE = re.compile(r"[^\w.\- ]")
_LONGEST = 80


@dataclass(frozen=True)
class CaseImage:
    """One row: `image` as typed, `path` where that is; `level` orders the serial sections of a `block`.

    Without a `marker` the stain of a slide is measured.
    """

    case: str
    image: str
    path: Path
    modality: Modality
    marker: str
    level: int
    block: str
    mpp: float | None
    row: int = 0  # of the table; the header is row 1

    @property
    def is_scored(self) -> bool:
        """Whether spikes are looked for: only in silver."""
        return self.modality == "om" and self.marker == SILVER

    @property
    def stain(self) -> StainName | None:
        """The stain of a slide, None where it is to be measured, and of other images."""
        return STAIN_OF_MARKER.get(self.marker)


@dataclass(frozen=True)
class Case:
    """One biopsy: its name, its folder's name under `OUT/cases`, its images by block and level.

    `notes` are what a reader should know of it from the table.
    """

    name: str
    folder: str
    images: tuple[CaseImage, ...]
    notes: tuple[str, ...] = ()


def read_cases(table: Path, *, need_slides: bool = True) -> tuple[Case, ...]:
    """The cases of a table in its order. Raises SamplesError, naming row and cause, if it is unusable.

    It is where `need_slides` and a case has none.
    """
    read = read_table(table)
    if missing := [name for name in NEEDED if name not in read.columns]:
        raise SamplesError(table, f"has no column {missing[0]}", f"give the columns {', '.join(COLUMNS)}")
    if not read.rows:
        raise SamplesError(table, "has no row", "give one row for each image")
    images = [_image(table, row.line, row.cells) for row in read.rows]
    _refuse_repeated(table, images)
    names = list(dict.fromkeys(one.case for one in images))
    folders = folder_names(names)
    cases = tuple(
        Case(
            name,
            folder,
            tuple(sorted((i for i in images if i.case == name), key=_place)),
            tuple(_resembling(name, names)),
        )
        for name, folder in zip(names, folders, strict=True)
    )
    for case in cases:
        if need_slides and not any(image.modality == "om" for image in case.images):
            raise SamplesError(table, f"case {case.name!r} has no slide", "add a row of modality om to it")
    return cases


def _refuse_repeated(table: Path, images: Sequence[CaseImage]) -> None:
    """Raises SamplesError where two rows name the same file, by whatever path."""
    rows: dict[str, int] = {}
    for image in images:
        first = rows.setdefault(os.path.realpath(image.path), image.row)
        if first != image.row:
            cause = f"names {image.path.name} twice, in rows {first} and {image.row}"
            raise SamplesError(table, cause, "give one row for each image")


def _resembling(name: str, names: Sequence[str]) -> Iterator[str]:
    """That other cases have nearly the same name, which may be a slip."""
    for other in names:
        if other != name and alike(other) == alike(name):
            differ = "capitals" if other.casefold() == name.casefold() else "spaces, zeros or encoding"
            yield f"case {other!r} differs only in {differ} and is taken for another biopsy"


def _place(image: CaseImage) -> tuple[str, int]:
    return image.block, image.level


def _image(table: Path, number: int, row: Mapping[str, str]) -> CaseImage:
    cells = {name: row.get(name, "") for name in COLUMNS}
    for name in NEEDED:
        if not cells[name]:
            raise _wrong(table, number, f"has no {name}", f"fill in the column {name}")
    place = f"{table} row {number}"
    modality = modality_of(cells["modality"], place)
    marker = marker_of(cells["marker"], modality, place) or ""
    level = _number(table, number, "level", cells["level"] or "1")
    if level != int(level):
        raise _wrong(table, number, f"has the level {cells['level']!r}", "give a whole number")
    mpp = _number(table, number, "mpp", cells["mpp"]) if cells["mpp"] else None
    if mpp is not None:
        check_scale(mpp, modality, place)
    return CaseImage(
        case=cells["case"],
        image=cells["image"],
        path=path_beside(table, cells["image"]).absolute(),
        modality=modality,
        marker=marker,
        level=int(level),
        block=cells["block"],
        mpp=mpp,
        row=number,
    )


def _number(table: Path, number: int, column: str, cell: str) -> float:
    try:
        value = float(cell.replace(",", "."))  # a decimal comma
    except ValueError:
        value = -1.0
    if not 0 < value < 10_000:
        raise _wrong(table, number, f"has {cell!r} as {column}", "give a number above 0")
    return value


def _wrong(table: Path, number: int, cause: str, cure: str) -> SamplesError:
    return SamplesError(table, f"row {number} {cause}", cure)


def folder_names(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """A folder's name for each name: without what file systems refuse, no two alike but for capitals."""
    used = {name.casefold() for name in taken}
    chosen = []
    for name in names:
        plain = _UNSAFE.sub("_", name).strip(" .")[:_LONGEST] or "_"
        candidate, number = plain, 1
        while candidate.casefold() in used:
            number += 1
            candidate = f"{plain}-{number}"
        used.add(candidate.casefold())
        chosen.append(candidate)
    return chosen
