"""Where a detector in training sees glomeruli that are none: places to look at again."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import nn

from glomspike.detect.scan import scan_picture
from glomspike.learn.truth import Picture, resized
from glomspike.networks.weights import Normalisation

LEAST_SCORE = 0.15


class Mistake(NamedTuple):
    """A false circle's centre, in pixels of its picture."""

    picture: Picture
    x_px: float
    y_px: float


def mistakes(
    network: nn.Module,
    pictures: Sequence[Picture],
    side_px: int,
    normalisation: Normalisation,
    finer: int = 1,
) -> list[Mistake]:
    """False circles on pictures of known scale, on which all glomeruli are annotated.

    The pictures have so many times `finer` pixels than the detector sees.

    Circles that a picture's border cuts do not count: what is there may be a glomerulus that no one outlined.
    """
    found: list[Mistake] = []
    for picture in pictures:
        assert picture.mpp is not None
        height_px, width_px = picture.pixels.shape[:2]
        true = picture.circles_px
        scanned_px = scan_picture(
            network, resized(picture.pixels, 1 / finer), picture.mpp * finer, side_px, normalisation
        )
        scanned_px[:, :3] *= finer
        for x, y, radius, score, *_ in scanned_px.tolist():
            is_inside = radius < x < width_px - radius and radius < y < height_px - radius
            is_apart = (np.hypot(true[:, 0] - x, true[:, 1] - y) > true[:, 2]).all()
            if score >= LEAST_SCORE and is_inside and is_apart:
                found.append(Mistake(picture, x, y))
    return found
