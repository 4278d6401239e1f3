"""Glomeruli outlined some at a time, while what is looked at next is being read from the slide."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from glomspike.findings import Circle, Outline
from glomspike.networks.models import Model
from glomspike.networks.stage import Candidate
from glomspike.results.stopwatch import Stopwatch
from glomspike.segment.crop import crop_of
from glomspike.segment.infer import outline_glomeruli
from glomspike.segment.outline import outline_of_circle
from glomspike.slide.field import Field, RegionReader, read_field

BATCH = 8  # glomeruli worked on at once
MARGIN_UM = 15.0  # around the outline in a glomerulus's field

_Item = TypeVar("_Item")
RegionOf = Callable[[RegionReader, Circle], Field | None]


@dataclass(frozen=True, eq=False)
class Group:
    """Glomeruli that are worked on together, and what is being read of them: fields, and regions by stage."""

    first_id: int
    circles: Sequence[Circle]
    outlines: Sequence[Outline]
    fields: Sequence[Future[Field]]
    regions: Sequence[Sequence[Future[Field | None]]]

    def candidates(self) -> list[Candidate]:
        """The glomeruli with their fields, once these are read."""
        fields = [future.result() for future in self.fields]
        parts = zip(self.circles, self.outlines, fields, strict=True)
        return [Candidate(self.first_id + index, *part) for index, part in enumerate(parts)]


@dataclass(frozen=True, eq=False)
class ReadAhead:
    """Reads and outlines the glomeruli of a slide, a group ahead of whoever works on them.

    `mpp` is that of the fields around the outlines; `regions` are what each later stage wants to see of a
    circle. Reading is done by the threads of `readers`, and waiting for it counts as the stage "read".
    """

    slide: RegionReader
    segmenter: Model
    mpp: float
    regions: Sequence[RegionOf]
    readers: ThreadPoolExecutor
    watch: Stopwatch

    def groups(self, circles: Sequence[Circle]) -> Iterator[Group]:
        """The glomeruli in their order, numbered from 1; a group is begun before the last is worked on."""
        return _one_ahead(self._groups(circles))

    def _groups(self, circles: Sequence[Circle]) -> Iterator[Group]:
        parts = [circles[first : first + BATCH] for first in range(0, len(circles), BATCH)]
        crops = _one_ahead([self._submit(self._crop, circle) for circle in part] for part in parts)
        for number, (part, reading) in enumerate(zip(parts, crops, strict=True)):
            with self.watch("read"):
                cropped = [future.result() for future in reading]
            with self.watch("segment"):
                found = outline_glomeruli(self.slide.facts, cropped, self.segmenter)
            outlines = [
                outline or outline_of_circle(circle, self.slide.facts)
                for circle, outline in zip(part, found, strict=True)
            ]
            yield Group(
                first_id=number * BATCH + 1,
                circles=part,
                outlines=outlines,
                fields=[self._submit(self._field, outline) for outline in outlines],
                regions=[
                    [self.readers.submit(region, self.slide, circle) for circle in part]
                    for region in self.regions
                ],
            )

    def _submit(self, read: Callable[[_Item], Field], item: _Item) -> Future[Field]:
        return self.readers.submit(read, item)

    def _crop(self, circle: Circle) -> Field:
        return crop_of(self.slide, circle, self.segmenter.card.input_px)

    def _field(self, outline: Outline) -> Field:
        """A glomerulus with a margin."""
        mpp = self.slide.facts.mpp
        scale = np.array([mpp.x, mpp.y])
        low_um, high_um = outline.polygon0.min(axis=0) * scale, outline.polygon0.max(axis=0) * scale
        # At a whole pixel, so that a picture at the slide's scale is a copy of it.
        corner_x0, corner_y0 = np.floor((low_um - MARGIN_UM) / scale)
        width_px, height_px = np.ceil((high_um - low_um + 2 * MARGIN_UM) / self.mpp).astype(int).tolist()
        return read_field(self.slide, corner_x0, corner_y0, width_px, height_px, self.mpp)


def _one_ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """The same items, each made before the last is worked on, so that what it began goes on meanwhile."""
    waiting: deque[_Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting
