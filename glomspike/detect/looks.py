"""A window examined three times: as it is, larger, and smaller, each otherwise mirrored.

What looks like a glomerulus in one size only is rarely one: seen larger, many a tubule is none.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.detect.model import STRIDE, Maps

SIDE_STEP_PX = 32  # sides that the network takes are multiples
ROWS, COLUMNS = -2, -1
# Windows that a CPU works on at once: what passes between the layers of more does not stay in its cache.
AT_ONCE_ON_CPU = 8


@dataclass(frozen=True)
class Look:
    """How a window is shown: so many times as large, with some of its axes turned around."""

    enlarged: float
    mirrored: tuple[int, ...]


MORE_LOOKS = (Look(1.6, (COLUMNS,)), Look(0.8, (ROWS,)))


def mean_maps(network: nn.Module, windows: Tensor) -> Maps:
    """The mean of what CircleNet answers to all looks at square windows (n, 3, side, side), normalised.

    The maps are those of the windows as they are. Offsets come from the first look alone: where in its cell a
    centre lies, a map with cells of another size cannot show.
    """
    plain = _seen(network, windows)
    answers = [_answer(network, windows, look) for look in MORE_LOOKS]
    centre = torch.stack([plain.centre.float(), *(centre for centre, _ in answers)])
    radius = torch.stack([plain.radius.float(), *(radius for _, radius in answers)])
    return Maps(centre.mean(dim=0), radius.mean(dim=0), plain.offset)


def _seen(network: nn.Module, windows: Tensor) -> Maps:
    if windows.device.type != "cpu":
        maps: Maps = network(windows)
        return maps
    answers = [network(some) for some in torch.split(windows, AT_ONCE_ON_CPU)]
    return Maps(*(torch.cat(parts) for parts in zip(*answers, strict=True)))


def _answer(network: nn.Module, windows: Tensor, look: Look) -> tuple[Tensor, Tensor]:
    """Centre logits and radius of one look, in cells of the windows as they are."""
    side_px = windows.shape[COLUMNS]
    cells = side_px // STRIDE
    shown_px = max(SIDE_STEP_PX, round(side_px * look.enlarged / SIDE_STEP_PX) * SIDE_STEP_PX)
    maps = _seen(network, _resized(windows.flip(look.mirrored), shown_px))
    centre = _resized(maps.centre.float(), cells).flip(look.mirrored)
    radius = _resized(maps.radius.float(), cells).flip(look.mirrored)
    return centre, radius * (side_px / shown_px)


def _resized(maps: Tensor, side: int) -> Tensor:
    if maps.shape[COLUMNS] == side:
        return maps
    return functional.interpolate(maps, (side, side), mode="bilinear", antialias=True)
