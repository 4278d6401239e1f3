"""Strips along a membrane: what thickens it, veils it or blackens it for a stretch."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from glomspike.findings import Points
from glomspike.phantom.surface import STEP_UM


@dataclass(frozen=True, eq=False)
class Band:
    """A strip between two lines (n, 2) each; how much silver and counterstain it holds, 1 as a membrane.

    `mottled` is the relative depth of its fine grain.
    """

    inner_um: Points
    outer_um: Points
    silver: float
    cytoplasm: float
    mottled: float


@dataclass(frozen=True)
class Texture:
    """What a band is made of, and how uneven its outer edge is."""

    silver: float
    cytoplasm: float
    mottled: float
    ragged: float  # standard deviation of its depth, relative
    wave_um: float  # scale of the edge's waves

    @classmethod
    def veil(cls, rng: np.random.Generator) -> "Texture":
        """A half-dense zone, as under a fringe of spikes, but also where a wall is out of focus."""
        return cls(
            silver=rng.uniform(0.25, 0.8),
            cytoplasm=rng.uniform(0.1, 1.0),
            mottled=rng.uniform(0.05, 0.5),
            ragged=rng.uniform(0.05, 0.3),
            wave_um=rng.uniform(0.8, 3.0),
        )


def band_along(
    rng: np.random.Generator, line_um: Points, out: Points, depth_um: float, texture: Texture
) -> Band:
    """A band of about `depth_um` on the outer side of a stretch (n, 2) with unit normals `out` (n, 2)."""
    waves = gaussian_filter1d(rng.standard_normal(len(line_um)), texture.wave_um / STEP_UM, mode="nearest")
    waves /= max(float(waves.std()), 1e-9)
    ends = np.minimum(np.arange(len(line_um)), np.arange(len(line_um))[::-1]) * STEP_UM
    depth = depth_um * np.clip(1 + texture.ragged * waves, 0.2, 2.0) * np.clip(ends / 1.5, 0, 1)
    return Band(
        line_um - 0.4 * out,
        line_um + out * depth[:, None],
        texture.silver,
        texture.cytoplasm,
        texture.mottled,
    )
