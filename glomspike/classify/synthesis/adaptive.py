"""Adaptive discriminator augmentation: the more is learnt by heart, the more is changed.

Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020): pixels moved without
interpolation, then colours, each change made with probability p (appendix B, without resampling and cutout).
Gradients flow through all of it to the generator.
"""

from math import pi

import torch
from torch import Tensor

TARGET = 0.6  # section 3: the share by which D is right about real pictures more often than wrong, r_t
MOST = 0.8  # section 2.2: above, the generator begins to make changed pictures
SHIFT = 0.125  # of the side
_GREY = torch.full((3,), 3**-0.5)


def adapted(p: float, r_t: float, step: float) -> float:
    """The next probability, a step away, given the mean sign of D over real pictures since p was last set."""
    return min(MOST, max(0.0, p + (step if r_t > TARGET else -step)))


def augmented(pictures: Tensor, p: float) -> Tensor:
    """The pictures (n, 3, h, h), each changed at random by torch's generator; at p = 0 as they are."""
    return recoloured(moved(pictures, p), p) if p > 0 else pictures


def moved(pictures: Tensor, p: float) -> Tensor:
    """The pictures (n, 3, h, h) mirrored, turned by quarters, shifted by whole pixels, each with chance p."""
    count, side = len(pictures), pictures.shape[2]
    mirror = _drawn(count, p) * torch.randint(2, (count,))
    quarters = _drawn(count, p) * torch.randint(4, (count,))
    most = round(side * SHIFT)
    shift = _drawn(count, p) * torch.randint(-most, most + 1, (2, count))
    # Counted from the middle in half pixels, a turn is a swap and a sign.
    line = torch.arange(side) * 2 - (side - 1)
    y, x = (axis.expand(count, side, side) for axis in torch.meshgrid(line, line, indexing="ij"))
    x = torch.where(mirror[:, None, None] > 0, -x, x)
    for turn in range(1, 4):
        turns = (quarters >= turn)[:, None, None]
        x, y = torch.where(turns, -y, x), torch.where(turns, x, y)
    column = _reflected((x + side - 1) // 2 + shift[0, :, None, None], side)
    row = _reflected((y + side - 1) // 2 + shift[1, :, None, None], side)
    places = (row * side + column).reshape(count, 1, -1).expand(-1, pictures.shape[1], -1)
    return pictures.flatten(2).gather(2, places.to(pictures.device)).reshape(pictures.shape)


def recoloured(pictures: Tensor, p: float) -> Tensor:
    """The pictures (n, 3, h, h) in other brightness, contrast, hue and saturation, each with chance p."""
    count = len(pictures)
    brightness = _drawn(count, p) * torch.randn(count) * 0.2
    contrast = torch.exp2(_drawn(count, p) * torch.randn(count) * 0.5)
    hue = _drawn(count, p) * (torch.rand(count) * 2 - 1) * pi
    saturation = torch.exp2(_drawn(count, p) * torch.randn(count))
    along = torch.outer(_GREY, _GREY)
    across = torch.eye(3) - along
    around = torch.linalg.cross(_GREY.expand(3, 3), torch.eye(3)).T
    turned = hue.cos()[:, None, None] * across + hue.sin()[:, None, None] * around
    matrix = contrast[:, None, None] * (along + saturation[:, None, None] * turned)
    changed = torch.bmm(matrix.to(pictures.device), pictures.flatten(2))
    return (changed + brightness.to(pictures.device)[:, None, None]).reshape(pictures.shape)


def _drawn(count: int, p: float) -> Tensor:
    """Which of the pictures are changed, 0 or 1, (n,)."""
    return (torch.rand(count) < p).long()


def _reflected(places: Tensor, side: int) -> Tensor:
    """Places beyond the border mirrored back into 0 to side - 1."""
    places = places.remainder(2 * side - 2)
    return torch.minimum(places, 2 * side - 2 - places)
