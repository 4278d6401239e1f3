"""Networks written here are those of the libraries: the same tensors by name, the same answers."""

from collections.abc import Callable

import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision
from torch import Tensor, nn

from glomspike.classify.model import DenseTiles, SingleTiles, cut
from glomspike.detect.model import CircleNet
from glomspike.detect.pyramid import FeaturePyramid
from glomspike.learn.pretrain.encoder import begin_with
from glomspike.lesions.model import LesionNetwork
from glomspike.networks.boxes import roi_align
from glomspike.networks.efficientnet import EfficientNetLite0
from glomspike.networks.encoders import LITE0, image_encoder
from glomspike.segment.model import segmentation_network


def filled(network: nn.Module) -> nn.Module:
    """The network with statistics and weights that none would have by default."""
    torch.manual_seed(3)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1)
    return network


def maps(answer: Tensor | list[Tensor]) -> list[Tensor]:
    return [answer] if isinstance(answer, Tensor) else list(answer)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    **{
        name: (
            lambda name=name: image_encoder(name),
            lambda name=name: smp.encoders.get_encoder(name, weights=None),
        )
        for name in ("resnet18", "resnet34", "resnet50", LITE0)
    },
    "unet": (
        lambda: segmentation_network("Unet", "resnet18"),
        lambda: smp.Unet("resnet18", encoder_weights=None, decoder_channels=(128, 96, 64, 32, 16)),
    ),
    "single": (SingleTiles, lambda: torchvision.models.resnet18(num_classes=1)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("learns", [False, True])
def test_a_network_answers_as_the_librarys_with_the_same_weights(name: str, learns: bool) -> None:
    ours, theirs = (filled(build()).train(learns) for build in NETWORKS[name])
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    images = torch.randn(2, 3, 64, 96)
    answer = ours._odds(images)[:, None] if name == "single" else ours(images)
    for one, other in zip(maps(answer), maps(theirs(images)), strict=True):
        assert torch.allclose(one, other, atol=1e-5, rtol=1e-5)
    for statistic, tensor in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[statistic], tensor, atol=1e-6)


def test_images_of_any_size_are_padded_as_by_timm() -> None:
    ours, theirs = image_encoder(LITE0).eval(), smp.encoders.get_encoder(LITE0, weights=None).eval()
    theirs.load_state_dict(ours.state_dict())
    for height, width in ((33, 50), (64, 47), (31, 31)):
        images = torch.randn(1, 3, height, width)
        with torch.inference_mode():
            for one, other in zip(ours(images), theirs(images), strict=True):
                assert torch.allclose(one, other, atol=1e-5)


def test_the_first_stages_of_a_network_are_those_of_the_whole() -> None:
    whole = image_encoder(LITE0).eval()
    for stages, maps_seen in ((3, 4), (5, 5)):
        part = EfficientNetLite0(stages).eval()
        begin_with(part, {f"encoder.{name}": tensor for name, tensor in whole.state_dict().items()})
        images = torch.randn(1, 3, 64, 64)
        with torch.inference_mode():
            seen = part(images)
            assert [one.shape[1] for one in seen] == list(part.out_channels)
            assert all(map(torch.equal, seen, whole(images)[:maps_seen]))
            assert len(seen) == maps_seen


def test_a_precise_encoder_sees_grey_levels_that_bfloat16_has_not() -> None:
    images, own = 200 + torch.rand(1, 3, 64, 64), EfficientNetLite0(1, precise=True).eval()
    with torch.inference_mode():
        exact = own.model.conv_stem(images)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(own.model.conv_stem(images), exact)
            assert not torch.equal(EfficientNetLite0(1).model.conv_stem(images).float(), exact)


def test_the_pyramid_is_the_librarys() -> None:
    channels = (3, 16, 24, 40, 112, 320)
    ours = FeaturePyramid(channels, 64, 32)
    theirs = smp.decoders.fpn.decoder.FPNDecoder(list(channels), 5, 64, 32, dropout=0.0)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    seen = [torch.randn(2, width, 64 >> level, 96 >> level) for level, width in enumerate(channels)]
    assert torch.allclose(ours(seen), theirs(seen), atol=1e-5)


def test_the_encoders_of_tiles_and_lesions_are_parts_of_torchvisions() -> None:
    whole = torchvision.models.resnet18().state_dict()
    for encoder in (DenseTiles().encoder, LesionNetwork("resnet18-short", 2).encoder):
        names = list(encoder.state_dict())
        assert names == [name for name in whole if name in set(names)]
        assert all(tensor.shape == whole[name].shape for name, tensor in encoder.state_dict().items())
    assert LesionNetwork("resnet50", 2).head.in_features == 2048
    assert LesionNetwork("resnet18-short", 2).head.in_features == 256


def test_boxes_are_pooled_as_by_torchvision_with_and_without_gradient() -> None:
    seen = torch.randn(2, 3, 40, 40, requires_grad=True)
    boxes = torch.tensor([[0, 4.5, 3, 57.5, 53], [1, 100, 80, 150, 130], [1, 300, 300, 350, 350]])
    for side, scale, ratio in ((1, 1 / 8, -1), (5, 1.0, 1)):
        expected = torchvision.ops.roi_align(seen, boxes, side, scale, ratio, aligned=True)
        found = roi_align(seen, boxes, side, scale, ratio)
        with torch.inference_mode():
            assert torch.equal(roi_align(seen, boxes, side, scale, ratio), expected)
        assert torch.equal(found, expected)
        assert found.sum().backward() is None
        assert seen.grad is not None
    assert cut(seen, torch.tensor([[1, 2.0, 3, 12, 13]])).shape == (1, 3, 10, 10)


def test_an_encoder_that_is_not_written_here_comes_from_the_library() -> None:
    detector = CircleNet("mobilenet_v2", 32, 32).eval()
    with torch.inference_mode():
        assert detector(torch.rand(1, 3, 64, 64)).centre.shape == (1, 1, 16, 16)
