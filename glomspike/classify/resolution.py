"""Which µm/px glomeruli are scored for spikes at, and where a scan is too coarse for that."""

import math

from glomspike.findings import Mpp
from glomspike.slide.resolution import can_be_scored, coarser, why_unscored

WARN_ABOVE_MPP = 0.3  # scored, but spikes are hardly resolved
AS_GOOD = 0.03  # by how much a scale may differ from the classifier's, which learnt from far more


def field_mpp(slide_mpp: Mpp, classifier_mpp: float) -> float:
    """µm/px of the fields read around glomeruli.

    The slide's where that is as good as the classifier's, since resampling blurs; its coarser axis's where
    nothing can be scored.
    """
    if not can_be_scored(slide_mpp):
        return coarser(slide_mpp)
    is_as_good = slide_mpp.x == slide_mpp.y and math.isclose(slide_mpp.x, classifier_mpp, rel_tol=AS_GOOD)
    return slide_mpp.x if is_as_good else classifier_mpp


def resolution_warning(slide_mpp: Mpp, classifier_mpp: float) -> str | None:
    """What to say of a scan that is too coarse for spikes, or nearly; None where it is fine enough."""
    if not can_be_scored(slide_mpp):
        return f"nothing was scored for spikes: {why_unscored(slide_mpp)}"
    if coarser(slide_mpp) > WARN_ABOVE_MPP:
        return (
            f"spike probabilities are unreliable: the scan has {coarser(slide_mpp):.2f} µm/px, and the "
            f"classifier was trained at {classifier_mpp:g} µm/px"
        )
    return None
