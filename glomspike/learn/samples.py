"""Annotated tissue: the rows of the `samples.csv` that trainers and evaluations read, and their splits."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from glomspike.errors import SamplesError
from glomspike.findings import Label
from glomspike.modalities import (
    MODALITIES,
    STRONGEST,
    BindingSite,
    Modality,
    check_scale,
    marker_of,
    modality_of,
)
from glomspike.tables import path_beside, read_table, refuse_two_spellings

Split = Literal["train", "val", "test"]
_Value = TypeVar("_Value")

VAL_SHARE = 0.15
TEST_SHARE = 0.15
STAGED = "MN"  # the disease that has stages, membranous nephropathy


@dataclass(frozen=True)
class Sample:
    """One row of a table: where the picture and its truth are, whose tissue it is, and which split it is in.

    `mpp` is None where the slide knows it or the scale is lost; `table` is the file that the row is in.
    `marker` is the stain or antibody where it is stated, `deposits` whether an electron micrograph shows
    any, `grade` (0 to STRONGEST) and `site` how strongly and where the antibody of a fluorescence image
    binds. `disease` and `stage` are the patient's, whichever row states them.
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
    modality: Modality = "om"
    marker: str | None = None
    disease: str | None = None
    stage: int | None = None
    deposits: bool | None = None
    grade: int | None = None
    site: BindingSite | None = None


class _Row(BaseModel):
    """A table row as typed: empty cells are absent, unknown columns are refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    image: str | None = None
    mpp: float | None = None
    mask: str | None = None
    xml: str | None = None
    label: Label | None = None
    lesion: str | None = None
    patient: str = Field(min_length=1)
    split: Split | None = None
    modality: str = ""
    marker: str = ""
    disease: str | None = None
    stage: int | None = Field(default=None, ge=1, le=4)
    deposits: Literal["yes", "no"] | None = None
    grade: int | None = Field(default=None, ge=0, le=STRONGEST)
    site: BindingSite | None = None

    @field_validator(
        "image",
        "mpp",
        "mask",
        "xml",
        "label",
        "lesion",
        "split",
        "disease",
        "stage",
        "deposits",
        "grade",
        "site",
        mode="before",
    )
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("mpp", mode="before")
    @classmethod
    def _comma_is_point(cls, value: object) -> object:
        return value.replace(",", ".") if isinstance(value, str) else value

    @field_validator("grade", mode="before")
    @classmethod
    def _plus_after_a_number(cls, value: object) -> object:
        # "++" is no number with a plus, and must not pass for an empty cell.
        return re.sub(r"(?<=\d)\+", "", value) if isinstance(value, str) else value

    @field_validator("label", "split", "deposits", "site", mode="before")
    @classmethod
    def _capitals_are_small(cls, value: object) -> object:
        return value.casefold() if isinstance(value, str) else value


@dataclass(frozen=True)
class _Line:
    """A row with where it stands, and what its words mean."""

    table: Path
    number: int
    row: _Row
    modality: Modality
    marker: str | None

    @property
    def place(self) -> str:
        return f"{self.table} line {self.number}"


def read_samples(tables: Sequence[Path], modalities: Sequence[Modality] = ("om",)) -> tuple[Sample, ...]:
    """The rows of one or several tables that are of these modalities, each patient in one split.

    Patients for whom no row states a split are given one by the order of a hash of their name, so that
    the same tables always give the same splits, whatever the modalities. Raises SamplesError for a row that
    cannot be used, a missing file, a patient who is in two splits or has two diseases or stages, or
    where there is no row of these modalities.
    """
    lines = _read_lines(tables)
    splits = _splits(lines)
    diseases = _diseases(lines)
    stages = _stages(lines, diseases)
    samples = tuple(
        _sample(line, splits[patient], diseases.get(patient), stages.get(patient))
        for line in lines
        if line.modality in modalities
        for patient in [line.row.patient]
    )
    if not samples:
        cause = f"has no row of modality {' or '.join(modalities)}"
        raise SamplesError(", ".join(map(str, tables)), cause, "add such images")
    _refuse_shared(samples)
    return samples


def skipped(tables: Sequence[Path], modalities: Sequence[Modality]) -> str | None:
    """What is said of rows that `read_samples` leaves out; None where it takes all."""
    lines = _read_lines(tables)
    counts = Counter(line.modality for line in lines if line.modality not in modalities)
    if not counts:
        return None
    what = " and ".join(
        f"{counts[modality]} of modality {modality}" for modality in MODALITIES if counts[modality]
    )
    return f"{', '.join(map(str, tables))}: rows skipped: {what}"


def in_split(samples: Sequence[Sample], split: Split) -> list[Sample]:
    """The samples of a split. Raises SamplesError where it has none."""
    chosen = [sample for sample in samples if sample.split == split]
    if not chosen:
        cause = f"split {split} is empty"
        raise SamplesError(names_of_tables(samples), cause, "take another split, or add patients")
    return chosen


def _refuse_shared(samples: Sequence[Sample]) -> None:
    """Raises SamplesError where a picture is given to two patients, and may be on both sides of a split."""
    patients: dict[str, str] = {}
    for sample in samples:
        patient = patients.setdefault(os.path.realpath(sample.image), sample.patient)
        if patient != sample.patient:
            cause = f"gives {sample.image.name} to {patient} and to {sample.patient}"
            raise SamplesError(sample.table, cause, "name each picture's patient in one way")


def names_of_tables(samples: Sequence[Sample]) -> str:
    """The tables that samples are in, for messages."""
    return ", ".join(sorted({str(sample.table) for sample in samples}))


def _read_lines(tables: Sequence[Path]) -> list[_Line]:
    lines = [line for table in tables for line in _read_table(table)]
    if not lines:
        raise SamplesError(", ".join(map(str, tables)), "no samples in it", "give a table with rows")
    return lines


def _read_table(table: Path) -> Iterator[_Line]:
    for line, cells in ((row.line, row.cells) for row in read_table(table).rows):
        place = f"{table} line {line}"
        try:
            row = _Row.model_validate(cells)
        except ValidationError as error:
            first = error.errors()[0]
            column = ".".join(map(str, first["loc"])) or "row"
            raise SamplesError(
                place, f"{column}: {first['msg']}", "correct the row (docs/training.md)"
            ) from error
        modality = modality_of(row.modality, place)
        marker = marker_of(row.marker, modality, place)
        if row.mpp is not None:
            check_scale(row.mpp, modality, place)
        _check_findings(row, modality, place)
        yield _Line(table, line, row, modality, marker)


def _check_findings(row: _Row, modality: Modality, place: str) -> None:
    """Raises SamplesError for deposits, a grade or a site that the row's image cannot have."""
    if row.deposits is not None and modality != "tem":
        cause = "states deposits, and is no electron micrograph"
        raise SamplesError(place, cause, "leave the column deposits empty in this row")
    if modality != "if" and (row.grade is not None or row.site is not None):
        cause = "states a grade or a site, and is no fluorescence image"
        raise SamplesError(place, cause, "leave the columns grade and site empty in this row")
    if row.grade == 0 and row.site is not None:
        cause = f"has the site {row.site}, and grade 0"
        raise SamplesError(place, cause, "leave the site empty where nothing binds, or correct the grade")


def _diseases(lines: Sequence[_Line]) -> dict[str, str]:
    """The disease of each patient of whom a row states one."""
    refuse_two_spellings(((line.place, line.row.disease) for line in lines if line.row.disease), "disease")
    return _of_patients((line, line.row.disease) for line in lines)


def _stages(lines: Sequence[_Line], diseases: Mapping[str, str]) -> dict[str, int]:
    """The stage of each patient of whom a row states one."""
    for line in lines:
        disease = diseases.get(line.row.patient, "")
        if line.row.stage is not None and disease.casefold() != STAGED.casefold():
            cause = f"patient {line.row.patient} has a stage, and the disease is {disease or 'not stated'}"
            raise SamplesError(
                line.place, cause, f"only {STAGED} has stages: correct the disease or the stage"
            )
    return _of_patients((line, line.row.stage) for line in lines)


def _of_patients(stated: Iterable[tuple[_Line, _Value | None]]) -> dict[str, _Value]:
    """What is stated of each patient, where all rows that state it agree."""
    known: dict[str, _Value] = {}
    for line, value in stated:
        patient = line.row.patient
        if value is not None and known.setdefault(patient, value) != value:
            cause = f"patient {patient} is {known[patient]} and {value}"
            raise SamplesError(line.place, cause, "give one disease and one stage for each patient")
    return known


def _splits(lines: Sequence[_Line]) -> dict[str, Split]:
    stated: dict[str, Split] = {}
    for line in lines:
        row = line.row
        if row.split is None:
            continue
        if stated.setdefault(row.patient, row.split) != row.split:
            raise SamplesError(
                line.place,
                f"patient {row.patient} is in {stated[row.patient]} and in {row.split}",
                "put all of a patient's rows in one split",
            )
    refuse_two_spellings((line.place, line.row.patient) for line in lines)
    unsplit = sorted({line.row.patient for line in lines} - stated.keys(), key=_hash)
    val = max(round(VAL_SHARE * len(unsplit)), 1 if len(unsplit) > 1 else 0)
    test = max(round(TEST_SHARE * len(unsplit)), 1 if len(unsplit) > 2 else 0)
    for rank, patient in enumerate(unsplit):
        stated[patient] = "val" if rank < val else "test" if rank < val + test else "train"
    return stated


def _hash(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()


def _sample(line: _Line, split: Split, disease: str | None, stage: int | None) -> Sample:
    def beside(name: str | None) -> Path | None:
        if name is None:
            return None
        path = path_beside(line.table, name)
        if not os.path.isfile(path):  # noqa: PTH113  (Path.is_file raises for a name that is too long)
            raise SamplesError(line.place, f"{name} is not there", "correct the path")
        return path

    row, image = line.row, beside(line.row.image)
    if image is None:
        raise SamplesError(
            line.place, f"patient {row.patient} has no image here", "name the image, or remove the row"
        )
    return Sample(
        table=line.table,
        image=image,
        mpp=row.mpp,
        mask=beside(row.mask),
        xml=beside(row.xml),
        label=row.label,
        patient=row.patient,
        split=split,
        lesion=row.lesion,
        modality=line.modality,
        marker=line.marker,
        disease=disease,
        stage=stage,
        deposits=None if row.deposits is None else row.deposits == "yes",
        grade=row.grade,
        site=row.site,
    )
