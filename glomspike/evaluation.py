"""What an evaluation of any model comes to: numbers, and a sheet of the cases that went worst."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.samples import Sample, Split
from glomspike.sheets import sheet

WORST = 10

Progress = Callable[[int, int], None]  # done, of how many
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The numbers of an evaluation by name, and its ten worst cases on one sheet, the worst first."""

    numbers: dict[str, JsonValue]
    worst: RGB


def in_split(samples: Sequence[Sample], split: Split) -> list[Sample]:
    """The samples of a split. Raises SamplesError where it has none."""
    chosen = [sample for sample in samples if sample.split == split]
    if not chosen:
        counts = {name: sum(sample.split == name for sample in samples) for name in ("train", "val", "test")}
        cause = f"split {split} is empty ({', '.join(f'{n} in {name}' for name, n in counts.items())})"
        raise SamplesError(_tables(samples), cause, "take another --split, or name more patients")
    return chosen


def require(items: Sequence[Item], samples: Sequence[Sample], what: str) -> Sequence[Item]:
    """The items that samples were searched for, at least one. Raises SamplesError where there is none."""
    if not items:
        raise SamplesError(_tables(samples), f"no {what} in these samples", "see docs/training.md")
    return items
