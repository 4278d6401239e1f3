"""The slides that are reviewed: each with its findings, its journal, and its pixels where those are there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from glomspike.errors import GlomspikeError, OutputError, SlideError
from glomspike.findings import RGB
from glomspike.results.findings import Finding, SlideFindings, read_findings
from glomspike.review.changes import Change, NewChange
from glomspike.review.find import find_slide
from glomspike.review.informative import Features, features_of
from glomspike.review.journal import Journal, read_changes
from glomspike.review.limits import check_change
from glomspike.review.state import History, ReviewedGlomerulus, history, reviewed_glomeruli, reviewers
from glomspike.review.summary import Review, review_of, write_review
from glomspike.review.tiles import PictureCache, Pyramid, jpeg, read_tile
from glomspike.review.worth import Worth, worth_of
from glomspike.slide.reader import Slide, read_picture

PICTURES = ("images", "heatmaps")
THUMBNAIL_PX = 112
READERS = 4  # of patches at once


@dataclass(frozen=True)
class PictureCorners:
    """Where a picture of a glomerulus lies: its corners in level-0 pixels."""

    left0: float
    top0: float
    right0: float
    bottom0: float


class ReviewedSlide:
    """One folder of results, and what was changed about it. Any thread may use it.

    After `begin`, changes can be saved, or `read_only` says why they cannot. Raises OutputError where the
    results or an earlier review cannot be read, and SlideError where a slide that was given is another one.
    """

    def __init__(self, folder: Path, name: str, given: Sequence[Path]) -> None:
        self.folder = folder
        self.name = name
        self.found: SlideFindings = read_findings(folder)
        self.slide: Slide | None = find_slide(self.found.record, folder, given)
        self.pyramid = Pyramid.of(self.found.slide)
        self.read_only: OutputError | None = None
        self._journal: Journal | None = None
        self._lock = Lock()
        self._states: dict[str, tuple[int, tuple[ReviewedGlomerulus, ...]]] = {}  # after so many changes
        self._saved = read_changes(folder)

    def begin(self) -> None:
        """Take hold of the journal, so that changes can be saved until the slide is closed."""
        try:
            self._journal = Journal(self.folder)
        except OutputError as error:
            self.read_only = error

    @property
    def changes(self) -> tuple[Change, ...]:
        """All reviewers' changes, in the order they were made."""
        return self._saved if self._journal is None else self._journal.changes

    @property
    def reviewers(self) -> tuple[str, ...]:
        """Who changed something."""
        return reviewers(self.changes)

    def history(self, reviewer: str) -> History:
        """The changes of a reviewer that hold, and those that can be done again."""
        return history(self.changes, reviewer)

    def state(self, reviewer: str) -> tuple[ReviewedGlomerulus, ...]:
        """The glomeruli as a reviewer sees them."""
        changes = len(self.changes)
        known = self._states.get(reviewer)
        if known is None or known[0] != changes:
            known = changes, reviewed_glomeruli(self.found, self.history(reviewer).done)
            self._states[reviewer] = known
        return known[1]

    @cached_property
    def worth(self) -> dict[int, Worth]:
        """How much a look at each of the run's glomeruli is worth, by its number."""
        found = self.found
        return {one.id: worth_of(one, found.slide, found.threshold) for one in found.findings}

    @cached_property
    def features(self) -> dict[int, Features]:
        """What `informative_order` knows of each of the run's glomeruli (k,), by its number."""
        found = self.found.findings
        with ThreadPoolExecutor(READERS) as pool:
            patches = pool.map(lambda one: self._read("patches", one.id), found)
            return {one.id: features_of(one, patch) for one, patch in zip(found, patches, strict=True)}

    def review(self) -> Review:
        """How the slide stands after everybody's changes."""
        states = {name: self.state(name) for name in self.reviewers}
        return review_of(self.found, self.changes, states, None if self.slide is None else self.slide.path)

    def save(self, new: NewChange) -> None:
        """Save a change; it is on the disk when this returns.

        Raises OutputError where it cannot be saved, RefusedChange where it makes no sense.
        """
        with self._lock:
            if self._journal is None:
                raise self.read_only or OutputError(self.folder, "is not under review", "start a review")
            if not self._journal.holds(new.id):
                check_change(new.edit, self.state(new.reviewer), self.found.slide)
                change = Change(id=new.id, reviewer=new.reviewer, edit=new.edit, time=datetime.now(UTC))
                self._journal.add(change)
            write_review(self.folder, self.review())

    def tile(self, zoom: int, column: int, row: int, cache: PictureCache) -> bytes | None:
        """A tile as JPEG, None where there is no such tile or the slide's file is missing."""
        if self.slide is None or not self.pyramid.holds(zoom, column, row):
            return None
        key = (self.name, zoom, column, row)
        held = cache.get(key)
        if held is None:
            held = jpeg(read_tile(self.slide, self.pyramid, zoom, column, row))
            cache.put(key, held)
        return held

    def picture(self, kind: str, number: int, small: bool, cache: PictureCache) -> bytes | None:
        """A run's picture of a glomerulus as JPEG, None where there is none.

        A heatmap comes without its colour bar, so that it lies on the image pixel by pixel.
        """
        if kind not in PICTURES or number not in self._findings:
            return None
        key = (self.name, kind, number, small)
        held = cache.get(key)
        if held is not None:
            return held
        image = self._read(kind, number)
        if image is None:
            return None
        if kind == "heatmaps":
            field = self._read("images", number)
            image = image if field is None else image[: field.shape[0], : field.shape[1]]
        if small:
            scale = THUMBNAIL_PX / max(image.shape[:2])
            resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            image = np.asarray(resized, dtype=np.uint8)
        held = jpeg(image)
        cache.put(key, held)
        return held

    def is_pictured(self, number: int) -> bool:
        """Whether the run wrote pictures of a glomerulus."""
        return number in self._pictured

    def placed(self, number: int) -> PictureCorners | None:
        """Where a glomerulus's picture lies on the slide, None where that cannot be known.

        The mask shows the outline whose place is known, so that both boxes give the picture's place.
        """
        finding, mask = self._findings[number], self._read("masks", number)
        if finding.outline0 is None or mask is None or not mask.any():
            return None
        rows, columns = np.flatnonzero(mask.any((1, 2))), np.flatnonzero(mask.any((0, 2)))
        (left0, top0), (right0, bottom0) = finding.outline0.min(axis=0), finding.outline0.max(axis=0)
        scale_x0 = (right0 - left0) / (columns[-1] + 1 - columns[0])
        scale_y0 = (bottom0 - top0) / (rows[-1] + 1 - rows[0])
        corner_x0, corner_y0 = left0 - columns[0] * scale_x0, top0 - rows[0] * scale_y0
        height_px, width_px = mask.shape[:2]
        return PictureCorners(
            corner_x0, corner_y0, corner_x0 + width_px * scale_x0, corner_y0 + height_px * scale_y0
        )

    @cached_property
    def _findings(self) -> dict[int, Finding]:
        return {finding.id: finding for finding in self.found.findings}

    @cached_property
    def _pictured(self) -> frozenset[int]:
        stems = (path.stem for path in (self.folder / "images").glob("*.png"))
        return frozenset(int(stem) for stem in stems if stem.isdecimal())

    def _read(self, kind: str, number: int) -> RGB | None:
        """A picture of a run (height, width, 3), None where it is not there or damaged."""
        path = (self.folder / kind / f"{number:04d}.png").resolve()
        if not path.is_relative_to(self.folder.resolve()):  # a link that leads elsewhere
            return None
        try:
            return read_picture(path)
        except SlideError:
            return None

    def close(self) -> None:
        """Let go of the slide and of the journal."""
        if self.slide is not None:
            self.slide.close()
        if self._journal is not None:
            self._journal.close()


def open_reviewed(
    out: Path, folders: Sequence[Path], given: Sequence[Path]
) -> tuple[list[ReviewedSlide], list[GlomspikeError]]:
    """The slides of folders of results, ready to be reviewed, and why others cannot be."""
    slides, failures = [], []
    for folder in folders:
        inside = folder.relative_to(out).as_posix()
        try:
            slide = ReviewedSlide(folder, folder.absolute().name if inside == "." else inside, given)
            slide.begin()
            slides.append(slide)
        except GlomspikeError as failure:
            failures.append(failure)
    return slides, failures
