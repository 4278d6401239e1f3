"""The paper's plain baseline: a ResNet-18 that sees a whole glomerulus at once, and learns its label."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from glomspike.classify.model import NORMALISATION
from glomspike.findings import RGB, Scores
from glomspike.learn.augmentation import lit, restained
from glomspike.learn.pretrain.encoder import begin_with
from glomspike.learn.samples import Sample
from glomspike.learn.truth import load_picture
from glomspike.metrics.roc import Labels

SIDE_PX = 224
BATCH = 8


@dataclass(frozen=True, eq=False)
class Pictures:
    """Whole glomeruli (n, 224, 224, 3), which are spiked (n,), and whose they are (n,)."""

    pixels: NDArray[np.uint8]
    spiked: Labels
    patients: NDArray[np.str_]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Pictures":
        """The pictures of a table of crops."""
        side = (SIDE_PX, SIDE_PX)
        pixels = [cv2.resize(load_picture(s).pixels, side, interpolation=cv2.INTER_AREA) for s in samples]
        spiked = np.array([sample.label == "spiked" for sample in samples])
        return cls(np.stack(pixels), spiked, np.array([sample.patient for sample in samples]))


def fresh_network(begin: dict[str, Tensor] | None, seed: int) -> nn.Module:
    """A ResNet-18 (He et al. 2016) with the weights of an encoder, or random ones."""
    torch.manual_seed(seed)
    network: nn.Module = resnet18(num_classes=1)
    if begin is not None:
        begin_with(network, begin)
    return network


def train_whole(network: nn.Module, pictures: Pictures, epochs: int, rate: float, seed: int) -> None:
    """Trains a network on whole pictures, where it is."""
    device = next(network.parameters()).device
    steps = epochs * -(-len(pictures.spiked) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    rng = np.random.default_rng(seed)
    network.train()
    for _ in range(epochs):
        for part in np.array_split(rng.permutation(len(pictures.spiked)), steps // epochs):
            seen = np.stack([_varied(pictures.pixels[index], rng) for index in part])
            odds = network(NORMALISATION.apply(torch.from_numpy(seen).to(device)))[:, 0]
            target = torch.from_numpy(pictures.spiked[part]).float().to(device)
            loss = functional.binary_cross_entropy_with_logits(odds, target)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    network.eval()


def spike_probabilities(network: nn.Module, pictures: Pictures) -> Scores:
    """What a network says of whole pictures, (n,)."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [
            network(NORMALISATION.apply(torch.from_numpy(part).to(device)))[:, 0]
            for part in np.array_split(pictures.pixels, -(-len(pictures.pixels) // BATCH))
        ]
    return np.asarray(torch.sigmoid(torch.cat(parts).double()).cpu().numpy())


def _varied(pixels: RGB, rng: np.random.Generator) -> RGB:
    pixels = np.rot90(pixels, int(rng.integers(4)))
    pixels = np.ascontiguousarray(pixels[:, ::-1] if rng.random() < 0.5 else pixels)
    return lit(restained(pixels, rng) if rng.random() < 0.4 else pixels, rng)
