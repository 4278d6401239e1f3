"""Sheets of pictures: examples of what a model says, beside or over what is true."""

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np

from glomspike.findings import RGB, Points

T = TypeVar("T")

CELL_PX = 320
COLUMNS = 4
TRUTH_COLOUR = (0, 160, 0)
FOUND_COLOUR = (220, 0, 0)


def sheet(pictures: Sequence[RGB], captions: Sequence[str]) -> RGB:
    """The pictures, of any sizes, in rows of four cells of one size, each with its caption below."""
    cells = [_cell(picture, caption) for picture, caption in zip(pictures, captions, strict=True)]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    return np.vstack(rows)


def evenly(items: list[T], count: int) -> list[T]:
    """At most `count` of the items, taken evenly."""
    return items[:: max(1, len(items) // max(1, count))][:count]


def _cell(picture: RGB, caption: str) -> RGB:
    factor = CELL_PX / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    cell = np.full((CELL_PX + 24, CELL_PX, 3), 255, np.uint8)
    cell[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    cv2.putText(cell, caption, (4, CELL_PX + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return cell


def circled(picture: RGB, circles_px: Points, colour: tuple[int, int, int]) -> RGB:
    """A copy of the picture with circles (n, >= 3) drawn; a fourth column is written beside as a score."""
    drawn = picture.copy()
    thick = max(1, round(max(picture.shape[:2]) / 250))
    for circle in circles_px:
        x, y, radius = (round(float(value)) for value in circle[:3])
        cv2.circle(drawn, (x, y), radius, colour, thick, cv2.LINE_AA)
        if len(circle) > 3:
            place = (x - radius, max(12, y - radius))
            size = max(0.4, max(picture.shape[:2]) / 1000)
            cv2.putText(drawn, f"{circle[3]:.2f}", place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick)
    return drawn


def lined(picture: RGB, outline_px: Points, colour: tuple[int, int, int]) -> RGB:
    """A copy of the picture with a closed outline (n, 2) drawn."""
    drawn = picture.copy()
    thick = max(1, round(max(picture.shape[:2]) / 200))
    cv2.polylines(drawn, [outline_px.round().astype(np.int32)], True, colour, thick, cv2.LINE_AA)
    return drawn
