"""Slides that were reviewed with `glomspike review`, as corrected slides that samples are made of."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from glomspike.errors import GlomspikeError, SamplesError
from glomspike.learn.corrections.find import CorrectedFolder
from glomspike.learn.corrections.patients import patients_of, read_patients
from glomspike.learn.corrections.write import CorrectedSlide
from glomspike.review.find import results_below
from glomspike.review.journal import JOURNAL_NAME
from glomspike.review.slides import ReviewedSlide
from glomspike.review.written import write_reviewed_geojson
from glomspike.slide.find import FoundSlide


def reviewed_results(folder: Path) -> tuple[Path, ...]:
    """The folders of results at or below a folder that were reviewed."""
    return tuple(place for place in results_below(folder) if (place / JOURNAL_NAME).is_file())


def find_reviewed(
    folder: Path, scratch: Path, patients: Path | None, slides: Sequence[Path], reviewer: str | None
) -> CorrectedFolder:
    """The reviewed slides among the results in a folder, their annotations written to the folder `scratch`.

    Slides lie at or below `slides`, beside their results, or where they were when they were reviewed.
    `reviewer` says whose review counts where there are several; without one, a slide of several is a failure.
    Raises SamplesError for a table of patients that cannot be used.
    """
    found: dict[FoundSlide, Path] = {}
    without: list[str] = []
    failures: list[GlomspikeError] = []
    for number, place in enumerate(reviewed_results(folder)):
        inside = place.relative_to(folder)
        name = place.absolute().name if inside == Path() else inside.as_posix()
        try:
            with closing(ReviewedSlide(place, name, slides)) as slide:
                chosen = _chosen(slide, reviewer)
                if chosen is None:
                    without.append(name)
                    continue
                annotations = scratch / f"{number}.geojson"
                write_reviewed_geojson(annotations, slide, chosen)
                found[_found(slide, inside)] = annotations
        except GlomspikeError as failure:
            failures.append(failure)
    known = patients_of(list(found), read_patients(patients), patients) if patients else {}
    corrected = tuple(
        CorrectedSlide(slide.path, annotations, slide.folder, known.get(slide))
        for slide, annotations in found.items()
    )
    return CorrectedFolder(corrected, tuple(without), tuple(failures))


def _chosen(slide: ReviewedSlide, reviewer: str | None) -> str | None:
    """Whose review counts; None where the reviewer who is wanted did not review this slide."""
    if reviewer is not None:
        return reviewer if reviewer in slide.reviewers else None
    if len(slide.reviewers) > 1:
        names = " and ".join(slide.reviewers)
        raise SamplesError(slide.folder, f"was reviewed by {names}", "choose one with --reviewer")
    return slide.reviewers[0] if slide.reviewers else None


def _found(slide: ReviewedSlide, inside: Path) -> FoundSlide:
    """A reviewed slide as if it lay in the folder of its results."""
    if slide.slide is None:
        cause = f"its slide {slide.found.slide.name} was not found"
        raise SamplesError(slide.folder, cause, "give --slides and the slide, or the folder it is in")
    name = (inside.parent / slide.found.slide.name).as_posix()
    return FoundSlide(slide.slide.path, name, slide.name)
