"""What a slide's glomeruli are after a reviewer's changes: the run's findings, with those changes made.

Each reviewer has a separate state, so that two can review one slide independently. A change that was
undone stays in the journal and counts for nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from glomspike.annotate.meaning import AGREEING_IOU
from glomspike.findings import NON_GLOMERULAR, SCLEROSED, Call, Points, SlideFacts
from glomspike.geometry.circles import circle_iou, enclosing_circle
from glomspike.results.findings import Finding, SlideFindings
from glomspike.review.changes import (
    Agreement,
    BoxesChange,
    CallChange,
    Change,
    CircleChange,
    DrawnGlomerulus,
    Edit,
    NoteChange,
    OutlineChange,
    PresenceChange,
    Redo,
    ReviewedCircle,
    SclerosisChange,
    Undo,
)

Box0 = tuple[float, float, float, float]  # x, y, width, height


@dataclass(frozen=True, eq=False)
class ReviewedGlomerulus:
    """A glomerulus as a reviewer sees it, in level-0 pixels and micrometres.

    `finding` is None for one that the reviewer drew. `outline0` (n, 2) is None where only a circle is known.
    `reviewed` once the reviewer agreed with it or changed it; `moved` and `redrawn` where circle or outline
    are the reviewer's; `called` where the call is, by a change or by agreement.
    """

    key: str
    finding: Finding | None
    circle: ReviewedCircle
    outline0: Points | None
    call: Call | None
    sclerosed: bool | None
    is_glomerulus: bool
    boxes0: tuple[Box0, ...] = ()
    note: str = ""
    reviewed: bool = False
    moved: bool = False
    redrawn: bool = False
    called: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether it is not as the run found it."""
        if self.finding is None:
            return True
        found = _unreviewed(self.finding)
        if not (self.is_glomerulus and found.is_glomerulus):
            return self.is_glomerulus != found.is_glomerulus
        judged = (self.call, self.sclerosed) != (found.call, found.sclerosed)
        return judged or self.moved or bool(self.boxes0)


def labels(state: Iterable[ReviewedGlomerulus]) -> dict[str, str]:
    """What people call each glomerulus, by its key: by the run's number, those drawn "new 1" and so on."""
    drawn = count(1)
    return {one.key: f"new {next(drawn)}" if one.finding is None else one.key for one in state}


def reviewers(changes: Iterable[Change]) -> tuple[str, ...]:
    """Who changed something, in the order of their first change."""
    return tuple(dict.fromkeys(change.reviewer for change in changes))


@dataclass(frozen=True)
class History:
    """A reviewer's changes that hold, in order, and those undone, the last undone at the end."""

    done: tuple[Edit, ...]
    undone: tuple[Edit, ...]


def history(changes: Iterable[Change], reviewer: str) -> History:
    """What holds of a reviewer's changes. A new change ends what could be done again."""
    done: list[Edit] = []
    undone: list[Edit] = []
    for change in changes:
        if change.reviewer != reviewer:
            continue
        match change.edit:
            case Undo():
                if done:
                    undone.append(done.pop())
            case Redo():
                if undone:
                    done.append(undone.pop())
            case edit:
                done.append(edit)
                undone.clear()
    return History(tuple(done), tuple(undone))


def reviewed_glomeruli(found: SlideFindings, edits: Sequence[Edit]) -> tuple[ReviewedGlomerulus, ...]:
    """The glomeruli of a slide after a reviewer's changes: the run's in its order, then those drawn."""
    state = {str(finding.id): _unreviewed(finding) for finding in found.findings}
    for edit in edits:
        if isinstance(edit, DrawnGlomerulus):
            state[edit.glomerulus] = _drawn(edit)
        elif edit.glomerulus in state:
            state[edit.glomerulus] = _changed(state[edit.glomerulus], edit, found.slide)
    return tuple(state.values())


def _unreviewed(finding: Finding) -> ReviewedGlomerulus:
    lesion, circle = finding.lesion, finding.circle
    return ReviewedGlomerulus(
        key=str(finding.id),
        finding=finding,
        circle=ReviewedCircle(x0=circle.x0, y0=circle.y0, radius_um=circle.radius_um),
        outline0=finding.outline0,
        call=finding.call,
        sclerosed=None if lesion is None else lesion.name in SCLEROSED,
        is_glomerulus=lesion is None or lesion.name != NON_GLOMERULAR,
    )


def _drawn(edit: DrawnGlomerulus) -> ReviewedGlomerulus:
    return ReviewedGlomerulus(
        key=edit.glomerulus,
        finding=None,
        circle=edit.circle,
        outline0=None if edit.polygon0 is None else np.array(edit.polygon0),
        call=None,
        sclerosed=None,
        is_glomerulus=True,
        reviewed=True,
        moved=True,
        redrawn=edit.polygon0 is not None,
    )


def _changed(before: ReviewedGlomerulus, edit: Edit, slide: SlideFacts) -> ReviewedGlomerulus:
    after = replace(before, reviewed=True)
    match edit:
        case CircleChange():
            after = _with_circle(after, edit.circle, slide)
        case OutlineChange():
            outline0 = np.array(edit.polygon0)
            circle = circle_around(outline0, slide)
            after = replace(after, circle=circle, outline0=outline0, moved=True, redrawn=True)
        case BoxesChange() if edit.boxes0:
            after = replace(after, boxes0=edit.boxes0, call="spiked", called=True)
        case BoxesChange():
            after = replace(after, boxes0=())
        case PresenceChange():
            after = replace(after, is_glomerulus=edit.is_glomerulus)
        case _:
            after = _judged(after, edit)
    return after


def _judged(before: ReviewedGlomerulus, edit: Edit) -> ReviewedGlomerulus:
    """The glomerulus after a change of what is said of it."""
    match edit:
        case Agreement():
            return replace(before, called=before.call is not None)
        case CallChange():
            return replace(before, call=edit.call, called=True, is_glomerulus=True)
        case SclerosisChange():
            return replace(before, sclerosed=edit.sclerosed)
        case NoteChange():
            return replace(before, note=edit.note.strip())
        case _:
            return before


def _with_circle(before: ReviewedGlomerulus, circle: ReviewedCircle, slide: SlideFacts) -> ReviewedGlomerulus:
    """The glomerulus with its circle elsewhere; an outline that no longer fits is left behind."""
    after = replace(before, circle=circle, moved=True)
    if before.outline0 is None:
        return after
    around = circle_around(before.outline0, slide)
    fits = _circle_iou(around, circle, slide) >= AGREEING_IOU
    return after if fits else replace(after, outline0=None, redrawn=False)


def _circle_iou(first: ReviewedCircle, second: ReviewedCircle, slide: SlideFacts) -> float:
    circles_um = [
        np.array([[one.x0 * slide.mpp.x, one.y0 * slide.mpp.y, one.radius_um]]) for one in (first, second)
    ]
    return float(circle_iou(*circles_um)[0, 0])


def circle_around(outline0: Points, slide: SlideFacts) -> ReviewedCircle:
    """The least circle, round in micrometres, around an outline (n, 2) in level-0 pixels."""
    scale = np.array([slide.mpp.x, slide.mpp.y])
    x_um, y_um, radius_um = enclosing_circle(outline0 * scale)
    return ReviewedCircle(x0=x_um / slide.mpp.x, y0=y_um / slide.mpp.y, radius_um=max(radius_um, 0.01))
