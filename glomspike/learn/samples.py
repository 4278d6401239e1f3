"""Annotated tissue: the rows of the `samples.csv` that trainers and evaluations read, and their splits."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from glomspike.errors import SamplesError
from glomspike.findings import Label

Split = Literal["train", "val", "test"]

VAL_SHARE = 0.15
TEST_SHARE = 0.15


@dataclass(frozen=True)
class Sample:
    """One row of a table: where the picture and its truth are, whose tissue it is, and which split it is in.

    `mpp` is None where the slide knows it or the scale is lost; `table` is the file the row stands in.
    """

    table: Path
    image: Path
    mpp: float | None
    mask: Path | None
    xml: Path | None
    label: Label | None
    patient: str
    split: Split
    lesion: str | None = None


class _Row(BaseModel):
    """A table row as typed: empty cells are absent, unknown columns are refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    image: str = Field(min_length=1)
    mpp: float | None = Field(default=None, ge=0.05, le=20)
    mask: str | None = None
    xml: str | None = None
    label: Label | None = None
    lesion: str | None = None
    patient: str = Field(min_length=1)
    split: Split | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value


def read_samples(tables: Sequence[Path]) -> tuple[Sample, ...]:
    """The rows of one or several tables, each patient in one split.

    Patients for whom no row states a split are given one by the order of a hash of their name, so that
    the same tables always give the same splits. Raises SamplesError for a row that cannot be used, a
    missing file, or a patient who stands in two splits.
    """
    rows = [(table, line, row) for table in tables for line, row in _read_rows(table)]
    if not rows:
        raise SamplesError(", ".join(map(str, tables)), "no samples in it", "give a table with rows")
    splits = _splits(rows)
    return tuple(_sample(table, line, row, splits[row.patient]) for table, line, row in rows)


def in_split(samples: Sequence[Sample], split: Split) -> list[Sample]:
    """The samples of a split. Raises SamplesError where it has none."""
    chosen = [sample for sample in samples if sample.split == split]
    if not chosen:
        cause = f"split {split} is empty"
        raise SamplesError(names_of_tables(samples), cause, "take another split, or add patients")
    return chosen


def names_of_tables(samples: Sequence[Sample]) -> str:
    """The tables that samples stand in, for messages."""
    return ", ".join(sorted({str(sample.table) for sample in samples}))


def _read_rows(table: Path) -> list[tuple[int, _Row]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            cells = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SamplesError(table, f"cannot be read ({error})", "give a samples.csv in UTF-8") from error
    rows = []
    for line, values in enumerate(cells, start=2):
        try:
            rows.append((line, _Row.model_validate(values)))
        except ValidationError as error:
            first = error.errors()[0]
            column = ".".join(map(str, first["loc"])) or "row"
            raise SamplesError(
                f"{table} line {line}", f"{column}: {first['msg']}", "correct the row (docs/training.md)"
            ) from error
    return rows


def _splits(rows: list[tuple[Path, int, _Row]]) -> dict[str, Split]:
    stated: dict[str, Split] = {}
    for table, line, row in rows:
        if row.split is None:
            continue
        if stated.setdefault(row.patient, row.split) != row.split:
            raise SamplesError(
                f"{table} line {line}",
                f"patient {row.patient} is in {stated[row.patient]} and in {row.split}",
                "put all of a patient's rows in one split",
            )
    refuse_two_spellings((f"{table} line {line}", row.patient) for table, line, row in rows)
    unsplit = sorted({row.patient for _, _, row in rows} - stated.keys(), key=_hash)
    val = max(round(VAL_SHARE * len(unsplit)), 1 if len(unsplit) > 1 else 0)
    test = max(round(TEST_SHARE * len(unsplit)), 1 if len(unsplit) > 2 else 0)
    for rank, patient in enumerate(unsplit):
        stated[patient] = "val" if rank < val else "test" if rank < val + test else "train"
    return stated


def refuse_two_spellings(patients: Iterable[tuple[str, str]]) -> None:
    """Raises SamplesError where patients differ in capitals and spaces only, since they may be one.

    Each is given as where it stands, and as it is spelled there.
    """
    spelled: dict[str, str] = {}
    for place, patient in patients:
        known = spelled.setdefault("".join(patient.casefold().split()), patient)
        if known != patient:
            cause = f"patient {patient!r} is {known!r} in another row"
            cure = "spell a patient one way, or make two differ by more than capitals and spaces"
            raise SamplesError(place, cause, cure)


def _hash(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()


def _sample(table: Path, line: int, row: _Row, split: Split) -> Sample:
    def beside(name: str | None) -> Path | None:
        if name is None:
            return None
        path = table.parent / name
        if not path.is_file():
            raise SamplesError(f"{table} line {line}", f"{name} is not there", "correct the path")
        return path

    image = beside(row.image)
    assert image is not None
    return Sample(
        table, image, row.mpp, beside(row.mask), beside(row.xml), row.label, row.patient, split, row.lesion
    )
