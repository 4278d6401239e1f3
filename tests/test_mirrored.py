"""A segmenter asked four times: what depends on how a crop is turned over is averaged away."""

import torch
from discs import DarkPixels, model
from torch import Tensor, nn

from glomspike.segment.mirrored import mirrored


class LopsidedNetwork(nn.Module):
    """Log-odds that rise to the right and fall downwards, whatever the picture shows."""

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        slope = torch.linspace(-1, 3, width)[None, :] - torch.linspace(-1, 1, height)[:, None]
        return slope.expand(len(images), 1, height, width)


def test_what_no_picture_decides_is_the_same_everywhere() -> None:
    segmenter = mirrored(model("segmenter", LopsidedNetwork(), 1.0, 32, {"probability": 0.5}))
    answer = segmenter.network(torch.zeros(2, 3, 32, 32))
    assert answer.shape == (2, 1, 32, 32)
    assert torch.allclose(answer, torch.ones_like(answer), atol=1e-5)


def test_what_the_picture_decides_stays_in_its_place() -> None:
    plain = model("segmenter", DarkPixels(), 1.0, 32, {"probability": 0.5})
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mirrored(plain).network(images), plain.network(images), atol=1e-5)
    assert mirrored(plain).card == plain.card
