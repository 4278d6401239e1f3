"""Files that are never seen half-written."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Puts content in a file so that a reader sees the old or the new, never a part. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
