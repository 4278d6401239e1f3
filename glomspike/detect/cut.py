"""What the detector is shown in training: a square of tissue, and the glomeruli that are known on it."""

from dataclasses import dataclass

from glomspike.findings import RGB, Points
from glomspike.geometry.circles import circle_polygon
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


@dataclass(frozen=True, eq=False)
class Cut:
    """A square cut from a picture."""

    pixels: RGB
    glomeruli: list[KnownGlomerulus]


def outline_of(glomerulus: TrueGlomerulus) -> Points:
    """A glomerulus's outline (n, 2), which is a circle where only that is annotated."""
    if glomerulus.outline_px is not None:
        return glomerulus.outline_px
    return circle_polygon(glomerulus.x_px, glomerulus.y_px, glomerulus.radius_px, _CORNERS)
