"""EfficientNet-Lite (Tan and Le 2019) without its head, with the names that timm gives its layers.

It is written here because timm and what it imports take half a second of every start. Convolutions pad as
TensorFlow does, where the weights learnt from photographs come from.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3  # of batch normalisation
STEM_WIDTH = 32


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
SEEN = (0, 1, 2, 4, 6)  # the stages after which the map is one that a decoder sees: stride 2, 4, 8, 16, 32


class EfficientNetLite0(nn.Module):
    """Images (n, 3, h, w) to their maps of stride 1, 2, 4, 8, 16 and 32, or those that the first stages give.

    Where it is `precise`, bfloat16 does not round the grey levels of images away before they are seen.
    """

    def __init__(self, stages: int = len(STAGES), *, precise: bool = False) -> None:
        super().__init__()
        self.out_channels = (3, *(STAGES[number].width for number in SEEN if number < stages))
        self.model = _Layers(STAGES[:stages], _InFloat32 if precise else _StridedConvolution)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, *self.model(images)]


class _Layers(nn.Module):
    def __init__(self, shapes: Sequence[_Stage], stem: type[nn.Conv2d]) -> None:
        super().__init__()
        self.conv_stem = stem(3, STEM_WIDTH, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_WIDTH, EPSILON)
        stages, inputs = [], STEM_WIDTH
        for stage in shapes:
            made: list[nn.Module] = []
            for number in range(stage.blocks):
                stride = 1 if number else stage.stride
                made.append(
                    _SeparableBlock(inputs, stage.width, stage.kernel, stride)
                    if stage.expansion == 1
                    else _InvertedBlock(inputs, stage.width, stage.kernel, stride, stage.expansion)
                )
                inputs = stage.width
            stages.append(nn.Sequential(*made))
        self.blocks = nn.Sequential(*stages)
        self.apply(_draw)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, seen = _active(self.bn1(self.conv_stem(images))), []
        for number, stage in enumerate(self.blocks):
            maps = stage(maps)
            if number in SEEN:
                seen.append(maps)
        return seen


class _SeparableBlock(nn.Module):
    """A convolution of each channel alone, and one that mixes channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _convolution(inputs, inputs, kernel, stride, groups=inputs)
        self.bn1 = nn.BatchNorm2d(inputs, EPSILON)
        self.conv_pw = _convolution(inputs, outputs, 1)
        self.bn2 = nn.BatchNorm2d(outputs, EPSILON)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.bn2(self.conv_pw(_active(self.bn1(self.conv_dw(maps)))))
        return found + maps if self.adds else found


class _InvertedBlock(nn.Module):
    """More channels, each convolved alone, and fewer channels again."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.conv_pw = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width, EPSILON)
        self.conv_dw = _convolution(width, width, kernel, stride, groups=width)
        self.bn2 = nn.BatchNorm2d(width, EPSILON)
        self.conv_pwl = _convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs, EPSILON)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        wide = _active(self.bn2(self.conv_dw(_active(self.bn1(self.conv_pw(maps))))))
        found: Tensor = self.bn3(self.conv_pwl(wide))
        return found + maps if self.adds else found


class _StridedConvolution(nn.Conv2d):
    """A convolution of stride 2 that pads as TensorFlow does: along axes of even length only at the end.

    There a kernel that begins with a row of zeros is moved over maps that are padded at both ends, which
    gives the same and does not copy them.
    """

    def forward(self, maps: Tensor) -> Tensor:
        rows, columns = (1 - length % 2 for length in maps.shape[2:])
        kernel = functional.pad(self.weight, (columns, 0, rows, 0))
        return functional.conv2d(maps, kernel, self.bias, self.stride, self.padding, groups=self.groups)


class _InFloat32(_StridedConvolution):
    """One that is not computed in bfloat16."""

    def forward(self, maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            return super().forward(maps.float())


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride > 1:
        return _StridedConvolution(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)


def _active(maps: Tensor) -> Tensor:
    return functional.relu6(maps, inplace=True)


def _draw(part: nn.Module) -> None:
    """Weights as the paper's program draws them."""
    if isinstance(part, nn.Conv2d):
        fan_out = part.kernel_size[0] * part.kernel_size[1] * part.out_channels // part.groups
        nn.init.normal_(part.weight, 0, math.sqrt(2 / fan_out))
