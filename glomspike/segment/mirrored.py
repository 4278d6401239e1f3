"""A segmenter that looks at every crop four times, mirrored along either axis, both and neither."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from glomspike.networks.models import Model

AXES: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))


class MirroredNetwork(nn.Module):
    """The mean of a network's log-odds (n, 1, h, w) over the mirror images of what it is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Log-odds (n, 1, h, w) of normalised crops (n, 3, h, w)."""
        return torch.stack([self.network(images.flip(axes)).flip(axes) for axes in AXES]).mean(dim=0)


def mirrored(segmenter: Model) -> Model:
    """The segmenter with its network run four times for each crop."""
    return replace(segmenter, network=MirroredNetwork(segmenter.network).eval())
