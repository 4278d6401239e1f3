"""A folder of slides without a table: each slide is a case."""

from collections.abc import Sequence
from pathlib import Path

from glomspike.cases.table import Case, CaseImage, folder_names
from glomspike.errors import SamplesError
from glomspike.names import as_text
from glomspike.slide.find import FoundSlide

CASES = "cases"  # the folder of OUT that holds cases


def cases_of_folder(folder: Path, slides: Sequence[FoundSlide]) -> tuple[Case, ...]:
    """A case for each slide, named as its results are.

    Raises SamplesError where the results of a slide would lie among those of cases.
    """
    for slide in slides:
        if Path(slide.folder).parts[0].casefold() == CASES:
            cause = f"holds a slide or folder named {CASES}, where results of cases belong"
            raise SamplesError(folder, cause, "rename it")
    names = [as_text(slide.folder) for slide in slides]
    return tuple(
        Case(name, place, (_image(name, slide),))
        for name, place, slide in zip(names, folder_names(names), slides, strict=True)
    )


def _image(case: str, slide: FoundSlide) -> CaseImage:
    return CaseImage(case, as_text(slide.name), slide.path, "om", "", level=1, block="", mpp=None)
