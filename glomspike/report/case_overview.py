"""A slide's overview for a case's report: without its colour bar, and where the case's glomeruli lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glomspike.errors import SlideError
from glomspike.findings import RGB
from glomspike.report.portrait import shrunk
from glomspike.results.case_record import CaseGlomerulus, ImageRecord
from glomspike.slide.reader import read_picture


@dataclass(frozen=True)
class Place:
    """A glomerulus on a slide: its number in the case, the middle of its upper edge as shares."""

    number: int
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class CaseOverview:
    """A slide small, with its glomeruli circled, and where the numbers of the case's glomeruli belong."""

    picture: RGB
    places: tuple[Place, ...]


def case_overview(
    image: ImageRecord, glomeruli: Sequence[CaseGlomerulus], out: Path, side_px: int
) -> CaseOverview | None:
    """The overview of a slide whose results lie in OUT; None where they or their picture are missing."""
    if image.folder is None or image.bounds0 is None or image.mpp_x is None or image.mpp_y is None:
        return None
    try:
        drawn = read_picture(out / image.folder / "overview.png")
    except SlideError:
        return None
    left, top, width, height = image.bounds0
    aspect = width * image.mpp_x / (height * image.mpp_y)
    slide_px = max(round(drawn.shape[0] * aspect), 1)  # right of that is the colour bar
    places = [
        Place(one.id, ((box[0] + box[2]) / 2 - left) / width, (box[1] - top) / height)
        for one in glomeruli
        for box in (profile.box0 for profile in one.profiles if profile.image == image.image)
    ]
    return CaseOverview(shrunk(drawn[:, :slide_px], side_px), tuple(places))
