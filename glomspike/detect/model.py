"""CircleNet: a network that marks the centres of glomeruli and says how large each is.

Yang et al., "CircleNet: anchor-free glomerulus detection with circle representation" (MICCAI 2020), on a
residual encoder with a feature pyramid to stride 4; at will with a second stage that sees each circle again.
"""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from glomspike.detect.pyramid import FeaturePyramid
from glomspike.detect.second_look import SecondLook
from glomspike.networks.encoders import image_encoder

STRIDE = 4
# Before training every place is a centre with a probability of 0.1: sigmoid(-2.19).
CENTRE_BIAS = -2.19
LAST_OF_CENTRE = "centre.2."


class Maps(NamedTuple):
    """The three outputs (n, channels, h / 4, w / 4): centre logits of each class, radius, offset x and y.

    Radius and offset are in output pixels.
    """

    centre: Tensor
    radius: Tensor
    offset: Tensor


class CircleNet(nn.Module):
    """Images (n, 3, h, w), normalised, to `Maps`; h and w are multiples of 32.

    With diameters (n,), in µm, images are of circles to be seen again, and the answers those of `SecondLook`.
    """

    def __init__(
        self,
        encoder: str,
        pyramid_channels: int,
        head_channels: int,
        classes: int = 1,
        encoder_weights: str | None = None,
        *,
        second_look: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = image_encoder(encoder, encoder_weights)
        self.decoder = FeaturePyramid(self.encoder.out_channels, pyramid_channels, head_channels)
        self.centre = _head(head_channels, classes, CENTRE_BIAS)
        self.radius = _head(head_channels, 1)
        self.offset = _head(head_channels, 2)
        self.second_look = SecondLook(encoder) if second_look else None

    def forward(self, images: Tensor, diameters_um: Tensor | None = None) -> Maps | Tensor:
        if diameters_um is not None:
            assert self.second_look is not None
            seen: Tensor = self.second_look(images, diameters_um)
            return seen
        features = self.decoder(self.encoder(images))
        return Maps(self.centre(features), self.radius(features), self.offset(features))


def for_classes(state: Mapping[str, Tensor], classes: int) -> dict[str, Tensor]:
    """The tensors by name of a detector of `classes` classes, each of which starts as the single one was."""
    last = {name: tensor for name, tensor in state.items() if name.startswith(LAST_OF_CENTRE)}
    alike = {name: tensor.repeat(classes, *[1] * (tensor.ndim - 1)) for name, tensor in last.items()}
    return {**state, **{name: alike[name] for name in alike if len(last[name]) == 1}}


def _head(channels: int, outputs: int, bias: float = 0.0) -> nn.Sequential:
    last = nn.Conv2d(channels, outputs, 1)
    assert last.bias is not None
    nn.init.constant_(last.bias, bias)
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True), last)
