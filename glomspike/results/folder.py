"""A slide's result folder: it appears whole or not at all, and never at the cost of what is in its place."""

import hashlib
import os
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from glomspike.errors import OutputError
from glomspike.results.claim import FOREVER, BusyError, claimed, hidden_beside
from glomspike.results.record import RECORD_NAME, RunRecord, RunSettings, read_record, write_record

_SHOWN_MISSING = 3
DYING_S = 5.0  # for which a process that was killed may still hold its claim


def is_done(place: Path, settings: RunSettings) -> bool:
    """Whether a folder holds the complete results of these settings; False where there is nothing yet.

    Raises OutputError where it holds anything else: results of other settings, results that miss files, or
    files that glomspike did not write.
    """
    if _is_free(place):
        return False
    _refuse_foreign(place)
    record = read_record(place)
    if differences := settings.differences(record.settings):
        raise OutputError(
            place,
            f"holds results of other settings ({'; '.join(differences)})",
            "choose another output folder, or give --overwrite",
        )
    if missing := [name for name in record.files if not (place / name).is_file()]:
        shown = ", ".join(missing[:_SHOWN_MISSING]) + (", ..." if len(missing) > _SHOWN_MISSING else "")
        raise OutputError(place, f"lacks some files of its results ({shown})", "give --overwrite")
    return True


def check_writable(folder: Path) -> None:
    """Raises OutputError unless results can be made in a folder, which is created where it is missing."""
    _refuse_root_of_container(folder.absolute())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".glomspike-", dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def _refuse_root_of_container(folder: Path) -> None:
    # What is written to the container itself, and not to a disk that is mounted in it, is lost when it ends.
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if os.environ.get("GLOMSPIKE_CONTAINER") and there.stat().st_dev == Path("/").stat().st_dev:
        quoted = shlex.quote(str(folder))
        cure = f"add -v {quoted}:{quoted} to docker run, or check the path"
        raise OutputError(folder, "is not mounted in the container", cure)


def clear_unfinished(place: Path) -> None:
    """Removes what a process that died left of its work on a result folder, unless another is at it."""
    if hidden_beside(place, "partial").exists():
        try:
            with claimed(place, DYING_S):
                shutil.rmtree(hidden_beside(place, "partial"), ignore_errors=True)
        except BusyError:
            pass


class ResultFolder:
    """A context in which this run alone works on `place`, and builds a slide's results under a hidden name.

    Write into `path`, then call `publish` or `replace`. What has not been published when the context ends is
    removed, and so is what a run that died has left. The results are built beside their place, or in the
    folder `scratch` and copied there when they are complete. Entering it raises OutputError where nothing can
    be written, or where `place` holds files that glomspike did not write, and BusyError where another run is
    working on it, unless it is to `wait` for that.
    """

    def __init__(self, place: Path, scratch: Path | None = None, wait: bool = True) -> None:
        self.place = place
        self._beside = hidden_beside(place, "partial")
        self.path = self._beside if scratch is None else scratch / "results"
        self._wait = wait
        self._context = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as context:
            try:
                self.place.parent.mkdir(parents=True, exist_ok=True)
                context.enter_context(claimed(self.place, FOREVER if self._wait else 0))
                if not _is_free(self.place):
                    _refuse_foreign(self.place)
                context.callback(self._clear)
                self._clear()
                self.path.mkdir()
            except OSError as error:
                raise _unwritable(self.place.parent, error) from error
            self._context = context.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()

    def _clear(self) -> None:
        for folder in {self.path, self._beside}:
            shutil.rmtree(folder, ignore_errors=True)  # gone already where it was published

    def publish(self, record: RunRecord) -> None:
        """Complete the results with their record, and move them to their place, which must be free."""
        self._complete(record)
        self._move_into_place()

    def replace(self, record: RunRecord) -> None:
        """Publish the results in place of earlier ones, which are moved aside to `NAME.previous-1` or so.

        These are removed only when the new ones stand, and only if every file in them is just as glomspike
        wrote it: a folder with anything of the user's in it is kept.
        """
        self._complete(record)
        if _is_free(self.place):
            self._move_into_place()
            return
        aside = _unused_name(self.place)
        self.place.rename(aside)
        try:
            self._move_into_place()
        except OutputError:
            aside.rename(self.place)
            raise
        if _is_untouched(aside):
            shutil.rmtree(aside, ignore_errors=True)

    def _complete(self, record: RunRecord) -> None:
        """Finish the results and see that they are on the disk, beside their place."""
        files = _file_hashes(self.path)
        write_record(self.path, record.model_copy(update={"files": files}))
        if self.path != self._beside:
            shutil.copytree(self.path, self._beside)
            if _file_hashes(self._beside) != files:
                raise OutputError(self.place, "its files changed while they were copied", "check the disk")
        _sync(self._beside)

    def _move_into_place(self) -> None:
        try:
            self._beside.rename(self.place)
        except OSError as error:
            raise OutputError(
                self.place,
                f"cannot be put in place ({error.strerror})",
                "make sure that nothing else writes there, and run again",
            ) from error


def _sync(folder: Path) -> None:
    """A folder's files are on the disk when this returns, so that a power cut cannot hollow them out."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _unwritable(folder: Path, error: OSError) -> OutputError:
    cause = f"cannot be written ({error.strerror})"
    return OutputError(folder, cause, "choose an output folder that you may write to")


def _is_free(place: Path) -> bool:
    """Nothing there, or an empty folder, which a rename replaces."""
    if place.is_dir() and not place.is_symlink():
        return not any(place.iterdir())
    return not os.path.lexists(place)


def _refuse_foreign(place: Path) -> None:
    # The data of slide.mrxs lie in a folder slide/: moving it aside would break the slide.
    if not (place / RECORD_NAME).is_file():
        raise OutputError(
            place,
            "was not written by glomspike and is not replaced",
            "move it, or choose another output folder",
        )


def _unused_name(place: Path) -> Path:
    number = 1
    while os.path.lexists(aside := place.with_name(f"{place.name}.previous-{number}")):
        number += 1
    return aside


def _is_untouched(folder: Path) -> bool:
    """Whether a folder holds exactly the files of its record, unchanged, and only the folders they need."""
    try:
        record = read_record(folder)
        entries = list(folder.rglob("*"))
        needed = {folder / name for name in record.files} | {folder / RECORD_NAME}
        parents = {parent for path in needed for parent in path.parents if parent != folder}
        folders = {entry for entry in entries if entry.is_dir()}
        return (
            not any(entry.is_symlink() for entry in entries)
            and folders <= parents
            and set(entries) - folders == needed
            and _file_hashes(folder) == record.files
        )
    except (OSError, OutputError):
        return False


def _file_hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 (hex) of every file but the record, by its name relative to the folder."""
    hashes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / RECORD_NAME:
            with path.open("rb") as file:
                hashes[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
