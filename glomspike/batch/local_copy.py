"""Brings a slide near before it is worked on: a copy on a fast local disk of what lies on a slow share."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from glomspike.slide.fingerprint import check_unchanged, companions, state


class LocalCopy(NamedTuple):
    """Where to read a slide from, and the folder to build its results in; None is beside their place."""

    path: Path
    scratch: Path | None


@contextmanager
def local_copy(path: Path, stage: Path | None) -> Iterator[LocalCopy]:
    """A slide with all its files, copied to a separate folder below `stage` that is gone afterwards.

    Without `stage` it is read where it lies. Raises OSError where it cannot be copied, SlideError where it
    changes meanwhile.
    """
    if stage is None:
        yield LocalCopy(path, None)
        return
    with TemporaryDirectory(prefix="glomspike-", dir=stage, ignore_cleanup_errors=True) as folder:
        near, before = Path(folder) / "slide", state(path)
        for file in (path, *companions(path)):
            copy = near / file.relative_to(path.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        check_unchanged(path, before)
        yield LocalCopy(near / path.name, Path(folder))
