"""A feature pyramid (Lin et al. 2017; Kirillov et al. 2019): maps of several strides to one of stride 4.

Layers have the names that segmentation_models_pytorch gives them.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 32


class FeaturePyramid(nn.Module):
    """An encoder's maps, the last four of stride 4, 8, 16 and 32, to one of stride 4 and `width` channels."""

    def __init__(self, channels: Sequence[int], pyramid_channels: int, width: int) -> None:
        super().__init__()
        at_4, at_8, at_16, at_32 = channels[-4:]
        self.p5 = nn.Conv2d(at_32, pyramid_channels, 1)
        self.p4 = _Level(at_16, pyramid_channels)
        self.p3 = _Level(at_8, pyramid_channels)
        self.p2 = _Level(at_4, pyramid_channels)
        self.seg_blocks = nn.ModuleList(
            _Way(pyramid_channels, width, doublings) for doublings in (3, 2, 1, 0)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        at_4, at_8, at_16, at_32 = maps[-4:]
        levels = [self.p5(at_32)]
        for level, beside in ((self.p4, at_16), (self.p3, at_8), (self.p2, at_4)):
            levels.append(level(levels[-1], beside))
        found: Tensor = reduce(
            torch.add, (way(level) for way, level in zip(self.seg_blocks, levels, strict=True))
        )
        return found


class _Level(nn.Module):
    """The coarser level, twice as large, and the encoder's map at this one, added."""

    def __init__(self, channels: int, pyramid_channels: int) -> None:
        super().__init__()
        self.skip_conv = nn.Conv2d(channels, pyramid_channels, 1)

    def forward(self, coarser: Tensor, beside: Tensor) -> Tensor:
        found: Tensor = functional.interpolate(coarser, scale_factor=2.0) + self.skip_conv(beside)
        return found


class _Way(nn.Module):
    """From one level to stride 4: a convolution before each doubling, or a single one."""

    def __init__(self, inputs: int, width: int, doublings: int) -> None:
        super().__init__()
        first = _Step(inputs, width, doubles=doublings > 0)
        self.block = nn.Sequential(first, *(_Step(width, width, doubles=True) for _ in range(1, doublings)))

    def forward(self, level: Tensor) -> Tensor:
        found: Tensor = self.block(level)
        return found


class _Step(nn.Module):
    def __init__(self, inputs: int, width: int, *, doubles: bool) -> None:
        super().__init__()
        self.doubles = doubles
        self.block = nn.Sequential(
            nn.Conv2d(inputs, width, 3, padding=1, bias=False),
            nn.GroupNorm(GROUPS, width),
            nn.ReLU(inplace=True),
        )

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.block(maps)
        if not self.doubles:
            return found
        return functional.interpolate(found, scale_factor=2.0, mode="bilinear", align_corners=True)
