"""The disease of a case as its page shows it: probabilities, opinions, micrographs by what they count."""

from dataclasses import dataclass
from pathlib import Path

from glomspike.report.case_portrait import most_suspicious, portray_profile
from glomspike.report.disease_words import (
    RESEARCH,
    disease_rows,
    image_words,
    images_of,
    opinion_rows,
    probabilities_words,
)
from glomspike.report.html import data_uri
from glomspike.report.summary_rows import Fact
from glomspike.results.case_record import CaseRecord
from glomspike.results.disease_record import DiseaseImage

TILES, PORTRAIT_PX = 4, 300


@dataclass(frozen=True)
class ImageView:
    """An image with what is said of it; `picture` and `heat` are None where there is none."""

    caption: str
    dropped: bool
    picture: str | None
    heat: str | None


@dataclass(frozen=True)
class DiseaseView:
    """What the template fills in."""

    rows: tuple[Fact, ...]
    by_modality: tuple[Fact, ...]
    without: tuple[Fact, ...]
    evidence: str
    micrographs: tuple[ImageView, ...]
    fluorescence: tuple[ImageView, ...]
    light: tuple[ImageView, ...]
    tiles: tuple[ImageView, ...]
    heated: str
    research: str


def disease_view(record: CaseRecord, place: Path, out: Path) -> DiseaseView | None:
    """The disease of a case whose pictures lie in `place`, its slides' results in OUT; None without one."""
    disease = record.disease
    if disease is None:
        return None
    evidence = disease.evidence or {}
    return DiseaseView(
        rows=tuple(disease_rows(disease)),
        by_modality=tuple(opinion_rows(disease.by_modality)),
        without=tuple(opinion_rows(disease.without)),
        evidence=", ".join(f"{name} {value:.2f}" for name, value in evidence.items()),
        micrographs=tuple(_image(one, place) for one in images_of(disease, "tem")),
        fluorescence=tuple(_image(one, place) for one in images_of(disease, "if")),
        light=tuple(_image(one, place) for one in images_of(disease, "om")),
        tiles=tuple(_tiles(record, out)),
        heated=disease.called or "",
        research=RESEARCH,
    )


def _image(image: DiseaseImage, place: Path) -> ImageView:
    parts = [
        f"{image.image}{f', {image.marker}' if image.marker else ''}",
        *image_words(image),
    ]
    if image.probabilities is not None:
        parts.append(f"alone: {probabilities_words(image.probabilities)}")
    picture, heat = (_data(place, name) for name in (image.picture, image.heat))
    return ImageView("; ".join(parts), image.kept is False, picture, heat)


def _tiles(record: CaseRecord, out: Path) -> list[ImageView]:
    """The most suspicious tiles of the glomeruli with the highest spike probability."""
    scored = [one for one in record.glomeruli if one.spike_probability is not None]
    first = sorted(scored, key=lambda one: -(one.spike_probability or 0.0))[:TILES]
    found = []
    for one in first:
        portrait = portray_profile(most_suspicious(one), record, out, PORTRAIT_PX)
        for tile in () if portrait is None else portrait.tiles[:1]:
            caption = f"glomerulus {one.id}, tile {tile.probability:.2f}"
            found.append(ImageView(caption, False, data_uri("jpeg", tile.jpeg), None))
    return found


def _data(place: Path, name: str | None) -> str | None:
    if name is None or not (place / name).is_file():
        return None
    return data_uri("jpeg", (place / name).read_bytes())
