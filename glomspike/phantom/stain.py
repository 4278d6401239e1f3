"""A phantom patient's stain and scanner: how much dye becomes which colour, and what the optics do to it.

Dyes absorb (Beer and Lambert): a pixel is the background's light times exp(-optical density), and the
densities of silver, counterstain and nuclear stain add up.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB

Dye = NDArray[np.float32]  # (height, width), how much of a dye is there; 1 is a well-stained structure
Colour = tuple[float, float, float]

HALO_UM = 0.6  # width of the halo that a scanner's sharpening leaves


@dataclass(frozen=True)
class Stain:
    """Optical densities per channel (red, green, blue) of each dye at 1, and the optics of one scanner."""

    background: Colour  # 0 to 255
    silver: Colour
    cytoplasm: Colour
    nuclei: Colour
    psf_um: float  # standard deviation of the blur
    sharpen: float  # strength of the scanner's halo
    noise: float  # standard deviation in grey levels
    jpeg_quality: int
    precipitate: float  # share of 6 µm squares that hold a speck of silver

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Stain":
        """A patient's stain and scanner, drawn at random between the looks that laboratories produce."""
        look = rng.dirichlet([1.2, 0.7, 0.9])  # pink counterstain, none, blue counterstain
        cytoplasm = look @ np.array([[0.04, 0.72, 0.30], [0.07, 0.12, 0.2], [0.32, 0.30, 0.12]])
        nuclei = look @ np.array([[1.0, 1.4, 0.75], [0.5, 0.6, 0.45], [1.3, 1.1, 0.4]])
        silver = rng.uniform(1.5, 3.0) * np.array([1.0, 1.04, rng.uniform(0.88, 1.08)])
        silver[0] *= rng.uniform(0.8, 1.02)
        tint = rng.choice([[0.96, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.98, 0.9]])
        background = rng.uniform(205, 250) * np.asarray(tint) * rng.uniform(0.985, 1.015, size=3)
        return cls(
            background=_colour(np.minimum(background, 253)),
            silver=_colour(silver),
            cytoplasm=_colour(cytoplasm * rng.uniform(0.5, 1.2)),
            nuclei=_colour(nuclei * rng.uniform(0.6, 1.15)),
            psf_um=rng.uniform(0.18, 0.5),
            sharpen=float(rng.choice([0.0, rng.uniform(0.2, 0.9)])),
            noise=rng.uniform(0.5, 4.0),
            jpeg_quality=int(rng.integers(65, 93)),
            precipitate=float(rng.choice([0.0, rng.uniform(0.0, 0.15)])),
        )

    def develop(self, silver: Dye, cytoplasm: Dye, nuclei: Dye, noise: Dye, mpp: float) -> RGB:
        """The picture (height, width, 3) of three dyes on a slide; `noise` has unit variance."""
        picture = np.empty((*silver.shape, 3), dtype=np.float32)
        for channel in range(3):
            density = (
                self.silver[channel] * silver
                + self.cytoplasm[channel] * cytoplasm
                + self.nuclei[channel] * nuclei
            )
            picture[..., channel] = self.background[channel] * np.exp(-density)
        soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), self.psf_um / mpp), dtype=np.float32)
        if self.sharpen:
            halo = np.asarray(cv2.GaussianBlur(soft, (0, 0), HALO_UM / mpp), dtype=np.float32)
            soft += self.sharpen * (soft - halo)
        soft += self.noise * noise[..., None]
        return np.clip(soft, 0, 255).astype(np.uint8)


def _colour(values: NDArray[np.float64]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
