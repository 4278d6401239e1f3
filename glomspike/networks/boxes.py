"""The mean of maps over boxes, by torchvision's operator."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from glomspike.networks.libraries import library


def roi_align(maps: Tensor, boxes: Tensor, side: int, scale: float = 1.0, sampling_ratio: int = -1) -> Tensor:
    """Boxes (m, 5) of maps (n, c, h, w) at side x side places each: (m, c, side, side).

    RoIAlign (He et al. 2017), pixels' middles lying half a pixel from their corners. A box is the number of
    its map, then left, top, right, bottom, which `scale` brings to the map's pixels. Each place is the mean
    of `sampling_ratio` squared samples, -1 being as many as it covers pixels.
    """
    if torch.is_grad_enabled():
        of_library: Tensor = library("torchvision.ops").roi_align(
            maps, boxes, side, scale, sampling_ratio, aligned=True
        )
        return of_library
    _load_operators()
    wide = torch.promote_types(maps.dtype, boxes.dtype)  # boxes would lose their place in the maps' bfloat16
    found: Tensor = torch.ops.torchvision.roi_align(
        maps.to(wide), boxes.to(wide), scale, side, side, sampling_ratio, True
    )
    return found.to(maps.dtype)


@cache
def _load_operators() -> None:
    """Loads torchvision's operators without what else it imports, which takes a quarter of a second.

    How they are differentiated, and what they do in mixed precision, is among that.
    """
    spec = find_spec("torchvision")
    folders = (spec.submodule_search_locations if spec is not None else None) or []
    for path in [path for folder in folders for path in Path(folder).glob("_C*.so")]:
        torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
        if hasattr(torch.ops.torchvision, "roi_align"):
            return
    library("torchvision.ops")
