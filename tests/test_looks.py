"""Windows looked at in several sizes: answers meet in one place, and what one look alone sees counts less."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.detect.decode import decode
from glomspike.detect.looks import MORE_LOOKS, mean_maps
from glomspike.detect.model import STRIDE, Maps

SIDE_PX = 160


class Spot(nn.Module):
    """Finds the brightest spot of a window, and takes its size from how large the window is shown."""

    def __init__(self, only_at_px: int | None = None) -> None:
        super().__init__()
        self.only_at_px, self.shown = only_at_px, []

    def forward(self, windows: Tensor) -> Maps:
        side_px = windows.shape[-1]
        self.shown.append(side_px)
        cells = functional.avg_pool2d(windows.mean(dim=1, keepdim=True), STRIDE)
        centre = 20 * cells / cells.amax(dim=(2, 3), keepdim=True) - 10
        if self.only_at_px not in (None, side_px):
            centre = torch.full_like(centre, -10.0)
        radius = torch.full_like(centre, 8 * side_px / SIDE_PX)
        return Maps(centre, radius, torch.full_like(centre, 0.25).repeat(1, 2, 1, 1))


def spotted(x_px: float, y_px: float) -> Tensor:
    """A window with a soft bright spot."""
    y, x = torch.meshgrid(*[torch.arange(SIDE_PX) + 0.5] * 2, indexing="ij")
    spot = torch.exp(-((x - x_px) ** 2 + (y - y_px) ** 2) / (2 * 12.0**2))
    return spot.expand(1, 3, -1, -1)


@pytest.mark.parametrize(("x_px", "y_px"), [(50.0, 90.0), (98.0, 42.0), (80.0, 80.0)])
def test_looks_agree_on_where_and_how_large(x_px: float, y_px: float) -> None:
    network = Spot()
    best = decode(mean_maps(network, spotted(x_px, y_px)))[0, 0]
    assert best[:2].tolist() == pytest.approx([x_px, y_px], abs=STRIDE)
    assert best[2].item() == pytest.approx(8 * STRIDE, rel=0.02)
    assert best[3].item() > 0.99
    assert sorted(network.shown) == [128, 160, 256]


def test_what_is_seen_in_one_size_only_is_hardly_seen() -> None:
    window = spotted(60.0, 100.0)
    sure = decode(mean_maps(Spot(), window))[0, 0, 3].item()
    unsure = decode(mean_maps(Spot(only_at_px=SIDE_PX), window))[0, 0, 3].item()
    assert unsure < 0.1 < sure


def test_offsets_are_those_of_the_window_as_it_is() -> None:
    maps = mean_maps(Spot(), spotted(60.0, 100.0))
    assert (maps.offset == 0.25).all()
    assert maps.centre.shape == (1, 1, SIDE_PX // STRIDE, SIDE_PX // STRIDE)


def test_every_other_look_has_a_size_and_a_mirroring_of_its_own() -> None:
    assert len({look.enlarged for look in MORE_LOOKS} | {1.0}) == len(MORE_LOOKS) + 1
    assert len({look.mirrored for look in MORE_LOOKS} | {()}) == len(MORE_LOOKS) + 1
