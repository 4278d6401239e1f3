"""The journal of a slide's review: every change, on the disk before the page says that it is saved.

A change is one line of JSON in `review.jsonl`, added at the end and never altered. A line is a change once
its newline is there: what a killed server left of a line is cut off when the journal is next opened. The page
repeats a change until it is acknowledged, under the same id, and an id counts once.
"""

import errno
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from glomspike.errors import OutputError
from glomspike.review.changes import Change

JOURNAL_NAME = "review.jsonl"
_LOCK_NAME = ".review.lock"


def read_changes(folder: Path) -> tuple[Change, ...]:
    """The changes to the results in a folder, in the order they were made; none where there is no journal.

    Raises OutputError where a line of it cannot be understood.
    """
    path = folder / JOURNAL_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        cause = f"cannot be read ({error.strerror})"
        raise OutputError(path, cause, "check the permissions and the disk") from error
    return _parsed(path, content[: _whole_bytes(content)].splitlines())


def _whole_bytes(content: bytes) -> int:
    """How much of a journal is whole lines."""
    return content.rfind(b"\n") + 1


def _parsed(path: Path, lines: Iterable[bytes]) -> tuple[Change, ...]:
    changes = []
    for number, line in enumerate(lines, start=1):
        try:
            changes.append(Change.model_validate_json(line))
        except ValidationError as error:
            cause = f"line {number} is damaged, or another version of glomspike wrote it"
            raise OutputError(path, cause, "move the file elsewhere to begin a new review") from error
    return tuple(changes)


class Journal:
    """The journal of a folder, held by this server alone until it is closed.

    Raises OutputError where it cannot be read, where the folder cannot be written, or where another server
    holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_NAME
        if self._path.is_symlink():
            raise OutputError(self._path, "is a link, which may lead anywhere", "replace it with the file")
        self._lock = FileLock(folder / _LOCK_NAME, timeout=0)
        try:
            self._lock.acquire()
        except Timeout as held:
            cure = "close that page's server first, or use its address"
            raise OutputError(folder, "is being reviewed by another server", cure) from held
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            self._changes = list(read_changes(folder))
            self._cut_what_is_no_line()
        except OSError as error:
            self.close()
            raise _unwritable(folder, error) from error
        except OutputError:
            self.close()
            raise
        self._ids = {change.id for change in self._changes}

    def _cut_what_is_no_line(self) -> None:
        """Removes what is left of a line that was never whole. There is no file before the first change."""
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:
            content = file.read()
            if len(content) != _whole_bytes(content):
                file.truncate(_whole_bytes(content))
                os.fsync(file.fileno())

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, in the order they were made."""
        return tuple(self._changes)

    def holds(self, change_id: str) -> bool:
        """Whether a change is saved."""
        return change_id in self._ids

    def add(self, change: Change) -> None:
        """Save a change; it is on the disk when this returns. Nothing happens where its id is saved already.

        Raises OutputError where it cannot be written; nothing of it then stays in the journal.
        """
        if self.holds(change.id):
            return
        try:
            with self._path.open("ab", buffering=0) as file:
                if file.tell() == 0:  # a new file, whose name must be on the disk as well
                    _sync_folder(self._path.parent)
                _append(file, change.model_dump_json().encode() + b"\n")
        except OSError as error:
            cause = f"cannot be written ({error.strerror})"
            raise OutputError(self._path, cause, "free some disk space or check the disk") from error
        self._changes.append(change)
        self._ids.add(change.id)

    def close(self) -> None:
        """Let another server have it."""
        # Removed while it is held: whoever waits for it sees that its name is gone, and creates it again.
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def _append(file: FileIO, line: bytes) -> None:
    """A line at the end of a file, on the disk when this returns; nothing of it where that fails."""
    end = file.tell()
    try:
        _write_whole(file, line)
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)
        raise


def _write_whole(file: FileIO, line: bytes) -> None:
    if file.write(line) != len(line):  # a full disk takes a part
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk when this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(folder: Path, error: OSError) -> OutputError:
    cause = f"cannot be written ({error.strerror})"
    return OutputError(folder, cause, "make it writable for you, or copy the results to where you may write")
