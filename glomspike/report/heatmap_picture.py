"""The spike heatmap as a picture: colours over the glomerulus, with a colour bar."""

import cv2
import numpy as np

from glomspike.classify.heatmap import Heat
from glomspike.findings import RGB, Outline
from glomspike.report.colours import colour_bar, jet
from glomspike.slide.field import Field

_OPACITY = 0.4


def draw_heatmap(field: Field, outline: Outline, heat: Heat) -> RGB:
    """The field with its heat laid over it where it has any, the outline, and a colour bar to the right.

    (height, width + bar, 3); the field keeps its size, so the heatmap lies on `images/` pixel by pixel.
    """
    hot = ~np.isnan(heat)
    colours = jet(np.where(hot, heat, 0.0))
    blended = cv2.addWeighted(field.pixels, 1 - _OPACITY, colours, _OPACITY, 0)
    picture = cv2.copyTo(blended, hot.view(np.uint8), field.pixels.copy())
    height_px = picture.shape[0]
    edge_px = np.round((field.frame.from_level0(outline.polygon0) - 0.5) * 16).astype(np.int32)
    cv2.polylines(picture, [edge_px], True, (255, 255, 255), max(height_px // 400, 1), cv2.LINE_AA, shift=4)
    bar = colour_bar(height_px, max(height_px // 36, 11), "spike probability")
    return np.concatenate([picture, bar], axis=1)
