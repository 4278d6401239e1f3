"""How a phantom block looks in stains other than silver: the same structures, other dyes."""

from typing import Literal, get_args

import numpy as np

from glomspike.phantom.stain import Stain

Marker = Literal["pas", "he", "masson", "jones"]
MARKERS: tuple[Marker, ...] = get_args(Marker)

# Background, then optical densities of membranes and matrix, cytoplasm, nuclei; each red, green, blue.
LOOKS = {
    "pas": [[244, 242, 246], [0.35, 1.25, 0.55], [0.06, 0.28, 0.12], [0.95, 0.98, 0.45]],
    "he": [[246, 243, 247], [0.12, 0.55, 0.26], [0.08, 0.50, 0.22], [0.95, 1.15, 0.50]],
    "masson": [[246, 246, 248], [0.95, 0.55, 0.22], [0.16, 0.70, 0.48], [1.00, 1.10, 0.62]],
    "jones": [[236, 228, 230], [2.10, 2.45, 2.30], [0.10, 0.58, 0.30], [0.95, 1.20, 0.60]],
}


def sample_stain(rng: np.random.Generator, marker: Marker) -> Stain:
    """A laboratory's look of that stain, drawn at random."""
    look = np.array(LOOKS[marker])
    look[1:] *= rng.lognormal(0, 0.08, size=(3, 3)) * rng.lognormal(0, 0.15, size=(3, 1))
    light = np.clip(look[0] * rng.uniform(0.95, 1.03), 90, 253)
    background, silver, cytoplasm, nuclei = (
        (float(one[0]), float(one[1]), float(one[2])) for one in (light, *look[1:])
    )
    return Stain(background, silver, cytoplasm, nuclei, precipitate=0.0)
