"""A picture read from a slide together with where it lies and what of it could not be read."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from glomspike.errors import UnreadableRegion
from glomspike.findings import RGB, Mask, SlideFacts
from glomspike.geometry.frames import FieldFrame

SMALLEST_SPLIT_PX = 64


class RegionReader(Protocol):
    """What `read_field` needs of a slide."""

    @property
    def facts(self) -> SlideFacts: ...

    def read(self, x0: float, y0: float, width0: float, height0: float, mpp: float) -> RGB:
        """A region in level-0 pixels as square pixels of `mpp` µm: see `Slide.read`."""
        ...


@dataclass(frozen=True, eq=False)
class Field:
    """A picture in square pixels of `mpp` µm, and its frame.

    `pixels` is RGB on white, `readable` of the same height and width: false where the slide could not be
    decoded, and `pixels` is white there.
    """

    pixels: RGB
    readable: Mask
    frame: FieldFrame
    mpp: float


def read_field(
    slide: RegionReader, corner_x0: float, corner_y0: float, width_px: int, height_px: int, mpp: float
) -> Field:
    """The field whose upper left corner lies at a level-0 point; its size is in pixels of `mpp` µm.

    One large read; where that meets damage, it is read in ever smaller quarters down to about 64 pixels,
    so that only the damaged part is lost.
    """
    field = Field(
        pixels=np.full((height_px, width_px, 3), 255, dtype=np.uint8),
        readable=np.zeros((height_px, width_px), dtype=np.bool_),
        frame=FieldFrame.at(corner_x0, corner_y0, slide.facts.mpp, mpp),
        mpp=mpp,
    )
    _fill(field, slide, slice(0, height_px), slice(0, width_px))
    return field


def _fill(field: Field, slide: RegionReader, rows: slice, columns: slice) -> None:
    frame = field.frame
    height_px, width_px = rows.stop - rows.start, columns.stop - columns.start
    try:
        field.pixels[rows, columns] = slide.read(
            frame.corner_x0 + columns.start * frame.scale_x0,
            frame.corner_y0 + rows.start * frame.scale_y0,
            width_px * frame.scale_x0,
            height_px * frame.scale_y0,
            field.mpp,
        )
        field.readable[rows, columns] = True
    except UnreadableRegion:
        if max(height_px, width_px) > SMALLEST_SPLIT_PX:
            for part_rows in _halves(rows):
                for part_columns in _halves(columns):
                    _fill(field, slide, part_rows, part_columns)


def _halves(span: slice) -> tuple[slice, ...]:
    if span.stop - span.start <= SMALLEST_SPLIT_PX:
        return (span,)
    middle = (span.start + span.stop) // 2
    return slice(span.start, middle), slice(middle, span.stop)
