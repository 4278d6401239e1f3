"""Which of a phantom's spikes can be seen on its picture, as it was stained and scanned.

Spikes may drown in ink, or lie below what the scanner resolves. Nobody could label such a glomerulus, and a
classifier that learns from it learns to guess.
"""

import cv2
import numpy as np
from scipy.spatial import cKDTree

from glomspike.findings import RGB, Points
from glomspike.phantom.spikes import Growth, Sheet, Spikes

CONTRAST = 5.0  # grey levels of 255, at least, between spikes and the gaps between them
ALONG = 0.6  # of a spike's length, where it is held against the gaps beside it

# Of the stretches and sheets of a glomerulus, in the order of `Growth.lines_um`: whether spikes can be seen.
Visibility = tuple[bool, ...]


def visible_spikes(growth: Growth, picture: RGB, corner_um: Points, mpp: float, noise: float) -> Visibility:
    """Which stretches and sheets show spikes on a picture whose corner lies at `corner_um`.

    Spikes are seen where the gaps between them are lighter by `CONTRAST`, and by the camera's noise (standard
    deviation in grey levels), at least.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    least = max(CONTRAST, noise)

    def contrast(spikes_um: Points, gaps_um: Points) -> float:
        return _mean_at(grey, (gaps_um - corner_um) / mpp) - _mean_at(grey, (spikes_um - corner_um) / mpp)

    sides = [contrast(*_beside(stretch)) >= least for stretch in growth.stretches]
    ends = [abs(contrast(*_among(sheet))) >= least for sheet in growth.sheets]
    return (*sides, *ends)


def _beside(stretch: Spikes) -> tuple[Points, Points]:
    """Points on the spikes of a stretch, and points half way between them."""
    spikes_um = stretch.base_um + ALONG * (stretch.tip_um - stretch.base_um)
    return spikes_um, (spikes_um[1:] + spikes_um[:-1]) / 2


def _among(sheet: Sheet) -> tuple[Points, Points]:
    """Points on the spikes of a sheet, and points half way to the nearest others."""
    _, nearest = cKDTree(sheet.places_um).query(sheet.places_um, k=[2])
    others = np.asarray(nearest)[:, 0]
    return sheet.places_um, (sheet.places_um + sheet.places_um[others]) / 2


def _mean_at(grey: cv2.typing.MatLike, points_px: Points) -> float:
    """The mean of a picture at points (n, 2), pixel 0 spanning 0 to 1."""
    places = np.asarray(points_px - 0.5, dtype=np.float32)[None]
    values = cv2.remap(
        grey, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return float(values.mean())
