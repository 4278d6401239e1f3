"""What a model does with each glomerulus of the main job: one protocol, whatever the model finds.

A stage says which region it wants to see, so that it can be read while other glomeruli are computed, and then
gives one finding for each of some candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from glomspike.findings import Circle, Classification, Glomerulus, Outline, SpikeScore, TileScores
from glomspike.slide.field import Field, RegionReader


@dataclass(frozen=True, eq=False)
class Candidate:
    """A detected object on its way through the stages: number, circle, outline, and the field around it."""

    id: int
    circle: Circle
    outline: Outline
    field: Field


@dataclass(frozen=True, eq=False)
class SpikeFinding:
    """A glomerulus scored for spikes, and the scores of all its tiles."""

    score: SpikeScore
    tiles: TileScores


Finding = SpikeFinding | Classification


class Stage(Protocol):
    """A model at work on one slide; `name` is its entry among the seconds of `run.json`."""

    @property
    def name(self) -> str: ...

    def region(self, slide: RegionReader, circle: Circle) -> Field | None:
        """The region around a glomerulus that `apply` needs, None where the candidate's field is enough.

        Called by several threads at once.
        """
        ...

    def apply(
        self, candidates: Sequence[Candidate], regions: Sequence[Field | None]
    ) -> Sequence[Finding | None]:
        """The finding of each candidate, given its region; None where there is nothing to say of it."""
        ...

    def warnings(self, detected: Sequence[Glomerulus]) -> Iterator[str]:
        """What a reader should know of these findings, a sentence each. A pure function."""
        ...
