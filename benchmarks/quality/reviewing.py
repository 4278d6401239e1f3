"""A pathologist at the review page, played by a script: a slide's results are corrected to its truth.

What is saved is what the page would send, change by change, into the journal beside the results. Used by
`benchmarks.quality.correction_loop`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import shapely

from glomspike.findings import Points
from glomspike.geometry.circles import circle_iou
from glomspike.learn.samples import Sample
from glomspike.learn.truth import TrueGlomerulus, slide_truth
from glomspike.results.findings import Finding
from glomspike.review.changes import NewChange
from glomspike.review.slides import ReviewedSlide

REVIEWER = "a script"
SAME_IOU = 0.5  # a true glomerulus is found by a circle that overlaps it this much
GOOD_DICE = 0.9  # of an outline that the pathologist leaves as it is
Edit = dict[str, Any]


def review(sample: Sample, results: Path) -> None:
    """Goes through all findings of a slide, corrects what is wrong, and draws what was missed."""
    slide = ReviewedSlide(results, results.name, [sample.image])
    slide.begin()
    try:
        assert slide.slide is not None
        truth = slide_truth(sample, slide.slide.facts)
        mpp = slide.slide.facts.mpp.x
        missed = list(truth.glomeruli)
        for finding in slide.found.findings:
            true = _under(finding, missed, mpp)
            if true is not None:
                missed.remove(true)
            for edit in _corrections(finding, true, truth.spike_boxes_px):
                _save(slide, edit)
        for number, true in enumerate(missed):
            for edit in _drawn(number, true, truth.spike_boxes_px, mpp):
                _save(slide, edit)
    finally:
        slide.close()


def _save(slide: ReviewedSlide, edit: Edit) -> None:
    change = {"id": str(uuid4()), "reviewer": REVIEWER, "edit": edit}
    slide.save(NewChange.model_validate(change))


def _under(finding: Finding, truth: Sequence[TrueGlomerulus], mpp: float) -> TrueGlomerulus | None:
    """The true glomerulus that a finding is."""
    circle = np.array([[finding.circle.x0, finding.circle.y0, finding.circle.radius_um / mpp]])

    def overlap(true: TrueGlomerulus) -> float:
        return float(circle_iou(circle, np.array([[true.x_px, true.y_px, true.radius_px]]))[0, 0])

    best = max(truth, key=overlap, default=None)
    return best if best is not None and overlap(best) >= SAME_IOU else None


def _corrections(finding: Finding, true: TrueGlomerulus | None, boxes0: Points) -> Iterator[Edit]:
    """What is changed about a finding; that it is right, where nothing is."""
    key = str(finding.id)
    if true is None:
        yield {"kind": "presence", "glomerulus": key, "is_glomerulus": False}
        return
    if finding.outline0 is None or _dice(finding.outline0, _outline(true)) < GOOD_DICE:
        yield {"kind": "outline", "glomerulus": key, "polygon0": _outline(true).tolist()}
    yield from _judged(key, true, boxes0)


def _drawn(number: int, true: TrueGlomerulus, boxes0: Points, mpp: float) -> Iterator[Edit]:
    """A missed glomerulus, with the circle and with the pen in turn."""
    key = f"drawn-{number:08x}"
    circle = {"x0": true.x_px, "y0": true.y_px, "radius_um": true.radius_px * mpp}
    polygon0 = _outline(true).tolist() if number % 2 else None
    yield {"kind": "drawn", "glomerulus": key, "circle": circle, "polygon0": polygon0}
    yield from _judged(key, true, boxes0)


def _judged(key: str, true: TrueGlomerulus, boxes0: Points) -> Iterator[Edit]:
    called = "spiked" if true.label == "spiked" else "not spiked"
    yield {"kind": "call", "glomerulus": key, "call": called}
    outline = shapely.Polygon(_outline(true)).buffer(0)
    middles0 = boxes0[:, :2] + boxes0[:, 2:] / 2
    inside = boxes0[shapely.contains_xy(outline, *middles0.T)] if len(boxes0) else boxes0
    if len(inside):
        yield {"kind": "boxes", "glomerulus": key, "boxes0": inside.tolist()}


def _outline(true: TrueGlomerulus) -> Points:
    assert true.outline_px is not None  # phantoms' truth has outlines
    return true.outline_px


def _dice(first: Points, second: Points) -> float:
    one, other = (shapely.Polygon(points).buffer(0) for points in (first, second))
    return float(2 * one.intersection(other).area / (one.area + other.area))
