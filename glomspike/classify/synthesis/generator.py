"""StyleGAN2's generator: random numbers to pictures.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), with skip connections
(section 4.1), and without mixed styles and path length regularisation, which the same authors leave out for
small pictures. Written here, for the reasons of ADR 19.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.classify.synthesis.layers import EqualLinear, activated, doubled

FIRST_PX = 4
MAPPING_LAYERS = 4
MAPPING_SPEED = 0.01
WIDEST_PX = 32  # up to this side, maps have as many channels as the network is wide


def sides(side_px: int) -> list[int]:
    """The sides of a network's maps, from the smallest to that of the picture, a power of two."""
    return [FIRST_PX << level for level in range((side_px // FIRST_PX).bit_length())]


def channels(width: int, side_px: int) -> int:
    """How many channels maps of a side have in a network of a width."""
    return min(width, max(1, width * WIDEST_PX // side_px))


class Generator(nn.Module):
    """Standard normal numbers (n, width) to pictures (n, 3, side_px, side_px), from -1 (black) to 1."""

    def __init__(self, side_px: int, width: int) -> None:
        super().__init__()
        self.mapping = nn.ModuleList(
            EqualLinear(width, width, speed=MAPPING_SPEED) for _ in range(MAPPING_LAYERS)
        )
        self.first = nn.Parameter(torch.randn(1, channels(width, FIRST_PX), FIRST_PX, FIRST_PX))
        self.begin = _Block(channels(width, FIRST_PX), channels(width, FIRST_PX), width, convolutions=1)
        self.blocks = nn.ModuleList(
            _Block(channels(width, small), channels(width, large), width, convolutions=2)
            for small, large in pairwise(sides(side_px))
        )
        self.width = width

    def forward(self, z: Tensor) -> Tensor:
        """Pictures (n, 3, h, h), about in [-1, 1], of normally distributed codes (n, codes)."""
        style = functional.normalize(z) * z.shape[1] ** 0.5
        for layer in self.mapping:
            style = activated(layer(style))
        picture: Tensor
        x, picture = self.begin(self.first.expand(len(z), -1, -1, -1), style)
        for block in self.blocks:
            x, added = block(doubled(x), style)
            picture = doubled(picture) + added
        return picture


class _Block(nn.Module):
    """All that happens at one size: maps and styles to maps, and what they add to the picture."""

    def __init__(self, inputs: int, outputs: int, style: int, convolutions: int) -> None:
        super().__init__()
        ends = [inputs, *[outputs] * convolutions]
        self.layers = nn.ModuleList(_StyledConv(one, other, style) for one, other in pairwise(ends))
        self.colours = ModulatedConv(outputs, 3, 1, style, demodulate=False)
        self.colours_bias = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.layers:
            x = layer(x, style)
        return x, self.colours(x, style).float() + self.colours_bias


class _StyledConv(nn.Module):
    """A modulated convolution, then noise, bias and activation."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv(inputs, outputs, 3, style, demodulate=True)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = self.convolution(x, style)
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)
        return activated(x + noise * self.noise_strength.to(x.dtype) + self.bias.to(x.dtype))


class ModulatedConv(nn.Module):
    """A convolution whose weights each picture's style scales, per input channel (section 2.2, equation 1).

    Demodulation divides by the weights' norm per output channel (equation 3). Scaling what goes in and what
    comes out is the same as scaling the weights, and leaves one convolution for the whole batch.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, style: int, *, demodulate: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scales = EqualLinear(style, inputs, bias=1.0)
        self.gain = 1 / (inputs * kernel**2) ** 0.5
        self.padding, self.demodulate = kernel // 2, demodulate

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Maps (n, outputs, h, w) of maps (n, inputs, h, w) and styles (n, style)."""
        scales = self.scales(style).to(x.dtype)
        weight = self.weight * self.gain
        y = functional.conv2d(x * scales[:, :, None, None], weight, padding=self.padding)
        if not self.demodulate:
            return y
        squares = scales.float().square() @ weight.square().sum(dim=(2, 3)).T
        return y * torch.rsqrt(squares + 1e-8).to(y.dtype)[:, :, None, None]
