"""Seconds for a glomerulus scored as in the paper: windows cut one by one with Pillow, eight at a time.

    python -m benchmarks.speed.papers_way PICTURES

Once with the paper's ResNet-18 on 50 × 50 px (its weights are random: time does not depend on them), and once
with glomspike's network and weights, which sees each window in as much around it as it learnt with.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet18

from benchmarks.speed.pictures import TILE_PX, Pictures, seconds_of
from glomspike.classify.views import view_side_px
from glomspike.networks.models import load_model
from glomspike.networks.weights import Normalisation

BATCH = 8

Judge = Callable[[Tensor], Tensor]  # normalised pictures (n, 3, side, side) to log-odds (n,)


class MiddleTile(nn.Module):
    """A tile network that is shown square pictures and judges the tile in the middle of each."""

    def __init__(self, network: nn.Module, side_px: int) -> None:
        super().__init__()
        self.network = network
        self.around_px = (side_px - TILE_PX) / 2

    def forward(self, pictures: Tensor) -> Tensor:
        numbers = torch.arange(pictures.shape[0], device=pictures.device)[:, None]
        box = pictures.new_tensor([[self.around_px] * 2 + [self.around_px + TILE_PX] * 2])
        odds: Tensor = self.network(pictures, torch.cat([numbers, box.expand(pictures.shape[0], 4)], dim=1))
        return odds


def windows_one_by_one(
    judge: Judge,
    picture: Image.Image,
    corners_px: NDArray[np.intp],
    side_px: int,
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """Log-odds (n,) of tiles of a picture, each cut out by itself in the middle of a square of `side_px`."""
    around_px = (side_px - TILE_PX) // 2
    odds = []
    with torch.inference_mode():
        for first in range(0, len(corners_px), BATCH):
            lefts_tops = corners_px[first : first + BATCH] - around_px
            cut = [picture.crop((x, y, x + side_px, y + side_px)) for x, y in lefts_tops.tolist()]
            batch = torch.from_numpy(np.stack([np.asarray(one) for one in cut]))
            odds.append(judge(normalisation.apply(batch)).flatten())
    return np.asarray(torch.cat(odds).numpy(), dtype=np.float32)


def main(pictures: Pictures) -> None:
    """Print the seconds as JSON; some windows are scored before it is timed."""
    model = load_model("classifier", None, torch.device("cpu"))
    papers = resnet18(num_classes=1).eval()
    context_px = view_side_px(TILE_PX)
    ways: dict[str, tuple[Judge, int]] = {
        "tiles: the paper's ResNet-18": (papers, TILE_PX),
        "tiles: glomspike's network": (MiddleTile(model.network, context_px), context_px),
    }
    picture, corners, seconds = Image.fromarray(pictures.glomerulus), pictures.corners_px, {}
    for name, (judge, side_px) in ways.items():
        windows_one_by_one(judge, picture, corners[:BATCH], side_px, model.card.normalisation)
        scored = partial(windows_one_by_one, judge, picture, corners, side_px, model.card.normalisation)
        seconds[name] = seconds_of(scored)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(Pictures.load(Path(sys.argv[1])))
