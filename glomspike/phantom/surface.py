"""The outer faces of a tuft's walls, as lines to stand spikes and their look-alikes on."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.phantom.curves import resample, smooth
from glomspike.phantom.noise import Texture
from glomspike.phantom.tuft import Section

STEP_UM = 0.4  # distance of points along a face
LEAST_UM = 8.0  # shorter faces are specks between junctions
ROOM_UM = 1.5  # of free space before a membrane on which spikes may stand
UPRIGHT = 1.6  # a wall that shifts further per µm of depth is a grey band, not a line


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed face of membrane: points (n, 2) `STEP_UM` apart and the unit normals away from the lumen."""

    line_um: Points
    out: Points
    plain: NDArray[np.bool_]  # (n,) bare upright membrane with room before it

    @property
    def length_um(self) -> float:
        """Its length, all around."""
        return len(self.line_um) * STEP_UM

    def stretch(self, start: int, length_um: float) -> NDArray[np.intp]:
        """Indices (n,) of the points from `start` on, as far as the length goes, around the end if needed."""
        count = min(len(self.line_um), round(length_um / STEP_UM))
        return (start + np.arange(count)) % len(self.line_um)


def outer_faces(section: Section) -> tuple[Surface, ...]:
    """Where walls end and space between loops begins, also where one loop faces another."""
    return _faces(section, section.lumen_um - section.wall_um, 1.0)


def inner_faces(section: Section, depth_um: float) -> tuple[Surface, ...]:
    """Lines within lumens, `depth_um` from their walls; their normals point into the lumen."""
    return _faces(section, section.lumen_um + np.float32(depth_um), -1.0)


def _faces(section: Section, level_um: Texture, side: float) -> tuple[Surface, ...]:
    """The lines where `level_um` is 0, with normals towards more of it (`side` 1) or less (-1)."""
    soft = np.asarray(cv2.GaussianBlur(level_um, (0, 0), 2.0), dtype=np.float32)
    mask = (soft < 0).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    down, right = (np.asarray(part, dtype=np.float32) for part in np.gradient(soft))
    found = []
    for contour in contours:
        if len(contour) * 0.25 < LEAST_UM:
            continue
        line = resample(section.points_um(contour[:, 0, :].astype(np.float64)), STEP_UM)
        line = smooth(line, 0.35, STEP_UM)
        out = side * np.stack([section.at(right, line), section.at(down, line)], axis=1)
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        plain = (section.at(section.matrix, line) < 0.25) & (section.at(section.tangential, line) < 0.4)
        plain &= section.at(soft, line + side * ROOM_UM * out) * side > 0.2
        plain &= np.abs(section.at(section.slope, line)) < UPRIGHT
        found.append(Surface(line, out, plain))
    return tuple(found)
