"""`review.json`: how a slide's glomeruli stand after review, for each reviewer, and how far two agree.

It is made from the journal and the findings, which stay as they are, and can be made again from them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from glomspike.errors import OutputError
from glomspike.findings import Call
from glomspike.results.files import replace_file
from glomspike.results.findings import SlideFindings
from glomspike.review.changes import Change
from glomspike.review.state import Box0, ReviewedGlomerulus

REVIEW_NAME = "review.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReviewedRow(_Strict):
    """A glomerulus after review: middle, outline and boxes in level-0 pixels, radius in micrometres.

    `id` is the run's number or, for one that the reviewer drew, `drawn-...`.
    """

    id: str
    is_glomerulus: bool
    x: float
    y: float
    radius_um: float
    outline: tuple[tuple[float, float], ...] | None
    call: Call | None
    sclerosed: bool | None
    boxes: tuple[Box0, ...]
    note: str
    reviewed: bool

    @classmethod
    def of(cls, one: ReviewedGlomerulus) -> "ReviewedRow":
        """The row of a glomerulus."""
        outline0 = (
            None if one.outline0 is None else tuple((round(x, 2), round(y, 2)) for x, y in one.outline0)
        )
        return cls(
            id=one.key,
            is_glomerulus=one.is_glomerulus,
            x=round(one.circle.x0, 2),
            y=round(one.circle.y0, 2),
            radius_um=round(one.circle.radius_um, 2),
            outline=outline0,
            call=one.call,
            sclerosed=one.sclerosed,
            boxes=one.boxes0,
            note=one.note,
            reviewed=one.reviewed,
        )


class ReviewCounts(_Strict):
    """How many glomeruli there are after review, and how they are called.

    `listed` counts what was classified as none as well, and `reviewed` how many of these were reviewed.
    """

    listed: int
    reviewed: int
    glomeruli: int
    spiked: int
    not_spiked: int
    uncertain: int
    sclerosed: int
    drawn: int
    removed: int

    @classmethod
    def of(cls, state: Sequence[ReviewedGlomerulus]) -> "ReviewCounts":
        """The counts of a reviewer's state."""
        there = [one for one in state if one.is_glomerulus]
        calls = [one.call for one in there]
        return cls(
            listed=len(state),
            reviewed=sum(one.reviewed for one in state),
            glomeruli=len(there),
            spiked=calls.count("spiked"),
            not_spiked=calls.count("not spiked"),
            uncertain=calls.count("uncertain"),
            sclerosed=sum(one.sclerosed is True for one in there),
            drawn=sum(one.finding is None for one in there),
            removed=sum(one.reviewed for one in state if not one.is_glomerulus),
        )

    @property
    def sentence(self) -> str:
        """The counts in words: "14 of 16 spiked, 1 uncertain"."""
        called = self.spiked + self.not_spiked + self.uncertain
        uncertain = f", {self.uncertain} uncertain" if self.uncertain else ""
        return f"{self.spiked} of {called} spiked{uncertain}"

    @property
    def is_complete(self) -> bool:
        """Whether all that is listed was reviewed."""
        return self.reviewed == self.listed

    def by(self, reviewer: str) -> str:
        """Who reviewed, in words."""
        if self.is_complete:
            return f"Reviewed by {reviewer}"
        return f"Partly reviewed by {reviewer}, {self.reviewed} of {self.listed}"


class ReviewerState(_Strict):
    """One reviewer's review of a slide."""

    first: datetime
    last: datetime
    counts: ReviewCounts
    glomeruli: tuple[ReviewedRow, ...]


class AgreementOfTwo(_Strict):
    """How far two reviewers' calls agree, on the `glomeruli` that both called.

    `kappa` is Cohen's (1960), unweighted, over spiked, not spiked and uncertain; None where it is undefined,
    because both called everything the same one thing.
    """

    reviewers: tuple[str, str]
    glomeruli: int
    same: int
    kappa: float | None


class Review(_Strict):
    """The contents of `review.json`; `path` is where the slide's file was, None where it was not found."""

    slide: str
    fingerprint: str
    path: str | None
    reviewers: dict[str, ReviewerState]
    agreement: tuple[AgreementOfTwo, ...]


def review_of(
    found: SlideFindings,
    changes: Sequence[Change],
    states: Mapping[str, Sequence[ReviewedGlomerulus]],
    path: Path | None,
) -> Review:
    """How a slide, whose file is at `path`, stands after all changes to it, given each reviewer's state."""
    return Review(
        slide=found.slide.name,
        fingerprint=found.record.slide.fingerprint,
        path=None if path is None else str(path.absolute()),
        reviewers={name: _reviewer(name, state, changes) for name, state in states.items()},
        agreement=agreements(states),
    )


def _reviewer(name: str, state: Sequence[ReviewedGlomerulus], changes: Sequence[Change]) -> ReviewerState:
    times = [change.time for change in changes if change.reviewer == name]
    return ReviewerState(
        first=min(times),
        last=max(times),
        counts=ReviewCounts.of(state),
        glomeruli=tuple(ReviewedRow.of(one) for one in state),
    )


def agreements(states: Mapping[str, Sequence[ReviewedGlomerulus]]) -> tuple[AgreementOfTwo, ...]:
    """The agreement of every two reviewers who both called something."""
    calls = {
        name: {one.key: one.call for one in state if one.called and one.is_glomerulus and one.call}
        for name, state in states.items()
    }
    found = []
    for first, second in combinations(calls, 2):
        both = sorted(calls[first].keys() & calls[second].keys())
        if both:
            pairs = [(calls[first][key], calls[second][key]) for key in both]
            same = sum(one == other for one, other in pairs)
            found.append(
                AgreementOfTwo(
                    reviewers=(first, second), glomeruli=len(both), same=same, kappa=cohens_kappa(pairs)
                )
            )
    return tuple(found)


def cohens_kappa(pairs: Sequence[tuple[Call, Call]]) -> float | None:
    """Cohen's kappa (1960), eq. 1, of pairs of calls; None where chance alone agrees always."""
    observed = sum(one == other for one, other in pairs) / len(pairs)
    first, second = zip(*pairs, strict=True)
    chance = sum(first.count(call) * second.count(call) for call in set(first)) / len(pairs) ** 2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def read_review(folder: Path) -> Review | None:
    """How the results in a folder stand after review, None where that is unknown."""
    try:
        return Review.model_validate_json((folder / REVIEW_NAME).read_bytes())
    except (OSError, ValidationError):  # it is made again with the next change
        return None


def remembered_path(folder: Path) -> Path | None:
    """Where the slide of results under review was when they were last changed, None where that is unknown."""
    review = read_review(folder)
    return None if review is None or review.path is None else Path(review.path)


def write_review(folder: Path, review: Review) -> None:
    """`review.json` in a folder of results. Raises OutputError where it cannot be written."""
    path = folder / REVIEW_NAME
    try:
        replace_file(path, (review.model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        cause = f"cannot be written ({error.strerror})"
        raise OutputError(path, cause, "free some disk space or check the disk") from error
