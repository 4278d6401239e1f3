"""Where a detector in training sees glomeruli that are none: places to look at again."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import nn

from glomspike.detect.scan import scan_picture
from glomspike.learn.truth import Picture
from glomspike.networks.weights import Normalisation

LEAST_SCORE = 0.15


class Mistake(NamedTuple):
    """A false circle's centre, in pixels of its picture."""

    picture: Picture
    x_px: float
    y_px: float


def mistakes(
    network: nn.Module, pictures: Sequence[Picture], side_px: int, normalisation: Normalisation
) -> list[Mistake]:
    """False circles on pictures of known scale, on which all glomeruli are annotated.

    Circles that a picture's border cuts do not count: what is there may be a glomerulus that no one outlined.
    """
    found: list[Mistake] = []
    for picture in pictures:
        assert picture.mpp is not None
        height_px, width_px = picture.pixels.shape[:2]
        true = picture.circles_px
        for x, y, radius, score, *_ in scan_picture(
            network, picture.pixels, picture.mpp, side_px, normalisation
        ).tolist():
            is_inside = radius < x < width_px - radius and radius < y < height_px - radius
            is_apart = (np.hypot(true[:, 0] - x, true[:, 1] - y) > true[:, 2]).all()
            if score >= LEAST_SCORE and is_inside and is_apart:
                found.append(Mistake(picture, x, y))
    return found
