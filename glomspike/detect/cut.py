"""What the detector is shown in training: a square of tissue, and the glomeruli that are known on it."""

from dataclasses import dataclass

import numpy as np

from glomspike.findings import RGB, Points
from glomspike.geometry.circles import circle_polygon
from glomspike.learn.augmentation import tissue_share
from glomspike.learn.truth import TrueGlomerulus, outlined

_CORNERS = 48


@dataclass(frozen=True, eq=False)
class KnownGlomerulus:
    """A glomerulus by its outline (n, 2) in the square's pixels, and its lesion where one is known.

    `is_small` where too little of it is left for anyone to say what it is.
    """

    outline_px: Points
    lesion: str | None = None
    is_small: bool = False

    @property
    def circle_px(self) -> tuple[float, float, float]:
        """The least circle around it: x, y, radius."""
        circle = outlined(self.outline_px)
        return circle.x_px, circle.y_px, circle.radius_px

    def is_near(self, centre_px: Points, reach_px: float) -> bool:
        """Whether its circle meets one around a centre (2,)."""
        x_px, y_px, radius_px = self.circle_px
        return bool(np.hypot(x_px - centre_px[0], y_px - centre_px[1]) < radius_px + reach_px)


@dataclass(frozen=True, eq=False)
class Cut:
    """A square cut from a picture."""

    pixels: RGB
    glomeruli: list[KnownGlomerulus]


def is_in_tissue(pixels: RGB, centre_px: Points, radius_px: float, least: float) -> bool:
    """Whether more than a least share of the box of a circle is tissue."""
    left, top = np.maximum(centre_px - radius_px, 0).astype(int)
    right, bottom = (centre_px + radius_px).astype(int) + 1
    return tissue_share(pixels[top:bottom, left:right]) > least


def outline_of(glomerulus: TrueGlomerulus) -> Points:
    """A glomerulus's outline (n, 2), which is a circle where only that is annotated."""
    if glomerulus.outline_px is not None:
        return glomerulus.outline_px
    return circle_polygon(glomerulus.x_px, glomerulus.y_px, glomerulus.radius_px, _CORNERS)
