"""Outlines as masks: which pixels of a picture lie inside."""

import cv2
import numpy as np

from glomspike.findings import Mask, Outline
from glomspike.slide.frames import FieldFrame

_FRACTION_BITS = 4  # OpenCV takes vertices in sixteenths of a pixel


def inside_outline(outline: Outline, frame: FieldFrame, shape: tuple[int, int]) -> Mask:
    """True inside an outline, for a picture of `shape` (height, width) that lies at `frame`."""
    # OpenCV counts from the middle of the first pixel, frames from its edge.
    vertices_px = frame.from_level0(outline.polygon0) - 0.5
    fixed = np.round(vertices_px * (1 << _FRACTION_BITS)).astype(np.int32)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [fixed], (1,), lineType=cv2.LINE_8, shift=_FRACTION_BITS)
    return mask.astype(np.bool_)
