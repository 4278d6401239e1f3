"""Libraries of networks, imported when they are needed, and without PyTorch's compiler.

The shipped networks are built without them (`resnet`, `efficientnet`): together they are a quarter of what
all imports take. No network of glomspike's is compiled. torchvision imports the compiler for a check that its
operators make on a GPU under `torch.use_deterministic_algorithms`, segmentation_models_pytorch, by way of
timm, to mark what shall not be compiled.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

_COMPILER = "torch._dynamo"


def library(name: str) -> ModuleType:
    """A module of torchvision or segmentation_models_pytorch."""
    with _without_compiler():
        return import_module(name)


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
