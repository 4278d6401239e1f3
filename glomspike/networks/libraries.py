"""What networks are built of, without PyTorch's compiler: that was half of what all imports took.

No network of glomspike's is compiled, but torchvision and segmentation_models_pytorch bring the compiler with
them: the one for a check that its operators make on a GPU under `torch.use_deterministic_algorithms`, the
other, by way of timm, to mark what shall not be compiled. Whoever needs either library imports it from here.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

_COMPILER = "torch._dynamo"


@contextmanager
def _without_compiler() -> Iterator[None]:
    """A context in which imports get stand-ins for the compiler, unless it is there already."""
    if _COMPILER in sys.modules:
        yield
        return
    stand_in, utils = ModuleType(_COMPILER), ModuleType(f"{_COMPILER}.utils")
    stand_in.utils = utils  # type: ignore[attr-defined]
    stand_in.__path__ = []
    utils.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    disable = torch.compiler.disable
    sys.modules |= {_COMPILER: stand_in, utils.__name__: utils}
    torch.compiler.disable = _unmarked
    try:
        yield
    finally:
        torch.compiler.disable = disable
        for name in (_COMPILER, utils.__name__):
            del sys.modules[name]


def _is_compile_supported(device: str) -> bool:
    """The compiler's answer; it is imported when it is needed."""
    from torch._dynamo.utils import is_compile_supported

    return bool(is_compile_supported(device))


def _unmarked(fn: Callable[..., Any] | None = None, *_: object, **__: object) -> Callable[..., Any]:
    """What `torch.compiler.disable` decorates, as it is."""
    return _unmarked if fn is None else fn


with _without_compiler():
    import segmentation_models_pytorch as smp
    from torchvision.models import get_model, resnet18
    from torchvision.models.resnet import BasicBlock, ResNet
    from torchvision.ops import roi_align

__all__ = ["BasicBlock", "ResNet", "get_model", "resnet18", "roi_align", "smp"]
