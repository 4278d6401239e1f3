"""Encoders of photographs answer to our pictures as they did to theirs, and detectors begin with them."""

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from datasets.photograph_encoder import ENCODERS, encoder_state, main
from glomspike.detect.model import CircleNet
from glomspike.learn.pretrain.encoder import PREFIX, begin_with, encoder_name, load_encoder
from glomspike.learn.training import NORMALISATION

NAME = "efficientnet-lite0"


def package() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """A network with random weights, and these as the package has them, with what no detector uses behind."""
    torch.manual_seed(1)
    network = smp.encoders.get_encoder(ENCODERS[NAME], weights=None).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            part.running_mean.normal_(0, 0.1)
    state = {f"_blocks.{n}": tensor for n, tensor in network.state_dict().items()}
    unused = {"_conv_head.weight": torch.zeros(2), "_bn1.bias": torch.zeros(2), "_fc.bias": torch.zeros(2)}
    return network, state | unused


def test_answers_stay_the_same() -> None:
    network, source = package()
    ours = smp.encoders.get_encoder(ENCODERS[NAME], weights=None).eval()
    state = encoder_state(ENCODERS[NAME], source)
    ours.load_state_dict({name.removeprefix(PREFIX): tensor for name, tensor in state.items()})
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        before = network((pixels.permute(0, 3, 1, 2).float() - 127) / 128)[1]
        after = ours(NORMALISATION.apply(pixels))[1]
    # At the border one network has grey around the picture, the other the mean colour of tissue.
    assert torch.allclose(before[..., 4:-4, 4:-4], after[..., 4:-4, 4:-4], atol=1e-3)


def test_tensors_of_another_network_are_refused() -> None:
    _, source = package()
    with pytest.raises(ValueError, match="lite1"):
        encoder_state(ENCODERS["efficientnet-lite1"], source)


def test_a_detector_begins_with_the_encoder_that_the_card_names(tmp_path: Path) -> None:
    _, source = package()
    torch.save(source, tmp_path / f"{NAME}-1.pth")
    main(tmp_path / f"{NAME}-1.pth", tmp_path / "encoder")
    name = encoder_name(tmp_path / "encoder")
    assert name == ENCODERS[NAME]
    detector = CircleNet(name, 32, 32)
    begin_with(detector, load_encoder(tmp_path / "encoder"))
    kernel = "encoder.model.conv_stem.weight"
    written = encoder_state(ENCODERS[NAME], source)[kernel]
    assert torch.allclose(detector.state_dict()[kernel], written, rtol=1e-2, atol=1e-3)
