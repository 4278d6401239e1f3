"""`case.json`: the distinct glomeruli of a biopsy, what they rest on, what was not looked at."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from glomspike.findings import Call
from glomspike.results.counting import Summary
from glomspike.results.record import Versions

CASE_NAME = "case.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ImageRecord(_Strict):
    """One image of the case: as in `cases.csv`, and what became of it.

    `folder` are its results below OUT and `run_sha256` the hash of their `run.json`; None where there are
    none.
    """

    image: str
    modality: str
    marker: str
    level: int
    block: str
    status: Literal["done", "failed", "not looked at"]
    cause: str
    folder: str | None
    run_sha256: str | None
    profiles: int | None


class ProfileRecord(_Strict):
    """A glomerulus as one section shows it: the image, its `id` in that slide's `glomeruli.csv`.

    `call` is None in other stains than silver. `certainty` is that of the surest match to another profile.
    """

    image: str
    id: int
    call: Call | None
    spike_probability: float | None
    sclerosed: bool | None
    area_um2: float
    touches_edge: bool
    certainty: float | None


class CaseGlomerulus(_Strict):
    """A distinct glomerulus: spiked if any profile in silver is, sclerosed by majority.

    `certainty` is the least sure match that holds its profiles together; `disagreement` where profiles differ
    in sclerosis.
    """

    id: int
    call: Call | None
    sclerosed: bool | None
    disagreement: bool
    certainty: float
    profiles: tuple[ProfileRecord, ...]


class CaseRecord(_Strict):
    """The contents of `case.json`.

    `fitted` are pairs of images whose sections were registered, an image with itself where it shows the same
    tissue again; `apart` are groups of images between which nothing fitted: their glomeruli are counted
    apart. `files` maps each other file to its SHA-256.
    """

    versions: Versions = Field(default_factory=Versions)
    case: str
    made: datetime
    images: tuple[ImageRecord, ...]
    summary: Summary
    glomeruli: tuple[CaseGlomerulus, ...]
    fitted: tuple[tuple[str, str], ...]
    apart: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]
    files: dict[str, str] = {}
