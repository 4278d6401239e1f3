"""Whether a slide was taken in bright field, the only light that the networks know."""

import cv2
import numpy as np

from glomspike.findings import RGB

WINDOW_PX = 5  # of a thumbnail
DARK = 115  # grey level: half the pixels of a slide in dark field are below
SMOOTH = (
    0.25  # texture of the darkest parts over that of the brightest: above 0.3 in the darkest silver stains
)
NEARLY_BLACK = 64  # grey level that the brightest of a picture exceeds: 104 in the darkest fields measured
LEAST_TEXTURE = 0.3  # grey levels, so that a ratio means something


def is_dark_field(thumbnail: RGB) -> bool:
    """Whether a slide's picture is dark and smooth where it is empty: fluorescence, dark field, or inverted.

    So is one that is nearly black all over: underexposed, or values of a camera on the wrong scale.

    In bright field glass and lumina are bright and smooth, and what is stained has texture.
    """
    grey = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if np.median(grey) >= DARK:
        return False
    if np.percentile(grey, 99) < NEARLY_BLACK:
        return True
    window = (WINDOW_PX, WINDOW_PX)
    mean = np.asarray(cv2.blur(grey, window))
    texture = np.sqrt(np.maximum(np.asarray(cv2.blur(grey * grey, window)) - mean * mean, 0))
    dark, bright = np.percentile(mean, [20, 80])
    rough = max(LEAST_TEXTURE, float(np.median(texture[mean >= bright])))
    return float(np.median(texture[mean <= dark])) < SMOOTH * rough
