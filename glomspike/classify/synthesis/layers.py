"""What generator and discriminator are made of: layers of equalised learning rate, and resampling."""

import torch
from torch import Tensor, nn
from torch.nn import functional

# The filter that StyleGAN2 resamples with, in either direction.
_BINOMIAL = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
SQRT2 = 2**0.5


class EqualLinear(nn.Module):
    """A linear layer (n, inputs) to (n, outputs), its weights of unit variance and scaled when they are used.

    So every layer learns at one speed, whatever its size (Karras et al. 2018, section 4.1); `speed` is how
    many times faster this one learns.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, speed: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / speed)
        self.bias = nn.Parameter(torch.full((outputs,), bias / speed))
        self.gain, self.speed = speed / inputs**0.5, speed

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., outputs) of inputs (..., inputs)."""
        return functional.linear(x, self.weight * self.gain, self.bias * self.speed)


class EqualConv(nn.Module):
    """A convolution of equalised learning rate that keeps the size, or halves it without aliasing."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, halving: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1 / (inputs * kernel**2) ** 0.5
        self.padding, self.halving = kernel // 2, halving

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, outputs, h, w), or half as high and wide, of maps (n, inputs, h, w)."""
        weight = self.weight * self.gain
        if self.halving:
            return functional.conv2d(blurred(x, self.padding), weight, self.bias, stride=2)
        return functional.conv2d(x, weight, self.bias, padding=self.padding)


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps shape and variance of what goes in."""
    return functional.leaky_relu(x, 0.2) * SQRT2


def blurred(x: Tensor, margin: int) -> Tensor:
    """Maps (n, c, h, w) through the binomial filter, `margin` pixels wider for the convolution that follows.

    The even filter shifts by half a pixel, so that each pixel of a halved map is amid those it was made from.
    """
    channels = x.shape[1]
    kernel = torch.outer(_BINOMIAL, _BINOMIAL).to(x.device, x.dtype).expand(channels, 1, 4, 4)
    return functional.conv2d(x, kernel, padding=margin + 1, groups=channels)


def doubled(x: Tensor) -> Tensor:
    """Maps (n, c, 2 h, 2 w) of maps (n, c, h, w): bilinear interpolation is the same filter."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
