"""Which DICOM files belong together: by what their headers say, whatever their names."""

from functools import lru_cache
from pathlib import Path

WHOLE_SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
SERIES_TAG = 0x0020000E
PREAMBLE_BYTES = 128


def slide_series(path: Path) -> str | None:
    """The series that a file of a whole-slide image belongs to; None for every other file."""
    try:
        status = path.stat()
        return _series(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return None


def files_of_series(path: Path, series: str) -> list[Path]:
    """The files of a series in the folder of one of them, that one included."""
    return [file for file in path.parent.iterdir() if file.is_file() and slide_series(file) == series]


@lru_cache(maxsize=2**16)  # every slide of a folder has to know which of its files are not its own
def _series(path: Path, _size_bytes: int, _time_ns: int) -> str | None:
    with path.open("rb") as file:
        file.seek(PREAMBLE_BYTES)
        if file.read(4) != b"DICM":
            return None
        file.seek(0)
        from pydicom.config import disable_value_validation
        from pydicom.filereader import read_partial

        try:
            with disable_value_validation():  # which warns on stderr
                # What follows may be long: a place on the slide for each of its tiles.
                header = read_partial(file, stop_when=lambda tag, _vr, _length: tag > SERIES_TAG)
                is_slide = header.get("SOPClassUID") == WHOLE_SLIDE_IMAGE and "SeriesInstanceUID" in header
                return str(header.SeriesInstanceUID) if is_slide else None
        except Exception:  # noqa: BLE001  (a damaged header fails in many ways)
            return None
