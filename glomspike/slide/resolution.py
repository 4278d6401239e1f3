"""How fine a scan must be for spikes to be visible on it."""

from glomspike.findings import Mpp

UNSCORED_ABOVE_MPP = 0.6  # spikes cannot be seen


def coarser(mpp: Mpp) -> float:
    """µm/px along the coarser axis, which decides what can be seen."""
    return max(mpp.x, mpp.y)


def can_be_scored(mpp: Mpp) -> bool:
    """Whether spikes can be seen at all on a slide of this scale."""
    return coarser(mpp) <= UNSCORED_ABOVE_MPP


def why_unscored(mpp: Mpp) -> str:
    """Why nothing is said of spikes on a slide that is too coarse, to follow a colon."""
    limit = f"above {UNSCORED_ABOVE_MPP} µm/px spikes cannot be seen"
    return f"the scan has {coarser(mpp):.2f} µm/px, and {limit}"
