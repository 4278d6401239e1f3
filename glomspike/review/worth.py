"""Which glomeruli of a slide are most worth a look, and why: those that the models are least sure of.

Each doubt is a number in [0, 1]; the greatest is what a glomerulus is ranked by, and the reason shown.
"""

import math
from dataclasses import dataclass

import numpy as np
import shapely

from glomspike.findings import NON_GLOMERULAR, SCLEROSED, SlideFacts
from glomspike.results.findings import Finding

FILLED = 0.8  # of the circle by its outline (IoU), from which the two agree
FILLED_SPAN = 0.35
CERTAIN_SCORE = 0.45  # detection score from which a glomerulus is hardly a false one
SCORE_SPAN = 0.25  # below it, down to the score at which the detector reports nothing
CALL_SPAN = 0.35  # of a probability from the threshold, beyond which a call is hardly in doubt


@dataclass(frozen=True)
class Worth:
    """How much a look at a glomerulus is worth, in [0, 1], and why in a few words."""

    value: float
    reason: str


def worth_of(finding: Finding, slide: SlideFacts, threshold: float) -> Worth:
    """The greatest doubt about a glomerulus."""
    doubts = (
        Worth(_call_doubt(finding, threshold), _call_reason(finding)),
        Worth(_shape_doubt(finding, slide), "outline doubtful"),
        Worth(_presence_doubt(finding), _presence_reason(finding)),
        Worth(_sclerosis_doubt(finding), "sclerosed or not"),
        Worth(0.2 if finding.touches_edge else 0.0, "cut by the edge"),
    )
    greatest = max(doubts, key=lambda doubt: doubt.value)
    return greatest if greatest.value > 0 else Worth(0.0, "")


def _call_doubt(finding: Finding, threshold: float) -> float:
    """1 where the call is uncertain or the probability at the threshold, falling with its distance."""
    if finding.call == "uncertain":
        return 1.0
    if finding.probability is None:
        return 0.0
    return max(0.0, 1 - abs(finding.probability - threshold) / CALL_SPAN)


def _call_reason(finding: Finding) -> str:
    return "call uncertain" if finding.call == "uncertain" else "close to the cut-off"


def _shape_doubt(finding: Finding, slide: SlideFacts) -> float:
    """How far the outline is from filling its circle."""
    if finding.outline0 is None:
        return 0.0
    scale = np.array([slide.mpp.x, slide.mpp.y])
    outline = shapely.make_valid(shapely.Polygon(finding.outline0 * scale))
    circle = finding.circle
    disc = shapely.Point(circle.x0 * slide.mpp.x, circle.y0 * slide.mpp.y).buffer(circle.radius_um)
    filled = outline.intersection(disc).area / outline.union(disc).area
    if not math.isfinite(filled):
        return 1.0
    return min(1.0, max(0.0, (FILLED - filled) / FILLED_SPAN))


def _presence_doubt(finding: Finding) -> float:
    """Low scores may be no glomeruli; what was taken for none may be one."""
    lesion = finding.lesion
    if lesion is not None and lesion.name == NON_GLOMERULAR:
        return 1 - 0.5 * max(0.0, 2 * lesion.probabilities.get(NON_GLOMERULAR, 0.5) - 1)
    return min(1.0, max(0.0, (CERTAIN_SCORE - finding.circle.score) / SCORE_SPAN))


def _presence_reason(finding: Finding) -> str:
    taken_for_none = finding.lesion is not None and finding.lesion.name == NON_GLOMERULAR
    return "classified as non-glomerular" if taken_for_none else "perhaps no glomerulus"


def _sclerosis_doubt(finding: Finding) -> float:
    """1 where it is as likely sclerosed as not."""
    if finding.lesion is None or not finding.lesion.probabilities:
        return 0.0
    sclerosed = sum(p for name, p in finding.lesion.probabilities.items() if name in SCLEROSED)
    return max(0.0, 1 - abs(2 * sclerosed - 1) * 1.25)
