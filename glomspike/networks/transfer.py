"""Pictures on their way to the device, and answers on their way back, with no more waiting than needed.

On a GPU a copy from ordinary memory waits until everything before it is computed. So pictures leave from
page-locked memory, and answers return into it, beside what is being computed; the program waits once for each
answer, when it wants to read it. On the CPU nothing is copied.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def sent(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """An array as a tensor on the device, which it may still be on its way to."""
    return sent_tensor(torch.from_numpy(pixels), device)


def sent_tensor(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on the device, which it may still be on its way to."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@dataclass(frozen=True, eq=False)
class Delivery:
    """An answer on its way back from the device."""

    tensor: Tensor
    arrival: torch.cuda.Event | None

    @classmethod
    def of(cls, answer: Tensor) -> "Delivery":
        """An answer that starts on its way as soon as it is computed."""
        if answer.device.type != "cuda":
            return cls(answer.cpu(), None)
        tensor = answer.to("cpu", non_blocking=True)
        with torch.cuda.device(answer.device):
            arrival = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrival.record()
        return cls(tensor, arrival)

    def array(self) -> NDArray[np.float64]:
        """The answer, waited for."""
        if self.arrival is not None:
            self.arrival.synchronize()
        return np.asarray(self.tensor.numpy(), dtype=np.float64)
