"""What the slide shows of its glomeruli, read some at a time, ahead of whoever works on them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from glomspike.findings import Circle, Outline
from glomspike.networks.ahead import one_ahead
from glomspike.networks.models import Model
from glomspike.networks.stage import Candidate
from glomspike.results.stopwatch import Stopwatch
from glomspike.segment.crop import crop_of
from glomspike.segment.infer import outline_glomeruli
from glomspike.segment.outline import outline_of_circle
from glomspike.segment.settle import SettledGlomerulus
from glomspike.slide.field import Field, RegionReader, read_field

BATCH = 4  # glomeruli worked on at once
MARGIN_UM = 15.0  # around the outline in a glomerulus's field

_Item = TypeVar("_Item")
RegionOf = Callable[[RegionReader, Circle], Field | None]


@dataclass(frozen=True, eq=False)
class Group:
    """Glomeruli that are worked on together, and what is being read of them: fields, and regions by stage."""

    first_id: int
    glomeruli: Sequence[SettledGlomerulus]
    fields: Sequence[Future[Field]]
    regions: Sequence[Sequence[Future[Field | None]]]

    def candidates(self) -> list[Candidate]:
        """The glomeruli with their fields, once these are read."""
        fields = [future.result() for future in self.fields]
        parts = enumerate(zip(self.glomeruli, fields, strict=True))
        return [Candidate(self.first_id + i, one.circle, one.outline, field) for i, (one, field) in parts]


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

    def outlines(self, circles: Sequence[Circle]) -> Iterator[Outline | None]:
        """The outline of the glomerulus in each circle, in their order; None where none is there.

        Where none is found and part of the crop cannot be read, the circle stands for it.
        """
        parts = parted(circles)
        crops = one_ahead([self._submit(self._crop, circle) for circle in part] for part in parts)
        for part, reading in zip(parts, crops, strict=True):
            with self.watch("read"):
                cropped = [future.result() for future in reading]
            with self.watch("segment"):
                found = outline_glomeruli(self.slide.facts, cropped, self.segmenter)
            for circle, crop, outline in zip(part, cropped, found, strict=True):
                is_damaged = outline is None and not crop.readable.all()
                yield outline_of_circle(circle, self.slide.facts) if is_damaged else outline

    def groups(self, glomeruli: Sequence[SettledGlomerulus]) -> Iterator[Group]:
        """The glomeruli in their order, numbered from 1; a group is begun before the last is worked on."""
        return one_ahead(
            Group(
                first_id=number * BATCH + 1,
                glomeruli=part,
                fields=[self._submit(self._field, one.outline) for one in part],
                regions=[
                    [self.readers.submit(region, self.slide, one.circle) for one in part]
                    for region in self.regions
                ],
            )
            for number, part in enumerate(parted(glomeruli))
        )

    def _submit(self, read: Callable[[_Item], Field], item: _Item) -> Future[Field]:
        return self.readers.submit(read, item)

    def _crop(self, circle: Circle) -> Field:
        return crop_of(self.slide, circle, self.segmenter.card.input_px)

    def _field(self, outline: Outline) -> Field:
        return field_around(self.slide, outline, self.mpp)


def field_around(slide: RegionReader, outline: Outline, mpp: float) -> Field:
    """A glomerulus with a margin, at so many µm/px."""
    slide_mpp = slide.facts.mpp
    scale = np.array([slide_mpp.x, slide_mpp.y])
    low_um, high_um = outline.polygon0.min(axis=0) * scale, outline.polygon0.max(axis=0) * scale
    # At a whole pixel, so that a picture at the slide's scale is a copy of it.
    corner_x0, corner_y0 = np.floor((low_um - MARGIN_UM) / scale)
    width_px, height_px = np.ceil((high_um - low_um + 2 * MARGIN_UM) / mpp).astype(int).tolist()
    return read_field(slide, corner_x0, corner_y0, width_px, height_px, mpp)


def parted(items: Sequence[_Item]) -> list[Sequence[_Item]]:
    """The items some at a time, in their order."""
    return [items[first : first + BATCH] for first in range(0, len(items), BATCH)]
