"""`case.json`: the distinct glomeruli of a biopsy, what they rest on, what was not analysed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from glomspike.findings import Call, Extent, TopTile
from glomspike.results.counting import Focus, Summary
from glomspike.results.disease_record import DiseaseRecord
from glomspike.results.record import StainRecord, Versions

CASE_NAME = "case.json"
ImageStatus = Literal["done", "failed", "not analysed"]


class _Strict(BaseModel):
    # what has a default is written all the same, and the published schema says so
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, json_schema_serialization_defaults_required=True
    )


class WeightsRecord(_Strict):
    """A model that the slides were done with: name and version by its card, the SHA-256 of its weights.

    `calibrated_on` says what its probabilities were calibrated on, None where they were not.
    """

    name: str
    version: str
    sha256: str
    calibrated_on: str | None


class ImageRecord(_Strict):
    """One image of the case: as in `cases.csv`, and what became of it.

    `folder` are its results below OUT and `run_sha256` the hash of their `run.json`; these and all that
    follows are None or empty where there are none. `profiles` counts what was detected, `mpp_x` and `mpp_y`
    are the scale that was used, `bounds0` left, top, width and height of what the overview shows in level-0
    pixels, `tissue_mm2` is the area of the tissue, `warnings` are the slide's. Windows and tiles that could
    not be read were not searched and not scored. `stain` and `focus` are those of the slide's `run.json`;
    `marker` is by the stain where the table has none.
    """

    image: str
    modality: str
    marker: str
    level: int
    block: str
    status: ImageStatus
    cause: str
    folder: str | None
    run_sha256: str | None
    profiles: int | None
    mpp_x: float | None = None
    mpp_y: float | None = None
    bounds0: tuple[float, float, float, float] | None = None
    tissue_mm2: float | None = None
    unreadable_windows: int | None = None
    unreadable_tiles: int | None = None
    warnings: tuple[str, ...] = ()
    stain: StainRecord | None = None
    focus: Focus | None = None


class ProfileRecord(_Strict):
    """A glomerulus as one section shows it: the image, its `id` in that slide's `glomeruli.csv`.

    `call`, `spike_probability`, `extent`, `sharpness` and `top_tiles` are None or empty in other stains than
    silver. `box0` is the outline's box, left, top, right, bottom; it and the corners of tiles are in level-0
    pixels. `certainty` is that of the surest match to another profile.
    """

    image: str
    id: int
    call: Call | None
    spike_probability: float | None
    sclerosed: bool | None
    area_um2: float
    touches_edge: bool
    box0: tuple[float, float, float, float]
    certainty: float | None
    top_tiles: tuple[TopTile, ...] = ()
    extent: Extent | None = None
    sharpness: float | None = None


class CaseGlomerulus(_Strict):
    """A distinct glomerulus: spiked if any profile in silver is, sclerosed by majority.

    `spike_probability` is the highest of its profiles in silver. `certainty` is the least sure match that
    holds its profiles together; `disagreement` where profiles differ in sclerosis. `extent` is that of spikes
    on the membrane of all its profiles in silver together: `membrane_tiles` cross it, of which
    `spiked_membrane_share` are positive.
    """

    id: int
    call: Call | None
    spike_probability: float | None
    sclerosed: bool | None
    disagreement: bool
    certainty: float
    profiles: tuple[ProfileRecord, ...]
    extent: Extent | None = None
    membrane_tiles: int | None = None
    spiked_membrane_share: float | None = None


class Sections(_Strict):
    """All sections of a case together: profiles, and mm² of tissue where that was measured on every slide."""

    profiles: int
    tissue_mm2: float | None
    profiles_per_mm2: float | None

    @classmethod
    def of(cls, images: Sequence[ImageRecord]) -> "Sections":
        """The sum over the images that were done."""
        done = [image for image in images if image.status == "done"]
        profiles = sum(image.profiles or 0 for image in done)
        areas = [image.tissue_mm2 for image in done if image.tissue_mm2 is not None]
        if not areas or len(areas) < len(done):
            return cls(profiles=profiles, tissue_mm2=None, profiles_per_mm2=None)
        area = sum(areas)
        density = round(profiles / area, 3) if area else None
        return cls(profiles=profiles, tissue_mm2=round(area, 4), profiles_per_mm2=density)


class CaseReview(_Strict):
    """What a reviewer makes of a case: its distinct glomeruli and their calls after review.

    `slides` were reviewed; it is complete where these are all that are scored, with all their glomeruli.
    `added` counts what no profile of the run is, `removed` what has none left.
    """

    reviewer: str
    slides: int
    complete: bool
    glomeruli: int
    spiked: int
    not_spiked: int
    uncertain: int
    added: int
    removed: int


class CaseRecord(_Strict):
    """The contents of `case.json`.

    `weights` are the models that the slides were done with, by kind; `threshold` is the spike probability
    from which a glomerulus counts as spiked, with three calls `spiked_from` where it does and
    `not_spiked_below` below which it does not; `tile_um` is the side of a tile in µm. They are None where no
    slide was done.

    `fitted` are pairs of images whose sections were registered, an image with itself where it shows the same
    tissue again; `apart` are groups of images between which nothing fitted: their glomeruli are counted
    apart. `unseen` says what was not analysed, `warnings` what a reader should know, a sentence each.
    `disease` is what a disease model says, None where there was none. `reviews` is what each reviewer makes
    of the case, as it stood when the case was put together. `files` maps each other file to its
    SHA-256.
    """

    versions: Versions = Field(default_factory=Versions)
    case: str
    made: datetime
    weights: dict[str, WeightsRecord]
    threshold: float | None
    not_spiked_below: float | None = None
    spiked_from: float | None = None
    tile_um: float | None
    images: tuple[ImageRecord, ...]
    summary: Summary
    sections: Sections
    glomeruli: tuple[CaseGlomerulus, ...]
    fitted: tuple[tuple[str, str], ...]
    apart: tuple[tuple[str, ...], ...]
    unseen: tuple[str, ...]
    warnings: tuple[str, ...]
    disease: DiseaseRecord | None = None
    reviews: tuple[CaseReview, ...] = ()
    files: dict[str, str] = {}
