"""A case's `report.html`: the summary, the slides side by side, a glomerulus's profiles in one row."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from glomspike import __version__
from glomspike.errors import SlideError
from glomspike.report.disease_view import DiseaseView, disease_view
from glomspike.report.html import data_uri, write_page
from glomspike.report.portrait import encode_jpeg, shrunk
from glomspike.report.summary_rows import Said, summary_rows
from glomspike.results.case_record import CaseRecord
from glomspike.slide.reader import read_picture

OVERVIEW_PX, PROFILE_PX = 640, 150
_JPEG_QUALITY = 80
UP = "../.."  # from a case's folder to OUT


@dataclass(frozen=True)
class PictureView:
    """A small picture, None where its file is missing, and where it leads."""

    caption: str
    picture: str | None
    address: str | None


@dataclass(frozen=True)
class RowView:
    """A glomerulus of the case and its profiles."""

    id: int
    text: str
    spiked: bool
    profiles: tuple[PictureView, ...]


@dataclass(frozen=True)
class CaseView:
    """Everything that the template fills in."""

    case: str
    summary: tuple[Said, ...]
    warnings: tuple[str, ...]
    slides: tuple[PictureView, ...]
    rows: tuple[RowView, ...]
    disease: DiseaseView | None
    making: tuple[Said, ...]


def write_case_page(path: Path, record: CaseRecord, out: Path) -> None:
    """The page of a case whose slides' results lie in OUT. OSError where it cannot be written."""
    view = CaseView(
        case=record.case,
        summary=tuple(summary_rows(record.summary)),
        warnings=record.warnings,
        slides=tuple(_slides(record, out)),
        rows=tuple(_rows(record, out)),
        disease=disease_view(record, path.parent, out),
        making=(("Program", f"glomspike {__version__}, {record.made:%Y-%m-%d %H:%M} UTC"),),
    )
    write_page(path, "case.html.j2", "index.js", view)


def _slides(record: CaseRecord, out: Path) -> Iterator[PictureView]:
    for image in record.images:
        stain = image.marker or image.modality
        block = f"block {image.block}, " if image.block else ""
        count = f", {image.profiles} profiles" if image.profiles is not None else f": {image.status}"
        caption = f"{image.image}: {block}level {image.level}, {stain}{count}"
        if image.folder is None:
            yield PictureView(caption, None, None)
            continue
        small = _small(out / image.folder / "overview.png", OVERVIEW_PX)
        yield PictureView(caption, small, f"{UP}/{quote(os.fsencode(image.folder))}/report.html")


def _rows(record: CaseRecord, out: Path) -> Iterator[RowView]:
    folders = {image.image: image.folder for image in record.images}
    for one in record.glomeruli:
        profiles = []
        for profile in one.profiles:
            folder = folders[profile.image] or ""
            small = _small(out / folder / "images" / f"{profile.id:04d}.png", PROFILE_PX)
            probability = profile.spike_probability
            score = "" if probability is None else f", {probability:.2f}"
            address = f"{UP}/{quote(os.fsencode(folder))}/report.html#g{profile.id}"
            profiles.append(PictureView(f"{profile.image} {profile.id}{score}", small, address))
        parts: list[str] = [one.call or "not scored"]
        if one.sclerosed:
            parts.append("globally sclerosed")
        if one.disagreement:
            parts.append("profiles differ in sclerosis")
        if len(one.profiles) > 1:
            parts.append(f"levels matched with at least {100 * one.certainty:.0f} % certainty")
        yield RowView(one.id, "; ".join(parts), one.call == "spiked", tuple(profiles))


def _small(path: Path, side_px: int) -> str | None:
    try:
        picture = read_picture(path)
    except SlideError:
        return None
    return data_uri("jpeg", encode_jpeg(shrunk(picture, side_px), _JPEG_QUALITY))
