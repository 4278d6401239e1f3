"""What can go wrong for a user, each said in one line: which file, what is wrong, what to do."""

import os
import shlex
from pathlib import Path


class GlomspikeError(Exception):
    """A failure a user can understand and fix; the command line prints it without a traceback.

    `subject` is the file, folder or option concerned, `cause` what is wrong with it, `cure` what to do.
    """

    def __init__(self, subject: object, cause: str, cure: str) -> None:
        self.subject = str(subject)
        self.cause = cause
        self.cure = cure
        super().__init__(f"{self.subject}: {cause}; {cure}")

    def __reduce__(self) -> tuple[type["GlomspikeError"], tuple[str, str, str]]:
        """What it is pickled as, on its way from one process to another."""
        return type(self), (self.subject, self.cause, self.cure)


class SlideError(GlomspikeError):
    """A slide that cannot be opened, has no usable scale, or breaks while it is read."""


class NoScaleError(SlideError):
    """A slide that does not record its µm/px, where none is given either."""


def missing_slide(path: Path) -> SlideError:
    """The error for a slide that is not there; in a container it names the option that would mount it."""
    return SlideError(path, *not_there(path, "does not exist"))


def not_there(path: Path, cause: str) -> tuple[str, str]:
    """Cause and cure for a path that is not there; in a container, the option that would mount it."""
    if not os.environ.get("GLOMSPIKE_CONTAINER"):
        return cause, "check the path"
    folder = shlex.quote(str(path.absolute().parent))
    return "is not mounted in the container", f"add -v {folder}:{folder} to docker run, or check the path"


class UnreadableRegion(SlideError):
    """A part of a slide that cannot be decoded; stages catch it and count what they could not see."""


class OutputError(GlomspikeError):
    """An output folder that cannot be written, or that holds the results of other settings."""


class WeightsError(GlomspikeError):
    """A weight file or card that is missing, damaged, or not what its card says."""


class SamplesError(GlomspikeError):
    """A samples table, or a file it names, that cannot be used."""


class AnnotationError(GlomspikeError):
    """An annotation file that cannot be read, or holds a shape that cannot be understood."""


class RefusedChange(GlomspikeError):
    """A change of a review that makes no sense where it was drawn, and is not saved."""


class DeviceError(GlomspikeError):
    """A device that was requested and is not there."""


class UsageError(GlomspikeError):
    """A command typed wrongly in a way the option parser cannot see; exit status 2."""
