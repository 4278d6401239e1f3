"""The bytes of an annotation file, packed or not, read whole as long as it is of a sane size."""

import gzip
import zlib
from pathlib import Path

from glomspike.errors import AnnotationError

PACKED_SUFFIX = ".gz"
MAX_FILE_BYTES = 64 * 1024 * 1024  # some million vertices; no annotated slide comes near it


def read_document(path: Path) -> bytes:
    """The content of an annotation file; one that ends in `.gz` is unpacked.

    Raises AnnotationError where it cannot be read or is too large, however small it is packed.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == PACKED_SUFFIX else path.open("rb") as file:
            document = file.read(MAX_FILE_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise AnnotationError(path, f"cannot be unpacked ({error})", "export or pack it again") from error
    except OSError as error:
        cause = f"cannot be read ({error.strerror or error})"
        raise AnnotationError(path, cause, "check the path and the permissions") from error
    if len(document) > MAX_FILE_BYTES:
        cause = f"is larger than {MAX_FILE_BYTES >> 20} MiB"
        raise AnnotationError(path, cause, "give fewer annotations in one file")
    return document
