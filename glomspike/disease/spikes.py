"""Spike evidence of a table's patients: the installed classifier on the outlined glomeruli."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glomspike.classify.kind import call_rule
from glomspike.classify.resolution import field_mpp
from glomspike.classify.stage import SpikeStage
from glomspike.disease.evidence import ScoredGlomerulus, spike_evidence
from glomspike.findings import NON_GLOMERULAR, SCLEROSED, Circle, Classification, Outline
from glomspike.geometry.circles import circle_polygon
from glomspike.learn.evaluation import Progress, unseen
from glomspike.learn.samples import Sample
from glomspike.learn.truth import slide_truth
from glomspike.lesions.stage import LesionStage
from glomspike.modalities import SILVER
from glomspike.networks.models import Models
from glomspike.networks.stage import Candidate
from glomspike.segment.ahead import field_around
from glomspike.segment.crop import whole_circle
from glomspike.slide.reader import Slide, open_slide

CORNERS = 64


def spike_evidences(
    models: Models, samples: Sequence[Sample], progress: Progress = unseen
) -> dict[str, NDArray[np.float32]]:
    """The numbers EVIDENCE (6,) of each patient with glomeruli in silver of known scale."""
    scored: dict[str, list[ScoredGlomerulus]] = {}
    silver = [one for one in samples if one.modality == "om" and one.marker in (None, SILVER) and one.mpp]
    for done, sample in enumerate(silver):
        progress(done, len(silver))
        scored.setdefault(sample.patient, []).extend(_scored(sample, models))
    progress(len(silver), len(silver))
    found = {patient: spike_evidence(glomeruli) for patient, glomeruli in scored.items()}
    return {patient: numbers for patient, numbers in found.items() if numbers is not None}


def _scored(sample: Sample, models: Models) -> list[ScoredGlomerulus]:
    classifier = models["classifier"]
    rule = call_rule(classifier.card, None)
    with open_slide(sample.image, sample.mpp) as slide:
        mpp = field_mpp(slide.facts.mpp, classifier.card.mpp)
        outlines = _outlines(sample, slide)
        candidates = [
            Candidate(number, circle, outline, field_around(slide, outline, mpp))
            for number, (circle, outline) in enumerate(outlines, start=1)
        ]
        scores = SpikeStage(classifier, slide.facts.mpp, rule).apply(candidates, [])
        lesions: Sequence[Classification | None] = [None] * len(candidates)
        if "lesions" in models and candidates:
            stage = LesionStage(models["lesions"])
            lesions = stage.apply(candidates, [stage.region(slide, one.circle) for one in candidates])
    return [
        ScoredGlomerulus(
            score.score.probability,
            score.score.call == "spiked",
            score.score.fraction,
            None if lesion is None else lesion.name in SCLEROSED,
        )
        for score, lesion in zip(scores, lesions, strict=True)
        if score is not None and score.score.tiles and (lesion is None or lesion.name != NON_GLOMERULAR)
    ]


def _outlines(sample: Sample, slide: Slide) -> list[tuple[Circle, Outline]]:
    """The glomeruli that a row outlines; all of a picture where it outlines none."""
    mpp = slide.facts.mpp
    found = []
    for one in slide_truth(sample, slide.facts).glomeruli:
        polygon0 = one.outline_px
        if polygon0 is None:
            polygon0 = circle_polygon(one.x_px, one.y_px, one.radius_px, CORNERS)
        circle = Circle(one.x_px, one.y_px, one.radius_px * mpp.mean, 1.0)
        found.append((circle, Outline(polygon0, 0.0, False)))
    if found or sample.mask is not None or sample.xml is not None:
        return found
    circle = whole_circle(slide.facts)
    polygon0 = circle_polygon(circle.x0, circle.y0, circle.radius_um / mpp.mean, CORNERS)
    return [(circle, Outline(polygon0, 0.0, False, is_circle=True))]
