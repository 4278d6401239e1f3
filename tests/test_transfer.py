"""A GPU is waited for once for each batch or glomerulus, whatever the number of windows, tiles and constants.

There is none here: a device without memory stands for it, and counts the copies that would wait.
"""

from collections import Counter
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torchvision  # noqa: F401  (its operators on a device without memory)
from torch.utils._python_dispatch import TorchDispatchMode

from glomspike.classify.infer import bag_classifier
from glomspike.classify.tiles import PAPERS, TileGrid, grid_of
from glomspike.detect.scan import scan_windows
from glomspike.lesions.probability import lesion_probabilities
from glomspike.networks.models import Model, Models, load_models
from glomspike.networks.transfer import Delivery, sent
from glomspike.segment.probability import glomerulus_probability

FAKE, CPU = torch.device("meta"), torch.device("cpu")
aten = torch.ops.aten


class Waiting(TorchDispatchMode):
    """While active, counts what a GPU would be waited for: answers, single numbers, copies that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func.overloadpacket in {aten.to, aten._to_copy}:
            source = args[0]
            target = next(
                (x for x in (*args[1:], *named.values()) if isinstance(x, torch.device)), source.device
            )
            dtype = next(
                (x for x in (*args[1:], *named.values()) if isinstance(x, torch.dtype)), source.dtype
            )
            if (source.device.type, target.type) == ("meta", "cpu"):
                self.counts["answers"] += 1
                return torch.zeros(source.shape, dtype=dtype)
            waits = not named.get("non_blocking") and not any(x is True for x in args[1:])
            if (source.device.type, target.type) == ("cpu", "meta") and waits:
                self.counts["copies"] += 1
        if func is aten._local_scalar_dense.default and args[0].is_meta:
            self.counts["numbers"] += 1
            return 1.0
        found = func(*args, **named)
        if func is aten.lift_fresh.default and found.is_meta:
            self.counts["constants"] += 1
        return found


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.setattr("glomspike.networks.quick.has_fast_bfloat16", lambda _device: False)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    return load_models(device=FAKE)


def pictures(count: int, side_px: int) -> list[np.ndarray]:
    return [np.full((side_px, side_px, 3), 200, np.uint8)] * count


def grid(side_px: int) -> TileGrid:
    whole = np.ones((side_px, side_px), dtype=bool)
    return grid_of(pictures(1, side_px)[0], whole, whole, PAPERS)


def test_the_fake_device_counts_each_way_of_waiting() -> None:
    with Waiting() as waiting:
        there = torch.zeros(3).to(FAKE)
        torch.tensor([1.0, 2.0], device=FAKE)
        there.sum().item()
        there.cpu()
    assert waiting.counts == {"copies": 1, "constants": 1, "numbers": 1, "answers": 1}


@pytest.mark.parametrize("count", [1, 7])
def test_a_batch_of_windows_or_crops_is_waited_for_once(models: Models, count: int) -> None:
    def batches(model: Model, ask: Any) -> Counter[str]:
        side_px = model.card.input_px
        for _ in range(2):  # constants go there once
            with Waiting() as waiting:
                ask(model.network, pictures(count, side_px), model.card.normalisation)
        return waiting.counts

    def outlined(network: Any, crops: list[np.ndarray], normalisation: Any) -> None:
        glomerulus_probability(network, np.stack(crops), normalisation)

    assert batches(models["detector"], scan_windows) == {"answers": 1}
    assert batches(models["segmenter"], outlined) == {"answers": 1}
    assert batches(models["lesions"], lesion_probabilities) == {"answers": 1}


def test_a_glomerulus_is_waited_for_once_however_many_tiles_it_has(models: Models) -> None:
    small, large = grid(200), grid(600)
    assert len(large.corners_px) > 10 * len(small.corners_px)
    classifier = bag_classifier(models["classifier"])
    for grids in ([small], [large], [small, large, small]):
        for _ in range(2):
            with Waiting() as waiting:
                classifier.verdicts(grids)
        assert waiting.counts == {"answers": len(grids)}


def test_on_the_cpu_nothing_is_copied() -> None:
    pixels = np.arange(6, dtype=np.uint8)
    assert sent(pixels, CPU).data_ptr() == torch.from_numpy(pixels).data_ptr()
    answer = torch.rand(3)
    assert Delivery.of(answer).tensor is answer
    assert Delivery.of(answer).array().dtype == np.float64
