"""Networks without numbers, for weights that are then loaded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode


@contextmanager
def unfilled() -> Iterator[None]:
    """A context in which networks get weights without memory, and none are drawn."""
    with torch.device("meta"), _NoRandomNumbers():
        yield


# PyTorch's initialisers show a mode themselves and hide from it what they call.
_DRAWING = (Tensor.normal_, Tensor.uniform_, init.normal_, init.uniform_)


class _NoRandomNumbers(TorchFunctionMode):
    """Skips the random numbers: without memory PyTorch draws them slowly, and imports its compiler for it."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else named["tensor"]
        return func(*args, **named)
