"""A case's `report.html`: the summary, the slides side by side, each glomerulus's profiles in one row."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from glomspike.errors import SlideError
from glomspike.report.case_overview import CaseOverview, case_overview
from glomspike.report.case_words import (
    case_summary,
    date_words,
    focus_words,
    glomerulus_words,
    match_words,
    meaning_words,
    scale_words,
    slide_numbers,
    stain_words,
    unseen_words,
    warning_words,
)
from glomspike.report.disease_view import DiseaseView, disease_view
from glomspike.report.disease_words import modalities_words
from glomspike.report.html import data_uri, write_page
from glomspike.report.page import REPORT_NAME
from glomspike.report.portrait import encode_jpeg, shrunk
from glomspike.report.summary_rows import Fact
from glomspike.results.case_record import CaseGlomerulus, CaseRecord, ImageRecord, ProfileRecord
from glomspike.slide.reader import read_picture

OVERVIEW_PX, PROFILE_PX = 640, 150
_JPEG_QUALITY = 80
UP = "../.."  # from a case's folder to OUT


@dataclass(frozen=True)
class NumberView:
    """The number of a glomerulus on a slide's picture, in its pixels."""

    id: int
    x_px: float
    y_px: float


@dataclass(frozen=True)
class SlideView:
    """An image of the case: its number, name, stain, block and level, what was found on it, its report.

    `picture` and what follows are None, 0 or empty where there is no overview, `address` where no report is.
    """

    number: int
    name: str
    stain: str
    level: str
    text: str
    address: str | None
    picture: str | None
    width_px: int
    height_px: int
    numbers: tuple[NumberView, ...]


@dataclass(frozen=True)
class ProfileView:
    """A profile: its small picture, None where the file is missing, and where it leads."""

    caption: str
    picture: str | None
    address: str


@dataclass(frozen=True)
class RowView:
    """A glomerulus of the case, and its profiles on each slide that was done."""

    id: int
    text: str
    match: str
    spiked: bool
    cells: tuple[tuple[ProfileView, ...], ...]


@dataclass(frozen=True)
class CaseView:
    """Everything that the template fills in."""

    case: str
    summary: tuple[Fact, ...]
    warnings: tuple[str, ...]
    unseen: tuple[str, ...]
    meaning: tuple[str, ...]
    slides: tuple[SlideView, ...]
    columns: tuple[SlideView, ...]  # the slides that were done
    rows: tuple[RowView, ...]
    disease: DiseaseView | None
    making: tuple[Fact, ...]


def write_case_page(path: Path, record: CaseRecord, out: Path) -> None:
    """The page of a case whose slides' results lie in OUT. OSError where it cannot be written."""
    slides = tuple(_slide(image, record, out) for image in record.images)
    view = CaseView(
        case=record.case,
        summary=tuple(case_summary(record)),
        warnings=tuple(warning_words(record)),
        unseen=tuple(unseen_words(record)),
        meaning=tuple(meaning_words(record)),
        slides=slides,
        columns=tuple(slide for slide in slides if slide.address is not None),
        rows=tuple(_row(one, record, out) for one in record.glomeruli),
        disease=disease_view(record, path.parent, out),
        making=tuple(_making(record)),
    )
    write_page(path, "case.html.j2", "index.js", view)


def _report_address(folder: str) -> str:
    return f"{UP}/{quote(os.fsencode(folder))}/{REPORT_NAME}"


def _section(image: ImageRecord) -> str:
    """Which section of the biopsy a slide is, or what else made an image."""
    if image.modality != "om":
        return modalities_words(image.modality)
    return f"block {image.block}, level {image.level}" if image.block else f"level {image.level}"


def _found(image: ImageRecord) -> str:
    tissue = "" if image.tissue_mm2 is None else f", {image.tissue_mm2:.2f} mm² of tissue"
    sharp = focus_words(image)
    focus = f", focus {sharp}" if sharp else ""
    return f"{image.profiles} profiles, {scale_words(image)} µm/px{tissue}{focus}"


def _slide(image: ImageRecord, record: CaseRecord, out: Path) -> SlideView:
    overview = case_overview(image, record.glomeruli, out, OVERVIEW_PX)
    return SlideView(
        slide_numbers(record)[image.image],
        image.image,
        stain_words(image),
        _section(image),
        _found(image) if image.modality == "om" and image.status == "done" else image.status,
        None if image.folder is None else _report_address(image.folder),
        *_picture(overview),
    )


def _picture(overview: CaseOverview | None) -> tuple[str | None, int, int, tuple[NumberView, ...]]:
    if overview is None:
        return None, 0, 0, ()
    height_px, width_px = overview.picture.shape[:2]
    numbers = tuple(
        NumberView(at.number, round(at.x * width_px, 1), round(at.y * height_px, 1)) for at in overview.places
    )
    return data_uri("jpeg", encode_jpeg(overview.picture, _JPEG_QUALITY)), width_px, height_px, numbers


def _row(one: CaseGlomerulus, record: CaseRecord, out: Path) -> RowView:
    cells = (
        tuple(_profile(profile, image, out) for profile in one.profiles if profile.image == image.image)
        for image in record.images
        if image.folder is not None
    )
    return RowView(one.id, glomerulus_words(one), match_words(one), one.call == "spiked", tuple(cells))


def _profile(profile: ProfileRecord, image: ImageRecord, out: Path) -> ProfileView:
    folder = image.folder or ""
    parts = [f"no. {profile.id}"]
    if profile.spike_probability is not None:
        parts.append(f"{profile.spike_probability:.2f}")
    if profile.sclerosed:
        parts.append("globally sclerosed")
    if profile.touches_edge:
        parts.append("cut by an edge")
    address = f"{_report_address(folder)}#g{profile.id}"
    return ProfileView(", ".join(parts), _small(out / folder / "images" / f"{profile.id:04d}.png"), address)


def _making(record: CaseRecord) -> Iterator[Fact]:
    yield "Program", f"glomspike {record.versions.glomspike}, {date_words(record)}"
    for kind, one in record.weights.items():
        yield f"Weights: {kind}", f"{one.name} {one.version}, SHA-256 {one.sha256[:12]}…"


def _small(path: Path) -> str | None:
    try:
        picture = read_picture(path)
    except SlideError:
        return None
    return data_uri("jpeg", encode_jpeg(shrunk(picture, PROFILE_PX), _JPEG_QUALITY))
