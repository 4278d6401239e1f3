"""A laboratory's electron microscope: scale, focus, grain, contrast, faults of the section, burnt-in bar."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.phantom.curves import blob
from glomspike.phantom.noise import Texture, cloud
from glomspike.phantom.tem_cells import filled, grains, lay, soft

Bar = Literal["none", "line", "box", "strip"]
BAR_LENGTHS_NM = (200, 500, 1000, 2000, 5000)
BARS: tuple[Bar, ...] = ("none", "line", "box", "strip")


@dataclass(frozen=True)
class Microscope:
    """What a laboratory's microscope and its sections do to every micrograph."""

    nm_px: float
    size_px: tuple[int, int]  # width, height
    blur_nm: float  # standard deviation: section thickness and focus
    noise: float  # of the camera, grey levels
    grain: float  # of film or resin, grey levels
    mean: float  # grey level that the contrast turns around, and lands on
    contrast: float
    gamma: float
    bar: Bar
    marked: float  # share of sections with knife marks
    dirty: float  # share with black precipitate
    torn: float  # share with holes
    quality: int  # of JPEG

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Microscope":
        """A microscope, drawn at random."""
        sizes = [(448, 336), (448, 384), (416, 416), (400, 320), (448, 448)]
        return cls(
            nm_px=round(rng.uniform(15.0, 26.0), 2),
            size_px=sizes[int(rng.integers(len(sizes)))],
            blur_nm=rng.uniform(5, 15),
            noise=rng.uniform(3.0, 8.0),
            grain=rng.uniform(1.5, 7.0),
            mean=rng.uniform(118, 162),
            contrast=float(rng.choice([rng.uniform(1.0, 1.45), rng.uniform(0.45, 0.9)], p=[0.8, 0.2])),
            gamma=rng.uniform(0.85, 1.2),
            bar=BARS[int(rng.integers(len(BARS)))],
            marked=rng.uniform(0, 0.5),
            dirty=rng.uniform(0, 0.45),
            torn=rng.uniform(0, 0.4),
            quality=int(rng.integers(84, 96)),
        )

    @property
    def um_px(self) -> float:
        """µm per pixel."""
        return self.nm_px / 1000

    def take(self, rng: np.random.Generator, tissue: Texture) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """The micrograph (height, width) of a field of tissue, and the names of faults on it."""
        faults = self._spoil(rng, tissue)
        sharp = cv2.GaussianBlur(tissue, (0, 0), max(0.35, self.blur_nm * rng.uniform(0.8, 1.5) / self.nm_px))
        light = np.clip(sharp, 1, 254) / 255
        toned = 255 * light ** (self.gamma * rng.uniform(0.94, 1.06))
        contrast = self.contrast * rng.uniform(0.88, 1.12)
        centre = float(np.clip(toned.mean(), 110, 190))
        picture = self.mean * rng.uniform(0.94, 1.06) + contrast * (toned - centre)
        picture += rng.uniform(0, 7) * cloud(rng, tissue.shape, max(tissue.shape) / 2)
        picture += self.grain * grains(rng, tissue.shape, 1.1)
        picture += (
            self.noise
            * np.sqrt(np.clip(light, 0.15, 1))
            * rng.standard_normal(tissue.shape, dtype=np.float32)
        )
        taken = np.clip(picture, 0, 255).astype(np.uint8)
        self._burn(rng, taken)
        return taken, faults

    def _spoil(self, rng: np.random.Generator, tissue: Texture) -> tuple[str, ...]:
        """Faults of the section, in place."""
        faults = []
        if rng.random() < self.marked:
            faults.append("knife marks")
            _knife_marks(rng, tissue)
        if rng.random() < self.dirty:
            faults.append("precipitate")
            for _ in range(int(rng.integers(1, 6))):
                _speck(rng, tissue, rng.uniform(1.5, 7.0), rng.uniform(2, 18))
        if rng.random() < self.torn:
            faults.append("holes")
            for _ in range(int(rng.integers(1, 4))):
                _speck(rng, tissue, rng.uniform(3, 18), 254.0)
        return tuple(faults)

    def _burn(self, rng: np.random.Generator, picture: NDArray[np.uint8]) -> None:
        """The scale bar as this microscope's program writes it."""
        if self.bar == "none":
            return
        height, width = picture.shape
        usual = [nm for nm in BAR_LENGTHS_NM if nm / self.nm_px < 0.42 * width]
        nm = usual[-1]
        length = round(nm / self.nm_px)
        text = f"{nm} nm" if nm < 1000 else f"{nm // 1000} um"
        if self.bar == "strip":
            picture[-22:] = 0
            cv2.line(picture, (8, height - 11), (8 + length, height - 11), 255, 2)
            _write(
                picture,
                f"{text}   HV 80 kV   {int(rng.integers(4, 13)) * 1000}x",
                (16 + length, height - 7),
                255,
            )
            return
        left = 10 if self.bar == "box" else width - length - 12
        if self.bar == "box":
            cv2.rectangle(picture, (4, height - 30), (left + length + 6, height - 4), 250, -1)
        ink = 0
        cv2.line(picture, (left, height - 9), (left + length, height - 9), ink, 2)
        _write(picture, text, (left + 2, height - 14), ink)


def _write(picture: NDArray[np.uint8], text: str, corner: tuple[int, int], grey: int) -> None:
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4, grey, 1, cv2.LINE_AA)


def _knife_marks(rng: np.random.Generator, tissue: Texture) -> None:
    """Parallel scratches of the knife, and the waves of its chatter."""
    rows, columns = np.indices(tissue.shape, dtype=np.float32)
    turn = rng.uniform(0, np.pi)
    across = columns * np.cos(turn) + rows * np.sin(turn)
    low = float(across.min())
    reach = int(across.max() - low) + 2
    profile = np.zeros(reach, dtype=np.float32)
    for _ in range(int(rng.integers(1, 7))):
        middle, width = rng.uniform(0, reach), rng.uniform(0.6, 5.0)
        profile += rng.normal(0, 9) * np.exp(-0.5 * ((np.arange(reach) - middle) / width) ** 2).astype(
            np.float32
        )
    profile += rng.uniform(0, 3) * np.sin(np.arange(reach) / rng.uniform(6, 30)).astype(np.float32)
    tissue += profile[(across - low).astype(np.int32)]


def _speck(rng: np.random.Generator, tissue: Texture, radius_px: float, grey: float) -> None:
    height, width = tissue.shape
    middle = rng.uniform(0, 1, size=2) * np.array([width, height])
    shape = middle + blob(rng, radius_px, 0.35, 32) * np.array([1.0, rng.uniform(0.3, 1.0)])
    lay(tissue, soft(filled(tissue.shape, shape), 0.6), grey)
