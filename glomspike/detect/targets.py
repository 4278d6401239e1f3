"""What CircleNet is to answer for a picture with known circles, and how wrong an answer is.

Law and Deng, "CornerNet" (2018), for radius and loss of the centre map; Yang et al., "CircleNet" (2020).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from glomspike.detect.model import STRIDE, Maps
from glomspike.geometry.circles import Circles

LEAST_OVERLAP = 0.7
RADIUS_WEIGHT = 0.1
UNCERTAIN = -1
Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of one picture, at a quarter of its size.

    `centre` (classes, h, w) is 1 at centres of each class and falls off around them; `radius` (h, w) and
    `offset` (2, h, w), in output pixels, hold where `is_centre` (classes, h, w) is 1 for any; places where
    `counts` (h, w) is 0 are not judged.
    """

    centre: Map
    radius: Map
    offset: Map
    is_centre: Map
    counts: Map


def targets_of(
    circles_px: Circles, kinds: NDArray[np.intp], height_px: int, width_px: int, classes: int = 1
) -> Targets:
    """Targets for circles (n, 3) in input pixels, of so many classes; `kinds` (n,) are the circles' classes.

    Those of the class `UNCERTAIN` are neither right nor wrong.
    """
    height, width = height_px // STRIDE, width_px // STRIDE
    centre, is_centre = (np.zeros((classes, height, width), np.float32) for _ in range(2))
    radius, counts = np.zeros((height, width), np.float32), np.ones((height, width), np.float32)
    offset = np.zeros((2, height, width), np.float32)
    rows, columns = np.mgrid[:height, :width]
    for (x, y, r), kind in zip(circles_px / STRIDE, kinds, strict=True):
        if kind == UNCERTAIN:
            counts[np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= r] = 0
            continue
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < width and 0 <= row < height):
            continue
        sigma = (2 * gaussian_radius(r) + 1) / 6
        bump = np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * sigma**2))
        np.maximum(centre[kind], bump.astype(np.float32), out=centre[kind])
        radius[row, column], is_centre[kind, row, column] = r, 1
        offset[:, row, column] = x - column, y - row
    return Targets(centre, radius, offset, is_centre, np.maximum(counts, is_centre.max(axis=0)))


def gaussian_radius(radius: float) -> float:
    """How far a centre may be off for the circle's box to keep an overlap of 0.7, by CornerNet's rule."""
    side = 2 * radius
    # Both corners shifted alike, both inwards, both outwards: the smallest of the three solutions.
    shifted = _root(1, 2 * side, side**2 * (1 - LEAST_OVERLAP) / (1 + LEAST_OVERLAP))
    inwards = _root(4, 4 * side, (1 - LEAST_OVERLAP) * side**2)
    outwards = (np.sqrt(LEAST_OVERLAP**-1) - 1) * side / 2
    return float(max(0.0, min(shifted, inwards, outwards)))


def _root(a: float, b: float, c: float) -> float:
    """The smaller solution of a r² - b r + c = 0."""
    return float((b - np.sqrt(b**2 - 4 * a * c)) / (2 * a))


def circle_loss(maps: Maps, batch: dict[str, Tensor]) -> Tensor:
    """Penalty-reduced focal loss of the centres (α 2, β 4) + 0.1 L1 of the radius + L1 of the offset.

    All classes have one radius and one offset.
    """
    is_centre, objects = batch["is_centre"], batch["is_centre"].sum().clamp(min=1)
    logits = maps.centre.float()
    probability = torch.sigmoid(logits)
    right = functional.logsigmoid(logits) * (1 - probability) ** 2 * is_centre
    near = (1 - batch["centre"]) ** 4
    wrong = functional.logsigmoid(-logits) * probability**2 * near * (1 - is_centre)
    focal = -((right + wrong) * batch["counts"][:, None]).sum() / objects
    of_any = is_centre.amax(dim=1)
    radius = ((maps.radius[:, 0].float() - batch["radius"]).abs() * of_any).sum() / objects
    offset = ((maps.offset.float() - batch["offset"]).abs() * of_any[:, None]).sum() / objects
    return focal + RADIUS_WEIGHT * radius + offset
