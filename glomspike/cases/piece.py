"""What levels are registered by: pieces of tissue, and the glomeruli's profiles in them.

A section is one piece or several: cores lie apart, and a tear parts one. Each piece finds its place by
itself. Lengths are micrometres in the frame of the slide that the piece lies on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from glomspike.findings import Points

STRAY_UM = 150.0  # tissue taken for granted around a profile that lies in none
MARGIN_UM = 40.0  # how far a profile may lie outside the piece that it belongs to


@dataclass(frozen=True, eq=False)
class Profile:
    """One glomerulus as one section shows it: the slide's number, its id there, and its outline."""

    slide: int
    id: int
    outline_um: Points  # (n, 2)

    @property
    def centre_um(self) -> Points:
        """The middle of the outline's area (2,)."""
        middle = shapely.Polygon(self.outline_um).centroid
        return np.array([middle.x, middle.y])

    @property
    def radius_um(self) -> float:
        """Radius of the circle of the same area."""
        return float(np.sqrt(shapely.Polygon(self.outline_um).area / np.pi))


@dataclass(frozen=True, eq=False)
class Piece:
    """A connected piece of tissue on a slide, with its profiles: centres (n, 2), radii (n,)."""

    slide: int
    tissue: BaseGeometry
    profiles: tuple[Profile, ...]
    centres_um: Points
    radii_um: NDArray[np.float64]

    @classmethod
    def of(cls, slide: int, tissue: BaseGeometry, profiles: Sequence[Profile]) -> "Piece":
        """A piece from its outline and profiles."""
        centres = np.array([one.centre_um for one in profiles]).reshape(-1, 2)
        radii = np.array([one.radius_um for one in profiles])
        return cls(slide, tissue.simplify(8.0), tuple(profiles), centres, radii)

    @property
    def density(self) -> float:
        """Profiles per µm² of tissue, never 0."""
        return max(len(self.profiles), 1) / max(float(self.tissue.area), 1.0)


def pieces_of(slide: int, tissue_um: Sequence[Points], profiles: Sequence[Profile]) -> tuple[Piece, ...]:
    """The pieces of a slide, each with the profiles that lie in it; pieces without any are omitted.

    `tissue_um` are the outer edges of connected tissue. A profile that lies in none makes a piece with those
    near it.
    """
    areas = [shapely.Polygon(edge).buffer(0) for edge in tissue_um if len(edge) > 2]
    areas = [part for area in areas for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
    homes: dict[int, list[Profile]] = {}
    strays: list[Profile] = []
    for profile in profiles:
        point = shapely.Point(profile.centre_um)
        away = [float(area.distance(point)) for area in areas]
        nearest = int(np.argmin(away)) if away else -1
        if nearest >= 0 and away[nearest] <= MARGIN_UM:
            homes.setdefault(nearest, []).append(profile)
        else:
            strays.append(profile)
    found = [Piece.of(slide, areas[number], inside) for number, inside in sorted(homes.items())]
    if strays:
        places = shapely.MultiPoint([shapely.Point(one.centre_um) for one in strays])
        found.append(Piece.of(slide, places.convex_hull.buffer(STRAY_UM), strays))
    return tuple(found)
