"""A phantom patient's scanner: what its optics, its camera and its files do to the light of a slide."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB
from glomspike.phantom.stain import Dye

Compression = Literal["jpeg", "jpeg2000"]


@dataclass(frozen=True)
class Scanner:
    """Scale, blur, colour fringes, sharpening, noise and compression of one scanner."""

    mpp: float
    objective: float
    psf_um: float  # standard deviation of the blur in focus
    defocus_um: float  # of the further blur where it is out of focus
    fringe_um: tuple[float, float]  # shift of red against green, and of blue the other way
    sharpen: float  # strength of the halo
    halo_um: float
    contrast: float  # exponent of its tone curve
    noise: float  # standard deviation in grey levels
    compression: Compression
    quality: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Scanner":
        """A scanner, drawn at random; most scan at 0.25 µm/px, some finer, some up to 0.5."""
        mpp = float(rng.choice([0.25, rng.uniform(0.2, 0.3), rng.uniform(0.3, 0.5)], p=[0.45, 0.37, 0.18]))
        fringe = rng.uniform(-0.3, 0.3, size=2) * rng.choice([0.0, 1.0])
        return cls(
            mpp=round(mpp, 4),
            objective=40 if mpp < 0.35 else 20,
            psf_um=float(rng.choice([rng.uniform(0.08, 0.18), rng.uniform(0.12, 0.38)], p=[0.3, 0.7])),
            defocus_um=float(rng.choice([0.0, rng.uniform(0.3, 0.8)], p=[0.4, 0.6])),
            fringe_um=(float(fringe[0]), float(fringe[1])),
            sharpen=float(rng.choice([0.0, rng.uniform(0.2, 1.3)], p=[0.4, 0.6])),
            halo_um=rng.uniform(0.35, 0.9),
            contrast=rng.uniform(0.8, 1.25),
            noise=float(rng.choice([rng.uniform(0.3, 2.0), rng.uniform(2.0, 5.0)], p=[0.7, 0.3])),
            compression="jpeg2000" if rng.random() < 0.1 else "jpeg",
            quality=int(rng.integers(50, 96)),
        )

    @property
    def blur_um(self) -> float:
        """Standard deviation of all blur in focus: optics and pixels."""
        return float(np.hypot(self.psf_um, 0.3 * self.mpp))

    def scan(self, light: NDArray[np.float32], defocus: Dye, noise: Dye) -> RGB:
        """The picture (height, width, 3) of the light; `defocus` 0 to 1, `noise` of unit variance."""
        soft = _blurred(light, self.psf_um / self.mpp)
        if self.defocus_um and defocus.any():
            far = _blurred(soft, self.defocus_um / self.mpp)
            soft = np.asarray(cv2.blendLinear(far, soft, defocus, 1 - defocus), dtype=np.float32)
        if any(self.fringe_um):
            soft = self._fringed(soft)
        if self.sharpen:
            halo = _blurred(soft, self.halo_um / self.mpp)
            cv2.addWeighted(soft, 1 + self.sharpen, halo, -self.sharpen, 0, dst=soft)
        grain = np.float32(self.noise) * noise
        cv2.add(soft, cv2.merge([grain, grain, grain]), dst=soft)
        picture = cv2.convertScaleAbs(np.maximum(soft, 0, out=soft))
        tones = 255 * (np.arange(256) / 255) ** self.contrast
        return np.asarray(cv2.LUT(picture, np.rint(tones).astype(np.uint8)), dtype=np.uint8)

    def _fringed(self, light: NDArray[np.float32]) -> NDArray[np.float32]:
        """Red and blue shifted against green: coloured edges."""
        size = light.shape[1::-1]
        shift_px = np.array(self.fringe_um) / self.mpp
        for channel, way in ((0, 1.0), (2, -1.0)):
            move = np.array([[1, 0, way * shift_px[0]], [0, 1, way * shift_px[1]]])
            light[..., channel] = cv2.warpAffine(
                np.ascontiguousarray(light[..., channel]), move, size, borderMode=cv2.BORDER_REPLICATE
            )
        return light


def _blurred(light: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(light, (0, 0), sigma_px), dtype=np.float32)
