"""U-Net (Ronneberger et al. 2015) on an encoder; layers are named as in segmentation_models_pytorch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.networks.encoders import image_encoder

WIDTHS = (128, 96, 64, 32, 16)  # of the decoder's blocks, the coarsest first


class UNet(nn.Module):
    """Normalised images (n, 3, h, w) to log-odds (n, 1, h, w); h and w are multiples of 32."""

    def __init__(self, encoder: str, encoder_weights: str | None = None) -> None:
        super().__init__()
        self.encoder = image_encoder(encoder, encoder_weights)
        self.decoder = _Decoder(self.encoder.out_channels)
        self.segmentation_head = nn.Sequential(nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))
        self.decoder.apply(_draw)
        self.segmentation_head.apply(_draw_last)

    def forward(self, images: Tensor) -> Tensor:
        odds: Tensor = self.segmentation_head(self.decoder(self.encoder(images)))
        return odds


class _Decoder(nn.Module):
    """An encoder's maps, of stride 1 to 32, to one of stride 1."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        deepest, *beside = channels[:0:-1]
        inputs, skips = (deepest, *WIDTHS), (*beside, 0)
        self.blocks = nn.ModuleList(
            _Block(inputs[number] + skips[number], width) for number, width in enumerate(WIDTHS)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        *finer, found = maps
        for block, beside in zip(self.blocks, reversed(finer), strict=True):
            sides = beside.shape[2:]
            # The finest map is the image itself, which the decoder does not see.
            found = block(found, sides, None if beside is maps[0] else beside)
        return found


class _Block(nn.Module):
    """The coarser map, enlarged, with the encoder's beside it, through two convolutions."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width)
        self.conv2 = _convolution(width, width)

    def forward(self, coarser: Tensor, sides: Sequence[int], beside: Tensor | None) -> Tensor:
        maps = functional.interpolate(coarser, size=tuple(sides))
        if beside is not None:
            maps = torch.cat([maps, beside], dim=1)
        found: Tensor = self.conv2(self.conv1(maps))
        return found


def _convolution(inputs: int, width: int) -> nn.Sequential:
    kernel = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
    return nn.Sequential(kernel, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def _draw(part: nn.Module) -> None:
    if isinstance(part, nn.Conv2d):
        nn.init.kaiming_uniform_(part.weight, nonlinearity="relu")


def _draw_last(part: nn.Module) -> None:
    if isinstance(part, nn.Conv2d) and part.bias is not None:
        nn.init.xavier_uniform_(part.weight)
        nn.init.zeros_(part.bias)
