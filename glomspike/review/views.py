"""What the page is sent about a slide: plain data for JSON, positions in level-0 pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from glomspike.results.findings import Finding
from glomspike.review.informative import informative_order
from glomspike.review.slides import ReviewedSlide
from glomspike.review.state import ReviewedGlomerulus, labels
from glomspike.review.summary import ReviewCounts, agreements
from glomspike.review.tiles import TILE_PX

Json = dict[str, Any]


def slide_line(slide: ReviewedSlide, number: int, reviewer: str) -> Json:
    """A slide in the list of slides."""
    counts = ReviewCounts.of(slide.state(reviewer))
    return {"number": number, "name": slide.name, "slide": slide.found.slide.name} | counts_view(counts)


def slide_view(slide: ReviewedSlide, reviewer: str) -> Json:
    """All that the page needs to show a slide and a reviewer's state of it."""
    facts = slide.found.slide
    return {
        "name": slide.name,
        "file": facts.name,
        "mpp": [facts.mpp.x, facts.mpp.y],
        "bounds": [facts.bounds_x0, facts.bounds_y0, facts.bounds_width0, facts.bounds_height0],
        "tiles": None if slide.slide is None else {"mpps": slide.pyramid.mpps, "side": TILE_PX},
        "size_um": [slide.pyramid.width_um, slide.pyramid.height_um],
        "threshold": slide.found.threshold,
        "read_only": "" if slide.read_only is None else str(slide.read_only),
        "warnings": list(slide.found.record.warnings),
    } | state_view(slide, reviewer)


def state_view(slide: ReviewedSlide, reviewer: str, before: Sequence[Json] = ()) -> Json:
    """A reviewer's state of a slide: the glomeruli that are not as `before`, and what can be undone."""
    rows = glomeruli_view(slide, reviewer)
    known = {row["key"]: row for row in before}
    past = slide.history(reviewer)
    counts = ReviewCounts.of(slide.state(reviewer))
    return {
        "glomeruli": [row for row in rows if known.get(row["key"]) != row],
        "gone": [key for key in known if key not in {row["key"] for row in rows}],
        "undo": len(past.done),
        "redo": len(past.undone),
        "counts": counts_view(counts),
        # Until a reviewer is through, it would say what others call.
        "agreement": _agreement(slide) if counts.is_complete else [],
    }


def glomeruli_view(slide: ReviewedSlide, reviewer: str) -> list[Json]:
    """The glomeruli as a reviewer sees them."""
    state = slide.state(reviewer)
    named = labels(state)
    return [_glomerulus(one, slide, named[one.key]) for one in state]


def informative_view(slides: Sequence[ReviewedSlide], reviewer: str) -> list[Json]:
    """The glomeruli of all slides, those first whose correction teaches most; reviewed ones come last.

    Each is as in `glomeruli_view` without its outline, with the number of its slide, and its reason.
    """
    found = [
        (number, slide, one)
        for number, slide in enumerate(slides)
        for one in slide.state(reviewer)
        if one.finding is not None
    ]
    worth = [slide.worth[int(one.key)] for _, slide, one in found]
    reviewed = np.array([one.reviewed for _, _, one in found], dtype=np.bool_)
    features = np.array([slide.features[int(one.key)] for _, slide, one in found])
    order = informative_order(np.array([doubt.value for doubt in worth]), features, reviewed)
    rows = []
    for place in (*order, *np.flatnonzero(reviewed).tolist()):
        number, slide, one = found[place]
        row = _glomerulus(one, slide, one.key)
        if not worth[place].reason:
            row["run"]["reason"] = "typical of many"
        rows.append(row | {"slide": number, "outline0": None, "boxes0": ()})
    return rows


def _glomerulus(one: ReviewedGlomerulus, slide: ReviewedSlide, label: str) -> Json:
    outline0 = None if one.outline0 is None else one.outline0.round(2).tolist()
    return {
        "key": one.key,
        "label": label,
        "circle": one.circle.model_dump(),
        "outline0": outline0,
        "call": one.call,
        "called": one.called,
        "sclerosed": one.sclerosed,
        "is_glomerulus": one.is_glomerulus,
        "boxes0": one.boxes0,
        "note": one.note,
        "reviewed": one.reviewed,
        "changed": one.is_changed,
        "redrawn": one.redrawn,
        "run": None if one.finding is None else _run(one.finding, slide),
    }


def _run(finding: Finding, slide: ReviewedSlide) -> Json:
    """What the run says of a glomerulus."""
    worth = slide.worth[finding.id]
    return {
        "number": finding.id,
        "probability": finding.probability,
        "call": finding.call,
        "spike_fraction": finding.spike_fraction,
        "area_um2": finding.area_um2,
        "lesion": None if finding.lesion is None else finding.lesion.name,
        "top_tiles": [[tile.x0, tile.y0, tile.probability] for tile in finding.top_tiles],
        "worth": worth.value,
        "reason": worth.reason,
        "pictured": slide.is_pictured(finding.id),
    }


def counts_view(counts: ReviewCounts) -> Json:
    """Counts, and how they read."""
    return counts.model_dump() | {"sentence": counts.sentence}


def _agreement(slide: ReviewedSlide) -> list[str]:
    """How far every two reviewers agree, in words."""
    states = {name: slide.state(name) for name in slide.reviewers}
    return [
        f"{one.reviewers[0]} and {one.reviewers[1]} call {one.same} of {one.glomeruli} alike"
        + ("" if one.kappa is None else f" (Cohen's κ {one.kappa:.2f})")
        for one in agreements(states)
    ]
