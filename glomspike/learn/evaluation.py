"""What an evaluation of any model comes to: numbers, and a sheet of the cases that went worst."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from glomspike.findings import RGB
from glomspike.learn.sheets import sheet
from glomspike.metrics.bootstrap import Interval

WORST = 10

Progress = Callable[[int, int], None]  # done, of how many


def unseen(_done: int, _whole: int) -> None:
    """Progress that nobody sees."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The numbers of an evaluation by name, its ten worst cases on one sheet, and other pictures by name."""

    numbers: dict[str, JsonValue]
    worst: RGB
    pictures: dict[str, RGB] = field(default_factory=dict)


class Case(Protocol):
    """One picture or glomerulus that a model was evaluated on."""

    @property
    def badness(self) -> float:
        """How wrong the model was; comparable between cases of one evaluation."""
        ...

    @property
    def caption(self) -> str:
        """What to say of the case in a line."""
        ...

    def drawn(self) -> RGB:
        """The case with what the model said and what is true, as a picture of any size."""
        ...


def interval_numbers(names: Sequence[str], found: Sequence[Interval | None]) -> dict[str, JsonValue]:
    """The 95 % interval of each named number as `<name>_ci95: [low, high]`, null where there is none."""
    return {
        f"{name}_ci95": None if interval is None else list(interval)
        for name, interval in zip(names, found, strict=True)
    }


def worst_sheet(cases: Sequence[Case]) -> RGB:
    """The ten worst of at least one case, as rows of pictures with captions: see `sheet`."""
    worst = sorted(cases, key=lambda case: -case.badness)[:WORST]
    return sheet([case.drawn() for case in worst], [case.caption for case in worst])
