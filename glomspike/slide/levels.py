"""How the levels of a file lie on level 0, and which of its pictures are no levels of the slide at all.

Files say how large each level is, not how many level-0 pixels one of its pixels spans. Scanners drop the odd
pixel, and some fill levels up to whole tiles: the ratio of the sizes is then not the scale, and circles found
on such a level would lie up to half a millimetre away. A label or an overview may also stand where a level
should. What sizes leave open is decided by pixels, once, when the slide is opened.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB
from glomspike.slide.source import Level

COARSEST_SCALE = 1024
DECLARED_OFF = 0.01  # of a level's longer side

# Where pixels are compared: so many places along each axis, squares of at most these sides.
PLACES = 5
WINDOW_PX = 64  # of the level
FINER_WINDOW_PX = 2048  # of the finer level

FLAT = 3.0  # standard deviation in grey levels below which a window shows nothing
ALIKE = 0.7  # correlation above which two windows show the same: 0.95 and more, but for fine noise


@dataclass(frozen=True)
class StoredLevel:
    """A level as the file has it. `step0` is what its reader divides level-0 corners by."""

    width_px: int
    height_px: int
    tile_width_px: int
    tile_height_px: int
    step0: float


@dataclass(frozen=True)
class Pyramid:
    """The levels that may be used, each with its place in the file, and what was wrong with the others."""

    levels: tuple[Level, ...]
    numbers: tuple[int, ...]
    notes: tuple[str, ...]


# Number, x, y, width, height in pixels of that level; None where they cannot be decoded.
ReadRegion = Callable[[int, int, int, int, int], RGB | None]
_Scale = tuple[float, float]  # level-0 pixels per level pixel along x and y
_Plane = NDArray[np.float32]


def fit_levels(stored: Sequence[StoredLevel], read: ReadRegion) -> Pyramid:
    """Lays every level on level 0, the first, by its size or, where that leaves doubt, by its pixels.

    Levels that do not show the slide are omitted with a note. `read` is called in doubt only; what lies
    outside a level must come as white.
    """
    full = stored[0]
    levels = [Level(full.width_px, full.height_px, 1.0, 1.0, full.step0)]
    numbers, notes = [0], []
    for number, level in enumerate(stored[1:], start=1):
        finer = levels[-1], numbers[-1]
        scale = _certain_scale(full, level) or _matching_scale(full, (level, number), finer, read)
        if scale is None:
            notes.append(
                f"an image of {level.width_px} x {level.height_px} px, stored as a coarser level, does not "
                "show the slide and is not used"
            )
            continue
        width_px = min(level.width_px, math.ceil(full.width_px / scale[0]))
        height_px = min(level.height_px, math.ceil(full.height_px / scale[1]))
        levels.append(Level(width_px, height_px, *scale, level.step0))
        numbers.append(number)
    return Pyramid(tuple(levels), tuple(numbers), tuple(notes))


def _certain_scale(full: StoredLevel, level: StoredLevel) -> _Scale | None:
    """The whole number that both sizes are divided by, up to the odd pixel that scanners drop or add.

    Powers of two go first: small levels are explained by other numbers, too. A whole `step0` was computed by
    the reader from what the file says, not from sizes, and may be off by more.
    """
    ratio = (full.width_px / level.width_px + full.height_px / level.height_px) / 2
    halved, whole = 2 ** max(0, round(math.log2(ratio))), max(1, round(ratio))
    for scale in (halved, whole):
        off_px = max(
            abs(full.width_px / scale - level.width_px), abs(full.height_px / scale - level.height_px)
        )
        longest_px = max(level.width_px, level.height_px)
        if off_px <= (max(1, DECLARED_OFF * longest_px) if scale == level.step0 else 1):
            return float(scale), float(scale)
    return None


def _matching_scale(
    full: StoredLevel, coarse: tuple[StoredLevel, int], finer: tuple[Level, int], read: ReadRegion
) -> _Scale | None:
    """The scale at which a level shows most of what the next finer one shows, if it shows the same at all."""
    level, number = coarse
    likeness: dict[_Scale, float] = {}
    for scale in _possible_scales(full, level):
        compared = list(_windows(level, number, scale, finer, read))
        if not compared:
            return scale  # nothing is on the slide, so nothing can lie wrong
        likeness[scale] = float(np.median([_correlation(*pair) for pair in compared]))
    best = max(likeness, key=likeness.__getitem__, default=None)
    return best if best is not None and likeness[best] >= ALIKE else None


def _possible_scales(full: StoredLevel, level: StoredLevel) -> list[_Scale]:
    """Scales that explain a level's size: whole ones with padding, and the ratio of sizes as it is."""
    axes = (
        (full.width_px, full.tile_width_px, level.width_px, level.tile_width_px),
        (full.height_px, full.tile_height_px, level.height_px, level.tile_height_px),
    )
    whole = [f for f in range(1, COARSEST_SCALE + 1) if all(_is_padded(f, *axis) for axis in axes)]
    # A level of one tile is explained by any coarser scale as well; scanners halve, and rarely leave one out.
    halved = [f for f in whole if f & (f - 1) == 0]
    scales = [(float(f), float(f)) for f in (halved or whole)[:2]]
    ratio_x, ratio_y = full.width_px / level.width_px, full.height_px / level.height_px
    off_px = min(
        abs(full.height_px / ratio_x - level.height_px), abs(full.width_px / ratio_y - level.width_px)
    )
    return [*scales, (ratio_x, ratio_y)] if off_px <= 1 else scales


def _is_padded(scale: int, full_px: int, full_tile_px: int, level_px: int, tile_px: int) -> bool:
    """Whether a side is the full one divided by `scale`, either of the two filled up to whole tiles."""
    extra_px = level_px - full_px / scale
    most_px = tile_px if tile_px and level_px % tile_px == 0 else 1
    least_px = full_tile_px / scale if full_tile_px and full_px % full_tile_px == 0 else 0
    return -least_px - 1 <= extra_px < most_px


def _windows(
    level: StoredLevel, number: int, scale: _Scale, finer: tuple[Level, int], read: ReadRegion
) -> Iterator[tuple[_Plane, _Plane]]:
    """Squares of a level beside the same of the finer level made as small, where the finer shows anything."""
    fine, fine_number = finer
    ratio_x, ratio_y = scale[0] / fine.scale_x0, scale[1] / fine.scale_y0
    side_px = max(8, min(WINDOW_PX, int(FINER_WINDOW_PX / max(ratio_x, ratio_y))))
    size_px = round(side_px * ratio_x), round(side_px * ratio_y)
    true_size = min(level.width_px, fine.width_px / ratio_x), min(level.height_px, fine.height_px / ratio_y)
    places = [np.linspace(0, max(0, int(side) - side_px), PLACES).astype(int) for side in true_size]
    for x, y in itertools.product(*places):
        there = read(fine_number, round(x * ratio_x), round(y * ratio_y), *size_px)
        if there is None:
            continue
        small = cv2.resize(there, (side_px, side_px), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if grey.std() > FLAT:
            here = read(number, int(x), int(y), side_px, side_px)
            if here is not None:
                yield cv2.cvtColor(here, cv2.COLOR_RGB2GRAY).astype(np.float32), grey


def _correlation(first: _Plane, second: _Plane) -> float:
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).mean() / max(1.0, float(first.std() * second.std())))
