"""SimSiam: an encoder learns to predict from one view of a tile what it makes of another view of it.

Chen and He, "Exploring Simple Siamese Representation Learning" (CVPR 2021), algorithm 1. Written here, since
a library for it would bring a second training framework along for these few lines.
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from glomspike.networks.encoders import image_encoder

PROJECTED = 512
BOTTLENECK = 128


class Views(NamedTuple):
    """Of each picture its projection z and what is predicted from it, p; both (n, PROJECTED)."""

    projected: Tensor
    predicted: Tensor


class SimSiam(nn.Module):
    """Normalised pictures (n, 3, h, w) to `Views`; `encoder` is a ResNet as segmentation models use it."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.encoder = image_encoder(encoder)
        features = int(self.encoder.out_channels[-1])
        self.projector = nn.Sequential(
            *_hidden(features, PROJECTED),
            *_hidden(PROJECTED, PROJECTED),
            nn.Linear(PROJECTED, PROJECTED, bias=False),
            nn.BatchNorm1d(PROJECTED, affine=False),
        )
        self.predictor = nn.Sequential(*_hidden(PROJECTED, BOTTLENECK), nn.Linear(BOTTLENECK, PROJECTED))

    def forward(self, pictures: Tensor) -> Views:
        projected = self.projector(self.encoder(pictures)[-1].mean(dim=(2, 3)))
        return Views(projected, self.predictor(projected))


def _hidden(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)


def simsiam_loss(one: Views, other: Views) -> Tensor:
    """The mean negative cosine similarity of prediction and projection, -1 at best (equations 1 and 4).

    No gradient flows through the projections, which is what keeps the embedding from collapsing.
    """
    there = functional.cosine_similarity(one.predicted.float(), other.projected.detach().float())
    back = functional.cosine_similarity(other.predicted.float(), one.projected.detach().float())
    return -(there.mean() + back.mean()) / 2


def spread(projected: Tensor) -> float:
    """How far embeddings (n, d) lie apart: about 1 where they fill the sphere, 0 where they collapsed.

    The standard deviation of the normalised embedding per channel, times the square root of d (section 4.1).
    """
    unit = functional.normalize(projected.float())
    return float(unit.std(dim=0).mean() * unit.shape[1] ** 0.5)


def retrieval(one: Tensor, other: Tensor) -> float:
    """The share of pictures whose nearest neighbour among all other views is the other view of themselves.

    Both are embeddings (n, d) in the same order; 1 / n is chance.
    """
    nearest = (functional.normalize(one.float()) @ functional.normalize(other.float()).T).argmax(dim=1)
    return float((nearest.cpu() == nearest.new_tensor(range(len(one))).cpu()).float().mean())
