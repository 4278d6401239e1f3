"""The disease of a case, from the glomeruli of its slides, its fluorescence and electron micrographs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glomspike.cases.table import Case, CaseImage
from glomspike.disease.bags import Patient, by_modality, without_unscored
from glomspike.disease.evidence import ScoredGlomerulus, spike_evidence
from glomspike.disease.form import Form
from glomspike.disease.infer import Judgement, judge_case, no_judgement
from glomspike.disease.prepare import (
    Instance,
    fluorescence_square,
    glomerulus_square,
    micrograph_square,
)
from glomspike.errors import SlideError
from glomspike.findings import NON_GLOMERULAR, RGB, SCLEROSED, SlideRow
from glomspike.geometry.circles import circle_polygon
from glomspike.modalities import SILVER
from glomspike.networks.models import Model
from glomspike.report.colours import jet
from glomspike.report.portrait import encode_jpeg
from glomspike.results.disease_record import PICTURES, DiseaseImage, DiseaseRecord
from glomspike.results.findings import Finding, read_findings
from glomspike.slide.field import read_field
from glomspike.slide.reader import open_slide, read_picture

SPIKIEST, OTHERS = 4, 4  # glomeruli of a case that are looked at: of highest spike probability, and any
UNSCORED = "light microscopy counts only by its spikes, and no glomerulus in silver has a spike probability"
OPACITY = 0.45
QUALITY = 85


@dataclass(frozen=True, eq=False)
class CaseDisease:
    """The disease part of a case: its record, its pictures by name, the images that failed with the cause."""

    record: DiseaseRecord
    pictures: Mapping[str, bytes]
    failed: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _Profile:
    """A glomerulus on a slide whose results lie in OUT."""

    image: CaseImage
    finding: Finding

    @property
    def probability(self) -> float:
        """The spike probability, -1 where it was not scored."""
        scored = self.image.is_scored and self.finding.probability is not None
        return self.finding.probability or 0.0 if scored else -1.0


def disease_of(case: Case, rows: Mapping[str, SlideRow], out: Path, model: Model) -> CaseDisease:
    """What a disease model says of a case, whose slides are done; `rows` say what became of each.

    An image that cannot be read is missing, and the others are judged.
    """
    form = Form.of(model.card.arguments)
    profiles = list(_profiles(case, rows, out))
    instances, failed = list(_glomeruli(case, profiles, form)), {}
    for image in case.images:
        if image.modality == "om":
            continue
        try:
            instances.append(_square(image, form))
        except SlideError as error:
            failed[image.image] = f"{error.cause}; {error.cure}"
    evidence = spike_evidence(list(_scored(profiles))) if model.card.arguments["spikes"] else None
    whole = Patient(case.name, by_modality(instances), evidence=evidence)
    patient = without_unscored(whole, form)
    judged = judge_case(model, patient) if patient.modalities else no_judgement(model.card)
    images, pictures = _pictured(judged)
    warnings = judged.record.warnings
    if patient.modalities != whole.modalities:
        warnings += (UNSCORED,)
    record = judged.record.model_copy(update={"images": images, "warnings": warnings})
    return CaseDisease(record, pictures, failed)


def _profiles(case: Case, rows: Mapping[str, SlideRow], out: Path) -> Iterator[_Profile]:
    for image in case.images:
        row = rows.get(image.image)
        if image.modality == "om" and row is not None and row.folder is not None:
            for finding in read_findings(out / row.folder).findings:
                if finding.lesion is None or finding.lesion.name != NON_GLOMERULAR:
                    yield _Profile(image, finding)


def _scored(profiles: Sequence[_Profile]) -> Iterator[ScoredGlomerulus]:
    for one in profiles:
        finding = one.finding
        if one.image.marker == SILVER and finding.probability is not None:
            scar = None if finding.lesion is None else finding.lesion.name in SCLEROSED
            yield ScoredGlomerulus(
                finding.probability, finding.call == "spiked", finding.spike_fraction or 0.0, scar
            )


def _glomeruli(case: Case, profiles: Sequence[_Profile], form: Form) -> Iterator[Instance]:
    """The glomeruli of a case that the network sees: the spikiest, and some that chance chooses."""
    ranked = sorted(profiles, key=lambda one: -one.probability)
    first, rest = ranked[:SPIKIEST], ranked[SPIKIEST:]
    rng = np.random.default_rng(list(case.name.encode()))
    first += [rest[n] for n in rng.permutation(len(rest))[:OTHERS]]
    for image in dict.fromkeys(one.image for one in first):
        with open_slide(image.path, image.mpp) as slide:
            for one in first:
                if one.image is not image:
                    continue
                mpp, side_px = form.mpps["om"], form.sides_px["om"]
                circle, scale = one.finding.circle, slide.facts.mpp
                corner0 = np.array([circle.x0, circle.y0]) - side_px * mpp / 2 / np.array([scale.x, scale.y])
                read = read_field(slide, corner0[0], corner0[1], side_px, side_px, mpp)
                outline0 = one.finding.outline0
                if outline0 is None:
                    outline0 = circle_polygon(circle.x0, circle.y0, circle.radius_um / scale.mean, 64)
                outline_px, middle = read.frame.from_level0(outline0), (side_px / 2, side_px / 2)
                name = f"{image.image} {one.finding.id}"
                yield glomerulus_square(name, image.marker, read.pixels, outline_px, middle, side_px)


def _square(image: CaseImage, form: Form) -> Instance:
    side_px, mpp = form.sides_px[image.modality], form.mpps[image.modality]
    scale = None if image.mpp is None else image.mpp / mpp
    pixels = read_picture(image.path)
    if image.modality == "tem":
        return micrograph_square(image.image, pixels, scale, side_px)
    return fluorescence_square(image.image, image.marker or None, pixels, scale, side_px)


def _pictured(judged: Judgement) -> tuple[tuple[DiseaseImage, ...], dict[str, bytes]]:
    """The images of a judgement with the names of their pictures, and these."""
    images, pictures = [], {}
    micrographs = 0
    for number, (image, shown) in enumerate(zip(judged.record.images, judged.shown, strict=True), start=1):
        name = f"{PICTURES}/{image.modality}-{number:02d}.jpg"
        pictures[name] = encode_jpeg(_in_colour(shown), QUALITY)
        heat = None
        if image.modality == "tem":
            if len(judged.heats):
                heat = f"{PICTURES}/tem-{number:02d}-heat.jpg"
                pictures[heat] = encode_jpeg(_heated(shown.rgb, judged.heats[micrographs]), QUALITY)
            micrographs += 1
        images.append(image.model_copy(update={"picture": name, "heat": heat}))
    return tuple(images), pictures


def _in_colour(shown: Instance) -> RGB:
    """Fluorescence in green, as it is looked at; all else as it is."""
    if shown.modality != "if":
        return shown.rgb
    green = np.zeros_like(shown.rgb)
    green[..., 1] = shown.pixels
    return green


def _heated(pixels: RGB, heat: np.ndarray) -> RGB:
    share = (OPACITY * heat)[..., None]
    return np.asarray(pixels * (1 - share) + jet(heat) * share, dtype=np.uint8)
