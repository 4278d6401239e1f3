"""How a section lies on its slide: turned, mirrored, stretched, warped a little, torn at times.

Two frames, both micrometres: the block's, in which all sections fit on one another, and the slide's.
"""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.findings import Points

STRETCH = 0.02  # relative, along an axis and across it; the warp adds 0.01
WARP = 0.01
TEAR_TRIES = 200
TEAR_CLEARANCE_UM = 6.0  # of a tear from every capsule


@dataclass(frozen=True, eq=False)
class Tear:
    """A line through a section: what lies on its far side was moved away by `shift_um` and turned."""

    at_um: Points  # (2,) in the block's frame
    across: Points  # (2,) unit normal towards the far side
    shift_um: Points  # (2,) in the block's frame
    turn: float  # radians, about `at_um`

    def side_um(self, block_um: Points) -> NDArray[np.float64]:
        """How far points (n, 2) of the block lie on the far side; negative on the near one."""
        away = block_um - self.at_um
        along = away @ np.array([-self.across[1], self.across[0]])
        return np.asarray(away @ self.across + 3.0 * np.sin(along / 17.0) + 1.5 * np.sin(along / 5.0))


@dataclass(frozen=True, eq=False)
class Placement:
    """From the block's frame to the slide's and back; `waves` (n, 5) are wave vector, phase and shift."""

    centre_um: Points  # (2,) of the section, block
    matrix: NDArray[np.float64]  # (2, 2)
    shift_um: Points  # (2,) where the centre comes to lie
    waves: NDArray[np.float64]
    tear: Tear | None

    @classmethod
    def sample(
        cls, rng: np.random.Generator, tissue_um: Points, turn: float, *, mirrored: bool, tear: Tear | None
    ) -> "Placement":
        """A placement turned by `turn` radians, stretched and warped at random."""
        along = rotation(rng.uniform(0, np.pi))
        stretch = along @ np.diag(1 + rng.uniform(-STRETCH, STRETCH, size=2)) @ along.T
        matrix = rotation(turn) @ np.diag([-1.0 if mirrored else 1.0, 1.0]) @ stretch
        angle, length = rng.uniform(0, 2 * np.pi, size=(2, 2)), rng.uniform(800, 2500, size=2)
        rise = WARP / 2 * length / (2 * np.pi)
        waves = np.stack(
            [
                2 * np.pi * np.cos(angle[0]) / length,
                2 * np.pi * np.sin(angle[0]) / length,
                rng.uniform(0, 2 * np.pi, size=2),
                rise * np.cos(angle[1]),
                rise * np.sin(angle[1]),
            ],
            axis=1,
        )
        return cls(tissue_um.mean(axis=0), matrix, np.zeros(2), waves, tear)

    def moved_to(self, shift_um: Points) -> "Placement":
        """The same elsewhere on the slide."""
        return replace(self, shift_um=self.shift_um + shift_um)

    def to_slide(self, block_um: Points) -> Points:
        """Points (n, 2) of the block on the slide."""
        flat = block_um - self.centre_um
        lying = flat.copy()
        for _ in range(8):  # the warp is slight: this converges
            lying = flat - self._warp(lying)
        slide = lying @ self.matrix.T + self.shift_um
        if self.tear is None:
            return np.asarray(slide, dtype=np.float64)
        far = self.tear.side_um(block_um) >= 0
        slide[far] = self._torn_away(slide[far], self.tear)
        return np.asarray(slide, dtype=np.float64)

    def to_block(self, slide_um: Points, *, far: bool = False) -> Points:
        """Where in the block points (n, 2) of the slide come from, if they do from that side of the tear."""
        points = slide_um
        if far and self.tear is not None:
            pivot = self._pivot(self.tear)
            points = (points - self.matrix @ self.tear.shift_um - pivot) @ rotation(self.tear.turn) + pivot
        lying = (points - self.shift_um) @ np.linalg.inv(self.matrix).T
        return np.asarray(lying + self._warp(lying) + self.centre_um, dtype=np.float64)

    def _warp(self, lying_um: Points) -> Points:
        phase = lying_um @ self.waves[:, :2].T + self.waves[:, 2]
        return np.asarray(np.sin(phase) @ self.waves[:, 3:], dtype=np.float64)

    def _pivot(self, tear: Tear) -> Points:
        return np.asarray((tear.at_um - self.centre_um) @ self.matrix.T + self.shift_um)

    def _torn_away(self, slide_um: Points, tear: Tear) -> Points:
        pivot = self._pivot(tear)
        return np.asarray((slide_um - pivot) @ rotation(tear.turn).T + pivot + self.matrix @ tear.shift_um)


def rotation(angle: float) -> NDArray[np.float64]:
    """The matrix (2, 2) that turns by an angle in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def sample_tear(rng: np.random.Generator, tissue_um: Points, capsules_um: list[Points]) -> Tear | None:
    """A tear that runs through the tissue between its glomeruli; None where no line does."""
    area = shapely.Polygon(tissue_um)
    held = shapely.union_all([shapely.Polygon(c).buffer(TEAR_CLEARANCE_UM) for c in capsules_um])
    size_um = float(np.ptp(tissue_um, axis=0).max())
    for _ in range(TEAR_TRIES):
        at = rng.uniform(tissue_um.min(axis=0), tissue_um.max(axis=0))
        angle = rng.uniform(0, 2 * np.pi)
        across, along = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        line = shapely.LineString([at - size_um * along, at + size_um * along])
        if line.intersects(held) or not line.intersects(area):
            continue
        shift = rotation(rng.uniform(-0.5, 0.5)) @ across * rng.uniform(20, 120)
        return Tear(at, across, shift, rng.uniform(-0.06, 0.06))
    return None
