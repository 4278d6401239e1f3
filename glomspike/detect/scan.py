"""A picture looked over by the detector, window by window."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glomspike.detect.decode import decode
from glomspike.detect.looks import mean_maps
from glomspike.detect.windows import SLACK_UM, merged, windows_over
from glomspike.findings import RGB
from glomspike.networks.transfer import Delivery, sent
from glomspike.networks.weights import Normalisation

BATCH = 16
GLASS = 255
LEAST_SCORE = 0.02


def scan_picture(
    network: nn.Module, pixels: RGB, seen_mpp: float, side_px: int, normalisation: Normalisation
) -> NDArray[np.float64]:
    """Scored circles (n, columns of `decode`) of a picture at the detector's µm/px, in its pixels.

    The best come first. `seen_mpp` is the µm/px on the detector's card, even where it looks finer because
    glomeruli are smaller.

    Windows have the side of the crops that the detector learnt from: its decoder normalises over the whole
    window (GroupNorm), so that radii come out too large in windows that are mostly something else.
    """
    height_px, width_px = pixels.shape[:2]
    windows = windows_over(width_px, height_px, side_px, seen_mpp)
    padded = np.full((height_px + side_px, width_px + side_px, 3), GLASS, np.uint8)
    padded[:height_px, :width_px] = pixels
    owned = []
    for first in range(0, len(windows), BATCH):
        some = windows[first : first + BATCH]
        cut = [padded[w.y_px : w.y_px + side_px, w.x_px : w.x_px + side_px] for w in some]
        for window, circles in zip(some, scan_windows(network, cut, normalisation), strict=True):
            circles[:, :2] += (window.x_px, window.y_px)
            owned.append(circles[window.owns(circles, SLACK_UM / seen_mpp)])
    return merged(np.concatenate(owned))


def scan_windows(
    network: nn.Module, windows: list[RGB], normalisation: Normalisation
) -> list[NDArray[np.float64]]:
    """Scored circles (n, columns of `decode`) of each of some windows of one size, in the window's pixels.

    Computed where the network is. Only those of some likelihood: the rest are the centre map's noise.
    """
    return likely(decoded(network, windows, normalisation))


def decoded(network: nn.Module, windows: list[RGB], normalisation: Normalisation) -> Delivery:
    """What `decode` gives for windows of one size, begun where the network is."""
    pixels = sent(np.stack(windows), next(network.parameters()).device)
    with torch.inference_mode():
        return Delivery.of(decode(mean_maps(network, normalisation.apply(pixels))))


def likely(circles: Delivery) -> list[NDArray[np.float64]]:
    """Of each window's circles (n, columns of `decode`) those of some likelihood."""
    return [window[(window[:, 3] >= LEAST_SCORE) & (window[:, 2] > 0)] for window in circles.array()]
