"""The main job imports no library of networks, and these come without PyTorch's compiler."""

import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from glomspike.networks.libraries import library
from glomspike.networks.unfilled import unfilled
from glomspike.segment.model import segmentation_network

ROOT = Path(__file__).parents[1]
LOADED_THEN_COMPILED = """
import sys
import glomspike
import torch
glomspike.load_models(device="cpu")
libraries = ("torchvision", "timm", "segmentation_models_pytorch", "huggingface_hub")
assert not [name for name in sys.modules if name.startswith(libraries)]

from glomspike.networks.libraries import library
library("segmentation_models_pytorch")
assert not [name for name in sys.modules if name.startswith(("torch._dynamo", "torch._inductor"))]

asks = sys.modules["torchvision.ops.roi_align"]
assert asks.is_compile_supported("cpu") == sys.modules["torch._dynamo.utils"].is_compile_supported("cpu")

weight = torch.nn.Parameter(torch.ones(1))
optimiser = torch.optim.SGD([weight], lr=0.5)
weight.sum().backward()
optimiser.step()
assert weight.item() == 0.5
import torch._dynamo.utils
assert torch._dynamo.utils.is_compile_supported.__module__ == "torch._dynamo.utils"
assert torch.compiler.disable.__module__ == "torch.compiler"
"""


POOLED_IN_MIXED_PRECISION = """
import sys
import torch
from glomspike.networks.boxes import roi_align

maps, boxes = torch.rand(1, 3, 300, 300), torch.tensor([[0, 251.25, 250.5, 280.75, 281.0]])
with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
    expected = roi_align(maps.bfloat16().float(), boxes, 2)
    found = roi_align(maps.bfloat16(), boxes, 2)
assert "torchvision" not in sys.modules
assert found.dtype == torch.bfloat16
assert torch.equal(found, expected.bfloat16())
"""


def succeeds(program: str) -> None:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_the_models_are_loaded_without_the_compiler_and_it_can_be_had_later() -> None:
    succeeds(LOADED_THEN_COMPILED)


def test_boxes_are_pooled_in_mixed_precision_where_torchvision_is_not_imported() -> None:
    succeeds(POOLED_IN_MIXED_PRECISION)


def unet(encoder: str) -> nn.Module:
    return segmentation_network("Unet", encoder)


def test_an_unfilled_network_has_the_shapes_of_a_filled_one_and_takes_its_weights() -> None:
    smp = library("segmentation_models_pytorch")
    for build in (lambda: smp.Unet("resnet18", encoder_weights=None), lambda: unet("resnet18")):
        filled: nn.Module = build()
        with unfilled():
            empty: nn.Module = build()
        assert all(weight.is_meta for weight in empty.parameters())
        state = filled.state_dict()
        assert {name: weight.shape for name, weight in empty.state_dict().items()} == {
            name: weight.shape for name, weight in state.items()
        }
        empty.load_state_dict(state, assign=True)
        picture = torch.rand(1, 3, 64, 64)
        with torch.inference_mode():
            assert torch.equal(empty.eval()(picture), filled.eval()(picture))


def test_weights_are_drawn_outside_the_context_as_ever() -> None:
    with unfilled():
        nn.Linear(8, 8)
    assert nn.Linear(8, 8).weight.std() > 0
