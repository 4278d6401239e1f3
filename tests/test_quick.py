"""Networks made quick answer as they did: nothing but rounding changes, and no decision does."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from glomspike.classify.bags import Bag, load_bags
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.pooling import PooledTiles
from glomspike.detect.evaluate import scan
from glomspike.detect.model import CircleNet
from glomspike.learn.samples import Sample
from glomspike.learn.truth import load_pictures
from glomspike.networks.models import Model, load_model, load_models
from glomspike.networks.quick import ReducedPrecision, quickened
from glomspike.segment.evaluate import compare
from glomspike.segment.model import segmentation_network
from glomspike.segment.patches import load_patches

EXAMPLES = Path(__file__).parents[1] / "examples"
CPU = torch.device("cpu")


def example() -> Sample:
    slide, truth = EXAMPLES / "phantom.svs", EXAMPLES / "truth.xml"
    return Sample(EXAMPLES / "samples.csv", slide, None, None, truth, None, "phantom", "test", None)


def trained(network: nn.Module) -> nn.Module:
    """A network whose batch normalisations have seen something."""
    torch.manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.running_mean, part.bias.data):
                values.normal_(0, 0.2)
            for values in (part.running_var, part.weight.data):
                values.uniform_(0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(
    "network",
    [
        CircleNet("resnet18", 32, 32),
        CircleNet("tu-tf_efficientnet_lite0", 32, 32),
        segmentation_network("Unet", "resnet18"),
        segmentation_network("DeepLabV3Plus", "resnet18"),
    ],
)
def test_folded_normalisation_changes_nothing_but_rounding(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glomspike.networks.quick.has_fast_bfloat16", lambda _device: False)
    plain = trained(network)
    quick = quickened(copy.deepcopy(plain), CPU)
    before, left = (sum(isinstance(part, nn.BatchNorm2d) for part in net.modules()) for net in (plain, quick))
    assert left < before / 3
    pictures = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        for one, other in zip(plain(pictures), quick(pictures), strict=True):
            assert torch.allclose(one, other, atol=1e-4, rtol=1e-4)


def test_reduced_precision_reaches_networks_that_take_boxes_and_give_several_answers() -> None:
    network = trained(PooledTiles("attention"))
    picture, boxes = torch.rand(1, 3, 120, 120), torch.tensor([[0.0, 10, 10, 60, 60], [0, 40, 30, 90, 80]])
    with torch.inference_mode():
        plain, reduced = network(picture, boxes), ReducedPrecision(network)(picture, boxes)
    assert torch.allclose(plain.bag, reduced.bag, atol=0.05)
    assert torch.allclose(plain.attention, reduced.attention, atol=0.02)


@pytest.fixture(scope="module")
def glomeruli() -> list[Bag]:
    model = load_model("classifier", None, CPU)
    return load_bags([example()], model.card.mpp, tiling_of(model))


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def pair(request: pytest.FixtureRequest) -> tuple[dict[str, Model], dict[str, Model], float]:
    """The shipped models plain and quick, and by how much probabilities may differ."""
    reduced = request.param == "bfloat16"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glomspike.networks.quick.has_fast_bfloat16", lambda _device: reduced)
        quick = dict(load_models(device=CPU).by_kind)
    plain = {kind: load_model(kind, None, CPU) for kind in ("detector", "segmenter", "classifier")}
    return plain, quick, 3e-2 if reduced else 1e-3


def test_spike_probabilities_and_decisions_stay(
    glomeruli: list[Bag], pair: tuple[dict[str, Model], dict[str, Model], float]
) -> None:
    plain, quick, tolerance = pair
    grids = [bag.grid for bag in glomeruli]
    one, other = (bag_classifier(models["classifier"]).verdicts(grids) for models in (plain, quick))
    for first, second in zip(one, other, strict=True):
        assert first.tiles == pytest.approx(second.tiles, abs=tolerance)
        assert first.probability == pytest.approx(second.probability, abs=tolerance)
        assert (first.probability >= 0.5) == (second.probability >= 0.5)


def test_circles_and_outlines_stay(pair: tuple[dict[str, Model], dict[str, Model], float]) -> None:
    plain, quick, tolerance = pair
    card = plain["detector"].card
    (picture,) = load_pictures([example()], card.mpp)
    one, other = (
        scan(models["detector"].network, picture, card.input_px, card.normalisation, 0.3).shown_px
        for models in (plain, quick)
    )
    assert len(one) == 6
    assert one[np.argsort(one[:, 0])] == pytest.approx(other[np.argsort(other[:, 0])], abs=40 * tolerance)
    card = plain["segmenter"].card
    for patch in load_patches([example()], card.input_px):
        first, second = (
            compare(models["segmenter"].network, patch, card.input_px, card.normalisation)
            for models in (plain, quick)
        )
        assert first.overlap.dice == pytest.approx(second.overlap.dice, abs=tolerance)
