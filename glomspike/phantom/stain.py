"""A phantom patient's stain: how much dye becomes which colour.

Dyes absorb (Beer and Lambert): a pixel is the background's light times exp(-optical density), and the
densities of silver, counterstain and nuclear stain add up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Dye = NDArray[np.float32]  # (height, width), how much of a dye is there; 1 is a well-stained structure
Colour = tuple[float, float, float]  # red, green, blue


@dataclass(frozen=True)
class Stain:
    """The light of empty glass (0 to 255) and the optical densities of each dye at 1."""

    background: Colour
    silver: Colour
    cytoplasm: Colour
    nuclei: Colour
    precipitate: float  # share of 6 µm squares that hold a speck of silver

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Stain":
        """A patient's stain: one laboratory's look with some of another's in it, and a strength."""
        look = LOOKS[rng.choice(len(LOOKS), p=LOOK_SHARES)]
        other = LOOKS[rng.integers(len(LOOKS))]
        mixed = look + rng.choice([0.0, rng.uniform(0, 0.35)]) * (other - look)
        mixed[1:] *= rng.lognormal(0, 0.08, size=(3, 3)) * rng.lognormal(0, 0.18, size=(3, 1))
        light = mixed[0] * rng.uniform(0.94, 1.06) * rng.uniform(0.97, 1.03, size=3)
        return cls(
            _colour(np.clip(light, 90, 253)),
            _colour(mixed[1]),
            _colour(mixed[2]),
            _colour(mixed[3]),
            float(rng.choice([0.0, rng.uniform(0, 0.05), rng.uniform(0.05, 0.3)], p=[0.5, 0.35, 0.15])),
        )

    def light(self, silver: Dye, cytoplasm: Dye, nuclei: Dye) -> NDArray[np.float32]:
        """The light (height, width, 3) that three dyes let through, 0 to 255."""
        picture = np.empty((*silver.shape, 3), dtype=np.float32)
        for channel in range(3):
            density = silver * np.float32(-self.silver[channel])
            density -= cytoplasm * np.float32(self.cytoplasm[channel])
            density -= nuclei * np.float32(self.nuclei[channel])
            np.exp(density, out=density)
            np.multiply(density, np.float32(self.background[channel]), out=picture[..., channel])
        return picture


# Background, then densities of silver, cytoplasm and nuclei, each red, green, blue.
LOOKS = np.array(
    [
        # black on pale beige, no counterstain
        [[236, 216, 196], [2.2, 2.5, 2.5], [0.03, 0.06, 0.09], [0.28, 0.34, 0.34]],
        # black on grey-white, haematoxylin and eosin
        [[208, 216, 216], [2.2, 2.7, 2.4], [0.07, 0.72, 0.34], [0.85, 1.25, 0.65]],
        # black with blue-violet haematoxylin
        [[226, 226, 232], [1.9, 2.3, 2.0], [0.28, 0.30, 0.14], [1.35, 1.10, 0.36]],
        # the same in the dim light of a microscope's camera
        [[140, 136, 158], [2.0, 2.2, 1.8], [0.34, 0.36, 0.16], [1.20, 1.05, 0.40]],
        # brown
        [[240, 232, 215], [1.15, 1.75, 2.2], [0.08, 0.18, 0.26], [1.10, 0.85, 0.38]],
        # weak
        [[232, 228, 226], [0.85, 1.05, 1.05], [0.14, 0.28, 0.20], [0.75, 0.80, 0.42]],
        # overstained
        [[218, 212, 206], [3.0, 3.3, 3.2], [0.34, 0.50, 0.46], [1.40, 1.45, 1.05]],
        # yellowed, light green counterstain
        [[238, 228, 178], [2.2, 2.4, 2.3], [0.42, 0.14, 0.30], [0.90, 0.65, 0.50]],
        # black, brown-violet where it is thin, with pink and violet counterstain
        [[250, 240, 247], [1.75, 2.35, 1.95], [0.04, 0.42, 0.20], [0.72, 0.95, 0.42]],
        # white, hardly any counterstain
        [[249, 249, 249], [2.0, 2.2, 2.1], [0.10, 0.14, 0.10], [0.50, 0.55, 0.35]],
    ]
)
LOOK_SHARES = np.array([0.13, 0.18, 0.17, 0.07, 0.09, 0.07, 0.06, 0.04, 0.13, 0.06])


def _colour(values: NDArray[np.float64]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
