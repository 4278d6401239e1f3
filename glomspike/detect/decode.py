"""From CircleNet's maps to scored circles."""

import torch
from torch import Tensor
from torch.nn import functional

from glomspike.detect.model import STRIDE, Maps

# More glomeruli than this have no room in one window.
MOST_CIRCLES = 100


def decode(maps: Maps) -> Tensor:
    """Circles (n, k, 4) of each picture, best first: x, y, radius in input pixels, score in [0, 1].

    A circle stands wherever the centre map of a class has a local maximum (3 x 3). Where there are several
    classes, (n, k, 4 + classes): what each class says of that place, as shares that add up to 1.
    """
    probability = torch.sigmoid(maps.centre.float())
    peaks = probability * (functional.max_pool2d(probability, 3, stride=1, padding=1) == probability)
    height, width = peaks.shape[2:]
    scores, found = peaks.flatten(1).topk(min(MOST_CIRCLES, height * width))
    places = found % (height * width)
    rows, columns = places // width, places % width

    def at(values: Tensor) -> Tensor:
        return values.float().flatten(1).gather(1, places)

    x = (columns + at(maps.offset[:, 0])) * STRIDE
    y = (rows + at(maps.offset[:, 1])) * STRIDE
    radius = at(maps.radius[:, 0]).clamp(min=0) * STRIDE
    circles = [x, y, radius, scores]
    if (classes := probability.shape[1]) > 1:
        each = torch.stack([at(probability[:, kind]) for kind in range(classes)])
        circles += list(each / each.sum(dim=0))
    return torch.stack(circles, dim=2)
