"""Whether what was found on a slide looks like a kidney's glomeruli, by the detector's evidence."""

from collections.abc import Sequence

from glomspike.findings import Circle

# Times the detector's threshold: on a kidney one glomerulus at least scores so high. All 71 pictures of its
# validation patients have one at 1.57 or more.
SURE = 1.4
LEAST_TISSUE_MM2 = 0.5  # in which one may be expected


def perhaps_no_kidney(circles: Sequence[Circle], threshold: float, tissue_mm2: float) -> bool:
    """Whether none of the detections on that much tissue reaches a multiple of the detector's threshold.

    A kidney's medulla looks the same to it, having no glomeruli.
    """
    surest = max((circle.score for circle in circles), default=0.0)
    return tissue_mm2 >= LEAST_TISSUE_MM2 and surest < SURE * threshold
