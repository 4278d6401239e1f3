"""How the GPUs and processor cores of this machine are shared among processes."""

import os
from collections.abc import Sequence
from typing import NamedTuple

TAKE_TURNS = 2  # processes on one device: one reads and writes while the other computes


class Share(NamedTuple):
    """What a process computes on: a device, and so many threads of the processor."""

    device: str
    threads: int


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def shares(devices: Sequence[str], slides: int, cores: int, threads: int) -> list[Share]:
    """The share of each process, given the device of each worker and how many slides there are.

    A GPU has two processes. On the CPU a worker is a process, but a single worker is two where there are
    cores for both. There are no more processes than slides, nor on the CPU than cores, and together they have
    no more threads than cores; none has more than `threads`, which is what PyTorch would take for one.
    """
    on_cpu = devices[0] == "cpu"
    is_parted = not on_cpu or (len(devices) == 1 and min(cores, threads) >= TAKE_TURNS)
    wanted = list(devices) * (TAKE_TURNS if is_parted else 1)
    most = min(slides, cores) if on_cpu else slides
    used = wanted[: max(1, most)]
    each = max(1, min(threads, cores // len(used)))
    return [Share(device, each) for device in used]
