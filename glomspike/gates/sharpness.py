"""How sharp a glomerulus is: how strong its finest edges are beside its coarser ones."""

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Outline
from glomspike.geometry.raster import inside_outline
from glomspike.slide.field import Field

FINE_UM = (0.25, 0.5)  # standard deviations between whose blurs the finest edges lie
COARSE_UM = (1.0, 2.0)
EDGES = 95  # percentile of contrast inside the outline: edges, not noise
LEAST_EDGE = 0.01  # of optical density, so that a ratio means something
OUT_OF_FOCUS = 0.3  # below: more blurred than what the classifier was taught (`benchmarks/quality/gates.py`)

Density = NDArray[np.float32]


def sharpness(field: Field, outline: Outline) -> float | None:
    """The contrast of the finest edges over that of coarser ones in a glomerulus; None where none are seen.

    Edges of 0.25 to 0.5 µm beside those of 1 to 2 µm, in optical density, so that neither stain nor lamp
    matters much. Membranes in focus have at least a quarter; blur takes the finest away first.
    """
    inside = inside_outline(outline, field.frame, field.pixels.shape[:2]) & field.readable
    if not inside.any():
        return None
    grey = cv2.cvtColor(field.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    density = -np.log10((grey + 1) / 256)
    fine, coarse = (_contrast(density, *limits, field.mpp, inside) for limits in (FINE_UM, COARSE_UM))
    return fine / coarse if coarse >= LEAST_EDGE else None


def _contrast(
    density: Density, finer_um: float, coarser_um: float, mpp: float, inside: NDArray[np.bool_]
) -> float:
    """How far the density differs between two blurs at its edges."""
    finer, coarser = (cv2.GaussianBlur(density, (0, 0), um / mpp) for um in (finer_um, coarser_um))
    return float(np.percentile(np.abs(finer - coarser)[inside], EDGES))
