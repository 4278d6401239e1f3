"""Which slides of a folder were corrected: those with an annotation file of the same name beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glomspike.errors import GlomspikeError, SamplesError
from glomspike.learn.corrections.patients import patients_of, read_patients
from glomspike.learn.corrections.write import CorrectedSlide
from glomspike.names import as_text
from glomspike.slide.find import FoundSlide, find_slides
from glomspike.slide.fingerprint import fingerprint

ANNOTATION_SUFFIXES = (".xml", ".geojson", ".geojson.gz", ".ann.dcm")


@dataclass(frozen=True)
class CorrectedFolder:
    """The corrected slides of a folder, the names of those without annotations, and what is wrong."""

    corrected: tuple[CorrectedSlide, ...]
    without: tuple[str, ...]
    failures: tuple[GlomspikeError, ...]


def find_corrected(folder: Path, out: Path, patients: Path | None) -> CorrectedFolder:
    """The corrected slides of a folder and those below.

    Whose tissue they are says the table `patients`; without one it is left open. A copy of a slide that is
    another patient's is a failure. Raises SamplesError for a table that cannot be used.
    """
    annotated: dict[FoundSlide, Path] = {}
    without: list[str] = []
    failures: list[GlomspikeError] = []
    for found in find_slides(folder, out):
        try:
            annotations = annotations_beside(found.path)
        except SamplesError as error:
            failures.append(error)
            continue
        if annotations is not None:
            annotated[found] = annotations
        elif not found.is_picture:
            without.append(found.name)
    failures += _shared(annotated)
    known = patients_of(list(annotated), read_patients(patients), patients) if patients else {}
    corrected = [
        CorrectedSlide(found.path, annotations, as_text(found.folder), known.get(found))
        for found, annotations in annotated.items()
    ]
    failures += _copies(corrected)
    copies = {failure.subject for failure in failures}
    return CorrectedFolder(
        tuple(one for one in corrected if str(one.slide) not in copies), tuple(without), tuple(failures)
    )


def _shared(annotated: dict[FoundSlide, Path]) -> list[SamplesError]:
    """Takes out what would share an annotation file with another slide; a failure for each such file.

    Of two slides of one stem it is unknown which was drawn on; of a slide and a picture of its stem, such as
    an overview, it was the slide.
    """
    failures = []
    for file in sorted(set(annotated.values())):
        sharing = [found for found, annotations in annotated.items() if annotations == file]
        slides = [found for found in sharing if not found.is_picture]
        if len(sharing) == 1:
            continue
        if len(slides) != 1:
            named = " and ".join(found.path.name for found in sharing)
            failures.append(SamplesError(file, f"may belong to {named}", "give each slide a different name"))
        for found in sharing:
            if slides != [found]:
                del annotated[found]
    return failures


def _copies(corrected: Sequence[CorrectedSlide]) -> Iterator[SamplesError]:
    """A failure for each slide that is the same as one before it, and not the same patient's by the table."""
    first: dict[str, CorrectedSlide] = {}
    for one in corrected:
        try:
            original = first.setdefault(fingerprint(one.slide), one)
        except OSError:  # said when its samples are made
            continue
        if original is not one and (one.patient is None or one.patient != original.patient):
            cause = f"is a copy of {original.slide.name}, which counts as another patient's"
            cure = "delete one of them, or give both to one patient with --patients"
            yield SamplesError(one.slide, cause, cure)


def annotations_beside(slide: Path) -> Path | None:
    """The annotation file of a slide's name in its folder. Raises SamplesError where there are several."""
    stems = {slide.stem, as_text(slide.stem)}  # the latter as a run names its files
    beside = [slide.with_name(f"{stem}{suffix}") for stem in stems for suffix in ANNOTATION_SUFFIXES]
    there = [path for path in beside if path.is_file()]
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise SamplesError(slide, f"has {names} beside it", "delete the one that you did not correct")
    return there[0] if there else None
