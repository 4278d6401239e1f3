"""What a slide's DICOM objects belong to: patient, study, frame of reference, and a DICOM slide's image."""

import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import UID, VLWholeSlideMicroscopyImageStorage
from pydicom.valuerep import DA, TM

from glomspike.errors import SlideError
from glomspike.findings import Mpp, Points, SlideFacts
from glomspike.geometry.frames import to_millimetres
from glomspike.slide.fingerprint import companions

_UIDS = uuid.UUID("f88ef463-c38e-40ba-bc1e-b97ebe0ef78f")
_PER_FRAME = 0x52009230  # the first of what may be long in a header, and is not needed here
_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_OF_THE_PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber",
    "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Origin:
    """Whose a slide's DICOM objects are, and what their coordinates count.

    `header` holds the patient, the study and the frame of reference. Of a DICOM slide it is the header of
    level 0, and `level0_uids` are the SOP Instance UIDs of its parts: coordinates count the pixels of its
    total pixel matrix. Of any other slide there is no image to refer to, and `level0_uids` is empty:
    coordinates are millimetres in the frame of reference, from the corner of level 0.
    """

    header: Dataset
    level0_uids: frozenset[str]

    @property
    def is_image(self) -> bool:
        """Whether there is a DICOM image to refer to."""
        return bool(self.level0_uids)


def origin_of(path: Path, slide: SlideFacts, fingerprint: str) -> Origin:
    """What the objects of a slide belong to.

    A slide that is not DICOM does not say whose it is: its patient is left empty, its study is made from its
    fingerprint, the same for the same slide, and its frame of reference from that and µm/px, as millimetres
    are others where a slide is taken to have another scale. Raises SlideError for a DICOM slide whose header
    lacks what objects must refer to.
    """
    if slide.vendor != "dicom":
        return Origin(_made_up(fingerprint, slide.mpp), frozenset())
    try:
        with values_as_they_stand():
            return _of_dicom(path, slide)
    except SlideError:
        raise
    except Exception as error:  # a damaged header fails in many ways
        raise unusable_header(path, error) from error


@contextmanager
def values_as_they_stand() -> Iterator[None]:
    """A context in which a header's values are kept as they are, valid or not.

    No warnings are printed: they show patients' names.
    """
    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _of_dicom(path: Path, slide: SlideFacts) -> Origin:
    level0 = [header for header in _headers(path) if _is_level0(header, slide)]
    if not level0:
        cause = f"no file in its folder holds the {slide.width0} pixels wide level 0 of its series"
        raise SlideError(path, cause, "check that the series is complete, or omit --dicom")
    header = min(level0, key=lambda one: int(one.get("InConcatenationNumber") or 0))
    if missing := [name for name in _IDENTIFIERS if not header.get(name)]:
        cause = f"its DICOM header has no {', '.join(missing)}, which annotations refer to"
        raise SlideError(path, cause, "export the slide again, or omit --dicom")
    _fill(header)
    return Origin(header, frozenset(str(one.SOPInstanceUID) for one in level0))


def _headers(path: Path) -> Iterator[Dataset]:
    """The headers of all files of a slide, without what is said of single frames."""
    for part in (path, *companions(path)):
        with part.open("rb") as file:
            yield read_partial(file, _is_per_frame)


def unusable_header(path: Path, error: Exception) -> SlideError:
    """The error for a DICOM slide from whose header no objects can be made."""
    cause = f"its DICOM header cannot be used for annotations ({type(error).__name__}: {error})"
    return SlideError(path, cause, "export the slide again, or omit --dicom")


def _is_per_frame(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) >= _PER_FRAME


def _is_level0(header: Dataset, slide: SlideFacts) -> bool:
    size0 = header.get("TotalPixelMatrixColumns"), header.get("TotalPixelMatrixRows")
    return size0 == (slide.width0, slide.height0) and "VOLUME" in (header.get("ImageType") or ())


def _made_up(fingerprint: str, mpp: Mpp) -> Dataset:
    header = Dataset()
    header.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    header.Modality = "SM"
    for name in _IDENTIFIERS:
        setattr(header, name, uid_for(f"{name} {fingerprint}"))
    header.FrameOfReferenceUID = uid_for(f"FrameOfReferenceUID {fingerprint} {mpp.x} {mpp.y}")
    _fill(header)
    return header


def uid_for(name: str) -> UID:
    """A UID derived from a UUID (PS3.5, B.2), the same for the same name."""
    return UID(f"2.25.{uuid.uuid5(_UIDS, name).int}")


def _fill(header: Dataset) -> None:
    """Adds, empty, what must be there of patient and study, and empties what DICOM does not allow."""
    for name in _OF_THE_PATIENT_AND_STUDY:
        if header.get(name) is None:
            setattr(header, name, "")
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = ""
    for name, kind in {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}.items():
        try:
            kind(header[name].value)
        except (ValueError, TypeError):
            header[name].value = ""


def coordinates(points0: Points, origin: Origin, mpp: Mpp) -> Points:
    """Level-0 points (n, 2) as the slide's objects have them: (n, 2) pixels, or (n, 3) millimetres."""
    if origin.is_image:
        return points0  # a pixel of the total pixel matrix spans 0 to 1 as well
    points_mm = to_millimetres(points0, mpp)
    return np.column_stack([points_mm, np.zeros(len(points_mm))])
