"""How a process ends that has imported PyTorch."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def leaving_quickly() -> Iterator[None]:
    """Around all that a process does: it then ends without being taken apart, which takes over a second.

    Its exit status is the one it would have, and what was registered to be done at the end is done.
    """
    status = 1  # of an exception that is not caught

    def leave() -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)

    atexit.register(leave)  # registered first, called last
    try:
        yield
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
