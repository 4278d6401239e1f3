"""Where the networks run: the GPU that was requested or found, or why there is none."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from glomspike.errors import DeviceError, UsageError


class DeviceChoice(NamedTuple):
    """A device to compute on. `note` says why it is the CPU where that was not requested, else empty."""

    device: torch.device
    note: str


def choose_device(name: str) -> DeviceChoice:
    """The device that `name` (auto, cuda, cuda:N or cpu) means.

    `auto` is the first GPU where one works, else the CPU. Raises DeviceError where a GPU was requested and
    does not work, UsageError where `name` is none of these.
    """
    if name == "cpu":
        return DeviceChoice(torch.device("cpu"), "")
    index = _cuda_index("cuda" if name == "auto" else name)
    trouble = cuda_trouble(index)
    if trouble is None:
        return DeviceChoice(torch.device("cuda", index), "")
    if name == "auto":
        return DeviceChoice(torch.device("cpu"), f"computing on the CPU, which is slow: {trouble}")
    raise DeviceError(f"--device {name}", trouble, "fix that (see `glomspike doctor`), or use --device cpu")


def choose_devices(name: str, workers: int) -> list[DeviceChoice]:
    """The device of each worker: GPUs from the one that `name` means on, or the CPU for all.

    Raises DeviceError where there are fewer GPUs than workers, and as `choose_device` does.
    """
    first = choose_device(name)
    if first.device.type == "cpu":
        return [first] * workers
    return [choose_device(f"cuda:{first.device.index + number}") for number in range(workers)]


def cuda_trouble(index: int) -> str | None:
    """Why the GPU of this number cannot be used; None where it can."""
    if torch.version.cuda is None:
        return "the installed PyTorch is built without CUDA"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as failure:
        return _driver_trouble(str(failure))
    count = torch.cuda.device_count()
    if index >= count:
        return f"there is no GPU number {index}: GPUs are numbered from 0, and there {_are(count)}"
    try:
        torch.ones(1, device=torch.device("cuda", index)).add(1).item()
    except RuntimeError as failure:
        reason = str(failure).strip().splitlines()[0]
        return f"GPU {index} ({torch.cuda.get_device_name(index)}) fails: {reason}"
    return None


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # A torch that does not know what the processor has is taken to run on one without.
    capabilities: Callable[[], dict[str, bool]] = getattr(torch.cpu, "get_capabilities", dict)
    return bool(capabilities().get("avx512_bf16", False))


def _cuda_index(name: str) -> int:
    kind, colon, number = name.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise UsageError(
            f"--device {name}", "there is no such device", "give auto, cuda, cuda:N (N from 0) or cpu"
        )
    return int(number) if colon else 0


def _driver_trouble(reason: str) -> str:
    """What PyTorch's reason for not starting CUDA means."""
    if "no NVIDIA driver" in reason:
        return "no NVIDIA driver is installed, or this container was started without `--gpus all`"
    if "driver on your system is too old" in reason:
        return f"the NVIDIA driver is too old for this PyTorch, which is built for CUDA {torch.version.cuda}"
    if "No CUDA GPUs" in reason:
        return "the NVIDIA driver shows no GPU (is CUDA_VISIBLE_DEVICES set?)"
    return f"CUDA does not start: {reason.strip().splitlines()[0]}"


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
