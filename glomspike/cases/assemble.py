"""A case put together from the finished results of its slides."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from glomspike.cases.identity import Identity, Link, identify
from glomspike.cases.piece import Piece, Profile, pieces_of
from glomspike.cases.table import Case, CaseImage
from glomspike.findings import NON_GLOMERULAR, SCLEROSED, Call, SlideRow
from glomspike.geometry.circles import circle_polygon
from glomspike.results.adequacy import AdequacyRule
from glomspike.results.case_record import CaseGlomerulus, CaseRecord, ImageRecord, ProfileRecord
from glomspike.results.counting import CountedGlomerulus, summarise
from glomspike.results.findings import Finding, SlideFindings, read_findings
from glomspike.results.record import RECORD_NAME

STRONGEST: tuple[Call, ...] = ("spiked", "uncertain", "not spiked")  # the first that a profile has counts


@dataclass(frozen=True, eq=False)
class _Slide:
    image: CaseImage
    found: SlideFindings

    @property
    def glomeruli(self) -> dict[int, Finding]:
        """Findings that are glomeruli, by id."""
        return {
            one.id: one
            for one in self.found.findings
            if one.lesion is None or one.lesion.name != NON_GLOMERULAR
        }

    def pieces(self, number: int) -> tuple[Piece, ...]:
        """The slide's pieces of tissue with its profiles, in micrometres."""
        scale = np.array([self.found.slide.mpp.x, self.found.slide.mpp.y])
        profiles = [
            Profile(number, one.id, one.outline0 * scale if one.outline0 is not None else _circle(one, scale))
            for one in self.glomeruli.values()
        ]
        tissue = [np.array(edge, dtype=np.float64) * scale for edge in self.found.record.tissue]
        return pieces_of(number, tissue, profiles)


def _circle(finding: Finding, scale: np.ndarray) -> np.ndarray:
    x_um, y_um = np.array([finding.circle.x0, finding.circle.y0]) * scale
    return circle_polygon(x_um, y_um, finding.circle.radius_um, 64)


def assemble(case: Case, rows: Mapping[str, SlideRow], out: Path, rule: AdequacyRule) -> CaseRecord:
    """The record of a case, from the results of its slides in OUT; `rows` say what became of each image.

    Blocks are matched each by itself. What failed, or is no light microscopy, is in the record as that.
    """
    slides = [
        _Slide(image, read_findings(out / row.folder))
        for image in case.images
        if image.modality == "om" and (row := rows[image.image]).folder is not None
    ]
    glomeruli: list[CaseGlomerulus] = []
    fitted: list[tuple[str, str]] = []
    apart: list[tuple[str, ...]] = []
    for block in dict.fromkeys(slide.image.block for slide in slides):
        inside = [slide for slide in slides if slide.image.block == block]
        pieces = [piece for number, slide in enumerate(inside) for piece in slide.pieces(number)]
        identity = identify(pieces, [slide.image.level for slide in inside])
        glomeruli += _glomeruli(identity, inside, len(glomeruli) + 1)
        fitted += [(inside[a].image.image, inside[b].image.image) for a, b in identity.fitted]
        apart += [tuple(inside[n].image.image for n in group) for group in identity.apart]
    images = tuple(_image_record(image, rows.get(image.image), out) for image in case.images)
    return CaseRecord(
        case=case.name,
        made=datetime.now(UTC),
        images=images,
        summary=summarise(map(_counted, glomeruli), None, rule),
        glomeruli=tuple(glomeruli),
        fitted=tuple(fitted),
        apart=tuple(apart),
        warnings=tuple(_warnings(images, apart, slides)),
    )


def _glomeruli(identity: Identity, slides: Sequence[_Slide], first_id: int) -> list[CaseGlomerulus]:
    sure = _surest(identity.links)
    found = []
    groups = zip(identity.glomeruli, identity.certainties, strict=True)
    for id_, (group, certainty) in enumerate(groups, start=first_id):
        profiles = tuple(_profile(slides[number], one, sure.get((number, one))) for number, one in group)
        calls = [profile.call for profile in profiles if profile.call is not None]
        scars = [profile.sclerosed for profile in profiles if profile.sclerosed is not None]
        glomerulus = CaseGlomerulus(
            id=id_,
            call=next((call for call in STRONGEST if call in calls), None),
            sclerosed=2 * sum(scars) > len(scars) if scars else None,
            disagreement=len(set(scars)) > 1,
            certainty=round(certainty, 4),
            profiles=profiles,
        )
        found.append(glomerulus)
    return found


def _surest(links: Sequence[Link]) -> dict[tuple[int, int], float]:
    surest: dict[tuple[int, int], float] = {}
    for link in links:
        for key in (link.first, link.second):
            surest[key] = max(surest.get(key, 0.0), link.certainty)
    return surest


def _profile(slide: _Slide, id_: int, certainty: float | None) -> ProfileRecord:
    finding = slide.glomeruli[id_]
    scored = slide.image.is_scored
    return ProfileRecord(
        image=slide.image.image,
        id=id_,
        call=finding.call if scored else None,
        spike_probability=finding.probability if scored else None,
        sclerosed=None if finding.lesion is None else finding.lesion.name in SCLEROSED,
        area_um2=finding.area_um2,
        touches_edge=finding.touches_edge,
        certainty=None if certainty is None else round(certainty, 4),
    )


def _counted(glomerulus: CaseGlomerulus) -> CountedGlomerulus:
    """What is counted of a distinct glomerulus: it is as large as its largest profile."""
    largest = max(glomerulus.profiles, key=lambda profile: profile.area_um2)
    return CountedGlomerulus(
        largest.area_um2, not largest.touches_edge, glomerulus.sclerosed, glomerulus.call
    )


def _image_record(image: CaseImage, row: SlideRow | None, out: Path) -> ImageRecord:
    folder = None if row is None else row.folder
    digest = None if folder is None else hashlib.sha256((out / folder / RECORD_NAME).read_bytes()).hexdigest()
    return ImageRecord(
        image=image.image,
        modality=image.modality,
        marker=image.marker,
        level=image.level,
        block=image.block,
        status="not looked at" if row is None else "failed" if folder is None else "done",
        cause="" if row is None else row.cause,
        folder=folder,
        run_sha256=digest,
        profiles=None if row is None else row.glomeruli,
    )


def _warnings(
    images: Sequence[ImageRecord], apart: Sequence[Sequence[str]], slides: Sequence[_Slide]
) -> list[str]:
    notes = [
        f"{one.image} failed and is missing here: {one.cause}" for one in images if one.status == "failed"
    ]
    if others := [one.image for one in images if one.status == "not looked at"]:
        notes.append(f"not looked at, being no light microscopy: {', '.join(others)}")
    blocks = {slide.image.image: slide.image.block for slide in slides}
    for block in dict.fromkeys(blocks.values()):
        groups = [group for group in apart if blocks[group[0]] == block]
        if len(groups) > 1:
            lists = "; ".join(", ".join(group) for group in groups)
            twice = "are counted apart, so that a glomerulus may count twice"
            notes.append(f"levels that don't fit each other {twice}: {lists}")
    stained = [slide.image for slide in slides if not slide.image.is_scored]
    if stained:
        names = ", ".join(f"{image.image} ({image.marker})" for image in stained)
        notes.append(f"not scored for spikes, which silver alone shows: {names}")
    return notes
