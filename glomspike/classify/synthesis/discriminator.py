"""StyleGAN2's discriminator: pictures to how real they look (Karras et al. 2020, section 4.1: residual)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from glomspike.classify.synthesis.generator import FIRST_PX, channels, sides
from glomspike.classify.synthesis.layers import SQRT2, EqualConv, EqualLinear, activated

GROUP = 4  # pictures that are compared with each other


class Discriminator(nn.Module):
    """Pictures (n, 3, side_px, side_px) to the log-odds (n,) that they are real."""

    def __init__(self, side_px: int, width: int) -> None:
        super().__init__()
        self.begin = EqualConv(3, channels(width, side_px), 1)
        self.blocks = nn.Sequential(
            *(
                _Block(channels(width, large), channels(width, small))
                for large, small in pairwise(reversed(sides(side_px)))
            )
        )
        last = channels(width, FIRST_PX)
        self.compared = EqualConv(last + 1, last, 3)
        self.hidden = EqualLinear(last * FIRST_PX**2, last)
        self.odds = EqualLinear(last, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Log-odds (n,) that pictures (n, 3, h, h) in [-1, 1] are real."""
        x = self.blocks(activated(self.begin(pictures)))
        x = activated(self.compared(torch.cat([x, _spread(x)], dim=1)))
        odds: Tensor = self.odds(activated(self.hidden(x.flatten(1))))
        return odds[:, 0].float()


class _Block(nn.Module):
    """Two convolutions that halve the maps, beside a short cut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualConv(inputs, inputs, 3)
        self.second = EqualConv(inputs, outputs, 3, halving=True)
        self.skip = EqualConv(inputs, outputs, 1, halving=True)

    def forward(self, x: Tensor) -> Tensor:
        both: Tensor = activated(self.second(activated(self.first(x)))) + self.skip(x)
        return both / SQRT2


def _spread(x: Tensor) -> Tensor:
    """How much maps differ within groups of pictures, as one more channel (n, 1, h, w).

    It gives a generator away that always makes the same (Karras et al. 2018, section 3).
    """
    group = GROUP if len(x) % GROUP == 0 else len(x)
    grouped = x.float().reshape(group, -1, *x.shape[1:])
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3), keepdim=True)
    return deviation.repeat(group, 1, *x.shape[2:]).to(x.dtype)
