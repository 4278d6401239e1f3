"""Where a slide's pixels come from: the little that a scan and a plain picture have in common."""

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from glomspike.findings import Mpp


@dataclass(frozen=True)
class Level:
    """One level of a pyramid: its size in its pixels, and how its pixels lie on level 0.

    `scale_x0`, `scale_y0` are level-0 pixels per level pixel. `step0` is what `PixelSource.crop` divides
    its corner by, which for odd sizes is not quite the same.
    """

    width_px: int
    height_px: int
    scale_x0: float
    scale_y0: float
    step0: float


@dataclass(frozen=True)
class Bounds:
    """The part of a slide that was scanned, in level-0 pixels."""

    x0: int
    y0: int
    width0: int
    height0: int


class PixelSource(Protocol):
    """A pyramid of pixels that many threads may read at once; `mpp` is None where it has no scale."""

    @property
    def vendor(self) -> str: ...

    @property
    def levels(self) -> tuple[Level, ...]: ...

    @property
    def mpp(self) -> Mpp | None: ...

    @property
    def bounds(self) -> Bounds: ...

    @property
    def profile(self) -> bytes | None:
        """The ICC profile that the file has for its colours, which `crop` does not apply."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know of the file, one sentence each."""
        ...

    def crop(self, level: int, corner_x0: int, corner_y0: int, width_px: int, height_px: int) -> Image.Image:
        """An RGB picture of level pixels, its corner at `corner / step0` level pixels.

        The corner is not negative; what lies beyond the level is white. Raises UnreadableRegion where the
        pixels cannot be decoded.
        """
        ...

    def close(self) -> None: ...
