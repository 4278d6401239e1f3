"""A case put together from the finished results of its slides."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from glomspike.cases.disease import CaseDisease
from glomspike.cases.identity import Identity, Link, identify
from glomspike.cases.piece import Piece, Profile, pieces_of
from glomspike.cases.reviewed import STRONGEST, case_reviews, reviews_of
from glomspike.cases.table import Case, CaseImage
from glomspike.classify.tiles import Tiling
from glomspike.findings import NON_GLOMERULAR, SCLEROSED, Call, CallRule, Points, SlideFacts, SlideRow
from glomspike.geometry.circles import circle_polygon
from glomspike.networks.weights import Card
from glomspike.results.adequacy import AdequacyRule
from glomspike.results.case_record import (
    CaseGlomerulus,
    CaseRecord,
    CaseReview,
    ImageRecord,
    ImageStatus,
    ProfileRecord,
    Sections,
    WeightsRecord,
)
from glomspike.results.counting import CountedGlomerulus, Focus, summarise
from glomspike.results.findings import Finding, SlideFindings, read_findings
from glomspike.results.record import RECORD_NAME

FIELD_UM = 1000.0  # a picture that is no longer shows a field of view, not a section
# Detection score from which a profile counts that other levels of its tissue do not show. On 20 phantom cases
# 16 of 22 false circles without a match lie below, and 6 of 24 true profiles (docs/cases.md).
LEAST_SCORE_ALONE = 0.35


@dataclass(frozen=True, eq=False)
class _Slide:
    image: CaseImage
    found: SlideFindings

    @cached_property
    def glomeruli(self) -> dict[int, Finding]:
        """Findings that are glomeruli, by id."""
        return {
            one.id: one
            for one in self.found.findings
            if one.lesion is None or one.lesion.name != NON_GLOMERULAR
        }

    @property
    def is_single(self) -> bool:
        """Whether it is a picture of a single glomerulus."""
        facts = self.found.slide
        sides_um = facts.bounds_width0 * facts.mpp.x, facts.bounds_height0 * facts.mpp.y
        return len(self.glomeruli) == 1 and max(sides_um) <= FIELD_UM

    @property
    def focus(self) -> Focus | None:
        """How sharp its glomeruli are, None where none was scored."""
        summary = self.found.record.summary
        return None if summary is None else summary.focus

    @property
    def rule(self) -> CallRule:
        """How its probabilities became calls."""
        options = self.found.record.options
        cuts = (options.get(name) for name in ("not_spiked_below", "spiked_from", "no_extent_below"))
        below, above, no_extent = (float(cut) if isinstance(cut, int | float) else None for cut in cuts)
        if below is None or above is None:
            return CallRule.of_one_cut(self.found.threshold)
        return CallRule(self.found.threshold, below, above, no_extent or 0.0)

    def outline0(self, finding: Finding) -> Points:
        """The outline (n, 2) of a finding, its circle where there is none, in level-0 pixels."""
        if finding.outline0 is not None:
            return finding.outline0
        circle, mpp = finding.circle, self.found.slide.mpp
        polygon_um = circle_polygon(circle.x0 * mpp.x, circle.y0 * mpp.y, circle.radius_um, 64)
        return np.asarray(polygon_um / np.array([mpp.x, mpp.y]))

    def pieces(self, number: int) -> tuple[Piece, ...]:
        """The slide's pieces of tissue with its profiles, in micrometres."""
        scale = np.array([self.found.slide.mpp.x, self.found.slide.mpp.y])
        profiles = [Profile(number, one.id, self.outline0(one) * scale) for one in self.glomeruli.values()]
        tissue = [np.array(edge, dtype=np.float64) * scale for edge in self.found.record.tissue]
        return pieces_of(number, tissue, profiles)


def assemble(
    case: Case,
    rows: Mapping[str, SlideRow],
    out: Path,
    rule: AdequacyRule,
    cards: Mapping[str, Card],
    disease: CaseDisease | None = None,
) -> CaseRecord:
    """The record of a case, from the results of its slides in OUT; `rows` say what became of each image.

    `cards` are those of the models that did the slides, by kind. Blocks are matched each by itself. What
    failed, or is no light microscopy, is in the record as that. `disease` is what a disease model says.
    """
    slides = [
        _Slide(image, read_findings(out / row.folder))
        for image in case.images
        if image.modality == "om" and (row := rows[image.image]).folder is not None
    ]
    glomeruli: list[CaseGlomerulus] = []
    fitted: list[tuple[str, str]] = []
    apart: list[tuple[str, ...]] = []
    doubtful: list[str] = []
    faint: list[str] = []
    for block in dict.fromkeys(slide.image.block for slide in slides):
        inside = [slide for slide in slides if slide.image.block == block]
        pieces = [piece for number, slide in enumerate(inside) for piece in slide.pieces(number)]
        single = {number for number, slide in enumerate(inside) if slide.is_single}
        identity, left_out = _without_faint(
            identify(pieces, [slide.image.level for slide in inside], single), inside
        )
        faint += [f"{inside[number].image.image} {id_}" for number, id_ in left_out]
        glomeruli += _glomeruli(identity, inside, len(glomeruli) + 1)
        fitted += [(inside[a].image.image, inside[b].image.image) for a, b in identity.fitted]
        apart += _names(identity.apart, inside)
        if len(identity.surely) > len(identity.apart):
            doubted = [group for group in identity.surely if single.isdisjoint(group)]
            doubtful.append(_listed(_names(doubted, inside)))
    found = {slide.image.image: slide.found for slide in slides}
    images = tuple(
        _image_record(image, rows.get(image.image), found.get(image.image), out, disease)
        for image in case.images
    )
    judged = None if disease is None else disease.record
    warnings = [*case.notes, *_warnings(images, apart, slides), *map(_doubt, doubtful), *_faint_words(faint)]
    warnings += [] if judged is None else judged.warnings
    return CaseRecord(
        case=case.name,
        made=datetime.now(UTC),
        weights={kind: _weights_record(card) for kind, card in cards.items()},
        threshold=slides[0].found.threshold if slides else None,
        not_spiked_below=_option(slides, "not_spiked_below"),
        spiked_from=_option(slides, "spiked_from"),
        tile_um=_tile_um(cards) if slides else None,
        images=images,
        summary=summarise(map(_counted, glomeruli), None, rule, _focus(slides)),
        sections=Sections.of(images),
        glomeruli=tuple(glomeruli),
        fitted=tuple(fitted),
        apart=tuple(apart),
        unseen=tuple(_unseen(images, slides, glomeruli)),
        warnings=tuple(warnings),
        disease=judged,
        reviews=_reviews(slides, rows, out, glomeruli),
    )


def _without_faint(identity: Identity, slides: Sequence[_Slide]) -> tuple[Identity, list[tuple[int, int]]]:
    """The identity without lone profiles of a low score on registered slides, and these as (slide, id)."""
    registered = {number for pair in identity.fitted for number in pair}
    faint = {
        group
        for group in identity.glomeruli
        if len(group) == 1
        and group[0][0] in registered
        and slides[group[0][0]].glomeruli[group[0][1]].circle.score < LEAST_SCORE_ALONE
    }
    kept = [
        (group, certainty)
        for group, certainty in zip(identity.glomeruli, identity.certainties, strict=True)
        if group not in faint
    ]
    counted = replace(
        identity,
        glomeruli=tuple(group for group, _ in kept),
        certainties=tuple(certainty for _, certainty in kept),
    )
    return counted, sorted(group[0] for group in faint)


def _faint_words(profiles: Sequence[str]) -> Iterator[str]:
    """The sentence on profiles, by image and number, that are left out of the count."""
    if profiles:
        cause = f"seen on one level only, with a detection score below {LEAST_SCORE_ALONE}"
        yield f"not counted, {cause}; look whether they are glomeruli: {', '.join(profiles)}"


def _names(groups: Sequence[Sequence[int]], slides: Sequence[_Slide]) -> list[tuple[str, ...]]:
    return [tuple(slides[n].image.image for n in group) for group in groups]


def _listed(groups: Iterable[Sequence[str]]) -> str:
    return "; ".join(", ".join(group) for group in groups)


def _doubt(levels: str) -> str:
    return (
        "few profiles fit between these levels, so that they may not be the same tissue; check that they "
        f"belong to one block: {levels}"
    )


def _reviews(
    slides: Sequence[_Slide], rows: Mapping[str, SlideRow], out: Path, glomeruli: Sequence[CaseGlomerulus]
) -> tuple[CaseReview, ...]:
    folders = {one.image.image: out / str(rows[one.image.image].folder) for one in slides}
    scored = {one.image.image for one in slides if one.image.is_scored}
    return case_reviews(glomeruli, reviews_of({o.image.image: o.found for o in slides}, folders), scored)


def _option(slides: Sequence[_Slide], name: str) -> float | None:
    """A number among the options that all slides were done with."""
    value = slides[0].found.record.options.get(name) if slides else None
    return float(value) if isinstance(value, int | float) else None


def _weights_record(card: Card) -> WeightsRecord:
    return WeightsRecord(
        name=card.name,
        version=card.version,
        sha256=card.sha256,
        calibrated_on=None if card.calibration is None else card.calibration.data,
    )


def _tile_um(cards: Mapping[str, Card]) -> float | None:
    card = cards.get("classifier")
    return None if card is None else round(Tiling.of(card.arguments).tile_px * card.mpp, 3)


def _glomeruli(identity: Identity, slides: Sequence[_Slide], first_id: int) -> list[CaseGlomerulus]:
    sure = _surest(identity.links)
    found = []
    groups = zip(identity.glomeruli, identity.certainties, strict=True)
    for id_, (group, certainty) in enumerate(groups, start=first_id):
        profiles = tuple(_profile(slides[number], one, sure.get((number, one))) for number, one in group)
        calls = [profile.call for profile in profiles if profile.call is not None]
        call = next((call for call in STRONGEST if call in calls), None)
        probabilities = [p.spike_probability for p in profiles if p.spike_probability is not None]
        scars = [profile.sclerosed for profile in profiles if profile.sclerosed is not None]
        glomerulus = CaseGlomerulus(
            id=id_,
            call=call,
            spike_probability=max(probabilities, default=None),
            sclerosed=2 * sum(scars) > len(scars) if scars else None,
            disagreement=len(set(scars)) > 1,
            certainty=round(certainty, 4),
            profiles=profiles,
            **_membrane(call, [(slides[number], slides[number].glomeruli[one]) for number, one in group]),
        )
        found.append(glomerulus)
    return found


def _membrane(call: Call | None, profiles: Sequence[tuple[_Slide, Finding]]) -> dict[str, Any]:
    """The extent of spikes over the membrane of all profiles in silver; empty where none is scored."""
    scored = [(slide, one.membrane) for slide, one in profiles if slide.image.is_scored]
    membranes = [(slide, membrane) for slide, membrane in scored if membrane is not None]
    if call is None or not membranes:
        return {}
    (slide, _), tiles = membranes[0], sum(membrane.tiles for _, membrane in membranes)
    positive = sum(membrane.positive_tiles for _, membrane in membranes)
    share = positive / tiles if tiles else float("nan")
    return {
        "extent": slide.rule.extent(call, share),
        "membrane_tiles": tiles,
        "spiked_membrane_share": round(share, 4) if tiles else None,
    }


def _surest(links: Sequence[Link]) -> dict[tuple[int, int], float]:
    surest: dict[tuple[int, int], float] = {}
    for link in links:
        for key in (link.first, link.second):
            surest[key] = max(surest.get(key, 0.0), link.certainty)
    return surest


def _profile(slide: _Slide, id_: int, certainty: float | None) -> ProfileRecord:
    finding = slide.glomeruli[id_]
    scored = slide.image.is_scored
    outline0 = slide.outline0(finding)
    (left, top), (right, bottom) = outline0.min(axis=0).tolist(), outline0.max(axis=0).tolist()
    return ProfileRecord(
        image=slide.image.image,
        id=id_,
        call=finding.call if scored else None,
        spike_probability=finding.probability if scored else None,
        sclerosed=None if finding.lesion is None else finding.lesion.name in SCLEROSED,
        area_um2=finding.area_um2,
        touches_edge=finding.touches_edge,
        box0=(round(left, 1), round(top, 1), round(right, 1), round(bottom, 1)),
        certainty=None if certainty is None else round(certainty, 4),
        top_tiles=finding.top_tiles if scored else (),
        extent=finding.membrane.extent if scored and finding.membrane is not None else None,
        sharpness=finding.sharpness if scored else None,
    )


def _counted(glomerulus: CaseGlomerulus) -> CountedGlomerulus:
    """What is counted of a distinct glomerulus: it is as large as its largest profile."""
    largest = max(glomerulus.profiles, key=lambda profile: profile.area_um2)
    return CountedGlomerulus(
        largest.area_um2, not largest.touches_edge, glomerulus.sclerosed, glomerulus.call, glomerulus.extent
    )


def _focus(slides: Sequence[_Slide]) -> Focus | None:
    """The focus of all profiles that are scored, None where none is."""
    scored = [slide for slide in slides if slide.image.is_scored]
    measured = [focus for slide in scored if (focus := slide.focus) is not None]
    if not measured:
        return None
    sharpness = [one.sharpness for slide in scored for one in slide.glomeruli.values() if one.sharpness]
    return Focus.of(sharpness, sum(focus.out_of_focus for focus in measured))


def _image_record(
    image: CaseImage,
    row: SlideRow | None,
    found: SlideFindings | None,
    out: Path,
    disease: CaseDisease | None,
) -> ImageRecord:
    folder = None if row is None else row.folder
    status: ImageStatus = "not analysed" if row is None else "failed" if folder is None else "done"
    cause = "" if row is None else row.cause
    if disease is not None and image.modality != "om":
        cause = disease.failed.get(image.image, "")
        status = "failed" if cause else "done"
    digest = None if folder is None else hashlib.sha256((out / folder / RECORD_NAME).read_bytes()).hexdigest()
    return ImageRecord(
        image=image.image,
        modality=image.modality,
        marker=image.marker,
        level=image.level,
        block=image.block,
        status=status,
        cause=cause,
        folder=folder,
        run_sha256=digest,
        profiles=None if row is None else row.glomeruli,
        mpp_x=None if found is None else found.slide.mpp.x,
        mpp_y=None if found is None else found.slide.mpp.y,
        bounds0=None if found is None else _bounds0(found.slide),
        tissue_mm2=None if row is None else row.tissue_mm2,
        unreadable_windows=None if row is None else row.unreadable_windows,
        unreadable_tiles=None if row is None else row.unreadable_tiles,
        warnings=() if found is None else found.record.warnings,
        stain=None if found is None else found.record.stain,
        focus=None if found is None or found.record.summary is None else found.record.summary.focus,
    )


def _bounds0(slide: SlideFacts) -> tuple[float, float, float, float]:
    return slide.bounds_x0, slide.bounds_y0, slide.bounds_width0, slide.bounds_height0


def _unseen(
    images: Sequence[ImageRecord], slides: Sequence[_Slide], glomeruli: Sequence[CaseGlomerulus]
) -> Iterator[str]:
    """What was not analysed, a phrase each."""
    for image in images:
        if image.status == "failed":
            yield f"{image.image}, which failed"
    if others := [f"{one.image} ({one.modality})" for one in images if one.status == "not analysed"]:
        yield f"images other than light microscopy: {', '.join(others)}"
    if stained := [slide.image for slide in slides if not slide.image.is_scored]:
        names = ", ".join(f"{image.image} ({image.marker})" for image in stained)
        yield f"spikes in stains other than silver, which do not show them: {names}"
    for image in images:
        if image.unreadable_windows or image.unreadable_tiles:
            windows, tiles = image.unreadable_windows or 0, image.unreadable_tiles or 0
            lost = f"{windows} windows not searched, {tiles} tiles not scored"
            yield f"parts of {image.image} that could not be read: {lost}"
    if unscored := [str(one.id) for one in glomeruli if one.call is None]:
        yield f"spikes of glomeruli {', '.join(unscored)}, none of whose profiles was scored"


def _warnings(
    images: Sequence[ImageRecord], apart: Sequence[Sequence[str]], slides: Sequence[_Slide]
) -> Iterator[str]:
    """The warnings of a case, a sentence each."""
    for image in images:
        if image.status == "failed":
            yield f"{image.image} failed and is not part of this case: {image.cause}"
    blocks = {slide.image.image: slide.image.block for slide in slides}
    single = {slide.image.image for slide in slides if slide.is_single}
    for block in dict.fromkeys(blocks.values()):
        groups = [group for group in apart if blocks[group[0]] == block]
        sections = [group for group in groups if single.isdisjoint(group)]
        if len(sections) > 1:
            twice = "are counted separately, so a glomerulus may be counted twice"
            yield f"levels that could not be registered {twice}: {_listed(sections)}"
        pictures = [group for group in groups if not single.isdisjoint(group)]
        if pictures and len(groups) > 1:
            each = "are not matched, and each counts as a glomerulus"
            yield f"pictures of a single glomerulus {each}: {_listed(pictures)}"
