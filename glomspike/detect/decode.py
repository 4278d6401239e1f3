"""From CircleNet's maps to scored circles."""

import torch
from torch import Tensor
from torch.nn import functional

from glomspike.detect.model import STRIDE, Maps

# More glomeruli than this have no room in one window.
MOST_CIRCLES = 100


def decode(maps: Maps) -> Tensor:
    """Circles (n, k, 4) of each picture, best first: x, y, radius in input pixels, score in [0, 1].

    A circle stands wherever the centre map has a local maximum (3 x 3).
    """
    probability = torch.sigmoid(maps.centre.float())
    peaks = probability * (functional.max_pool2d(probability, 3, stride=1, padding=1) == probability)
    height, width = peaks.shape[2:]
    scores, places = peaks.flatten(1).topk(min(MOST_CIRCLES, height * width))
    rows, columns = places // width, places % width

    def at(values: Tensor) -> Tensor:
        return values.float().flatten(1).gather(1, places)

    x = (columns + at(maps.offset[:, 0])) * STRIDE
    y = (rows + at(maps.offset[:, 1])) * STRIDE
    radius = at(maps.radius[:, 0]).clamp(min=0) * STRIDE
    return torch.stack([x, y, radius, scores], dim=2)
