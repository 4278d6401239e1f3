"""How a process of the command is set up, before PyTorch and OpenCV are imported: they read it once."""

import gc
import os

from glomspike.slide.memory import ARENA_MAX, tune_allocation

# PyTorch brings some million objects that stay; looking through them for garbage as they come takes a second.
GARBAGE_THRESHOLD = 50_000

ENVIRONMENT = {
    # PyTorch gets large arrays from the system in large pages, where Linux has them.
    "THP_MEM_ALLOC_ENABLE": "1",
    # On the CPU its threads wait for one another busily: less long, so that those that read and write get on.
    "GOMP_SPINCOUNT": "20000",
    # What OpenCV does here is done for several pictures at a time: its threads would get in each other's way.
    "OPENCV_FOR_THREADS_NUM": "1",
}
# From so many arenas glibc gives threads memory: of its usual eight a core, what each leaves unused adds up.
ARENAS = 2


def prepare_process() -> None:
    """Set up this process and those that it starts. What the user has set in the environment stays."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    if "MALLOC_ARENA_MAX" not in os.environ:
        tune_allocation(ARENA_MAX, ARENAS)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
