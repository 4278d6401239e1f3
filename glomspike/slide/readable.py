"""Whether a file can be read at all, so that what is wrong with its path is not taken for damage."""

import os
import stat
from pathlib import Path

from glomspike.errors import SlideError, missing_slide


def check_readable(path: Path) -> None:
    """Raise SlideError for a path that is a folder, a pipe or device, is not there, or cannot be read."""
    try:
        if path.is_dir():
            os.scandir(path).close()
            raise SlideError(path, "is a folder, not a slide", "name a slide in it")
        if not stat.S_ISREG(path.stat().st_mode):
            raise SlideError(path, "is a pipe or device, not a file", "save the slide as a file first")
        with path.open("rb"):
            return
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing_slide(path) from error
    except PermissionError as error:
        cure = "make it readable for you, or run as a user who may read it"
        raise SlideError(path, "may not be read by this user", cure) from error
    except OSError as error:
        cure = "check the disk or share it is on"
        raise SlideError(path, f"cannot be read ({error.strerror})", cure) from error
