"""How memory is taken from the system, where it is glibc that takes it. Imports nothing that takes long."""

import ctypes
import sys

ARENA_MAX, MMAP_THRESHOLD = -8, -3  # glibc's M_ARENA_MAX and M_MMAP_THRESHOLD


def tune_allocation(parameter: int, value: int) -> None:
    """Sets one of glibc's parameters of mallopt(3); nothing happens with another library."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(parameter, value)
