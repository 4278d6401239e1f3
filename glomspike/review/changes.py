"""What a reviewer can change about a slide's findings, and what a line of the journal holds.

Positions are level-0 pixels of the whole slide, radii micrometres, as in `glomeruli.csv`.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from glomspike.findings import Call

MOST_VERTICES = 5000
MOST_BOXES = 400
LONGEST_NOTE = 4000
FARTHEST0 = 1e7  # level-0 pixels; no slide is as wide
LARGEST_RADIUS_UM = 2000.0

ChangeId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
# A glomerulus of the run by its number, or one that a reviewer drew.
Key = Annotated[str, StringConstraints(pattern=r"^(\d{1,9}|drawn-[0-9a-f]{8})$")]
DrawnKey = Annotated[str, StringConstraints(pattern=r"^drawn-[0-9a-f]{8}$")]
Reviewer = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]

_Place0 = Annotated[float, Field(ge=-FARTHEST0, le=FARTHEST0)]
_Side0 = Annotated[float, Field(gt=0, le=FARTHEST0)]
Vertices = Annotated[tuple[tuple[_Place0, _Place0], ...], Field(min_length=3, max_length=MOST_VERTICES)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReviewedCircle(_Strict):
    """A circle: its middle in level-0 pixels, its radius in micrometres."""

    x0: _Place0
    y0: _Place0
    radius_um: Annotated[float, Field(gt=0, le=LARGEST_RADIUS_UM)]


class Agreement(_Strict):
    """The glomerulus is as it stands."""

    kind: Literal["agree"] = "agree"
    glomerulus: Key


class CallChange(_Strict):
    """Spiked, not spiked, or uncertain."""

    kind: Literal["call"] = "call"
    glomerulus: Key
    call: Call


class SclerosisChange(_Strict):
    """Globally sclerosed or not."""

    kind: Literal["sclerosed"] = "sclerosed"
    glomerulus: Key
    sclerosed: bool


class PresenceChange(_Strict):
    """Whether there is a glomerulus at all."""

    kind: Literal["presence"] = "presence"
    glomerulus: Key
    is_glomerulus: bool


class CircleChange(_Strict):
    """The circle moved or resized."""

    kind: Literal["circle"] = "circle"
    glomerulus: Key
    circle: ReviewedCircle


class OutlineChange(_Strict):
    """The redrawn outline; vertices (n, 2) in level-0 pixels, the first not repeated."""

    kind: Literal["outline"] = "outline"
    glomerulus: Key
    polygon0: Vertices


class DrawnGlomerulus(_Strict):
    """A glomerulus that the run missed, drawn as a circle or with the pen."""

    kind: Literal["drawn"] = "drawn"
    glomerulus: DrawnKey
    circle: ReviewedCircle
    polygon0: Vertices | None = None


class BoxesChange(_Strict):
    """All boxes on spikes of a glomerulus: x, y, width, height in level-0 pixels."""

    kind: Literal["boxes"] = "boxes"
    glomerulus: Key
    boxes0: Annotated[
        tuple[tuple[_Place0, _Place0, _Side0, _Side0], ...],
        Field(max_length=MOST_BOXES),
    ]


class NoteChange(_Strict):
    """What the reviewer wrote about a glomerulus; empty removes it."""

    kind: Literal["note"] = "note"
    glomerulus: Key
    note: Annotated[str, StringConstraints(max_length=LONGEST_NOTE)]


class Undo(_Strict):
    """The reviewer's last change that still holds, undone."""

    kind: Literal["undo"] = "undo"


class Redo(_Strict):
    """The change undone last, done again."""

    kind: Literal["redo"] = "redo"


Edit = (
    Agreement
    | CallChange
    | SclerosisChange
    | PresenceChange
    | CircleChange
    | OutlineChange
    | DrawnGlomerulus
    | BoxesChange
    | NoteChange
)


class NewChange(_Strict):
    """A change as the page sends it. Sent again under the same id, it is the same change."""

    id: ChangeId
    reviewer: Reviewer
    edit: Annotated[Edit | Undo | Redo, Field(discriminator="kind")]


class Change(NewChange):
    """A change with the time at which it was saved: a line of the journal."""

    time: datetime
