"""One run at a time works on a slide's result folder, on one machine or on several that share a disk."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from glomspike.errors import OutputError

FOREVER = -1.0


class BusyError(OutputError):
    """A result folder that another run is working on right now."""


def hidden_beside(place: Path, suffix: str) -> Path:
    """The hidden name beside a result folder that belongs to it; as short for a long name as for any."""
    digest = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]
    return place.with_name(f".glomspike-{digest}.{suffix}")


@contextmanager
def claimed(place: Path, patience_s: float) -> Iterator[None]:
    """A context in which this run alone works on `place`, whose parent must exist.

    Where another run is at it, this waits for so many seconds, or FOREVER, and then raises BusyError.
    The claim of a run that died ends with it.
    """
    lock = FileLock(hidden_beside(place, "lock"), timeout=patience_s)
    try:
        lock.acquire()
    except Timeout as held:
        raise BusyError(place, "another run is working on it", "wait for that run") from held
    try:
        yield
        # Removed while it is held: whoever waits for it sees that its name is gone, and creates it again.
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
