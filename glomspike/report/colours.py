"""Probabilities as colours, and the bar that explains them."""

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glomspike.findings import RGB

ColourMap = Literal["viridis", "jet"]
_OPENCV_MAPS: dict[ColourMap, int] = {"viridis": cv2.COLORMAP_VIRIDIS, "jet": cv2.COLORMAP_JET}
NOT_SCORED = (128, 128, 128)
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def jet(probabilities: NDArray[np.floating]) -> RGB:
    """Colours (..., 3), dark blue for 0 over green to dark red for 1."""
    steps = np.round(np.asarray(probabilities) * 255).astype(np.uint8)
    return np.take(palette("jet"), steps, axis=0)


@lru_cache
def palette(name: ColourMap) -> RGB:
    """The 256 colours (256, 3) of a map, the first for 0 and the last for 1.

    Jet is the paper's; viridis can also be read by the colour-blind and in grey.
    """
    ramp = np.arange(256, dtype=np.uint8).reshape(256, 1)
    return np.asarray(cv2.applyColorMap(ramp, _OPENCV_MAPS[name])[:, 0, ::-1], dtype=np.uint8)


def label_font(size_px: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font of all labels, the same on every machine."""
    return ImageFont.load_default(size_px)


def colour_bar(height_px: int, font_px: int, title: str) -> RGB:
    """A white strip (height_px, width, 3) with colours from 0 (bottom) to 1 (top), ticks, and a title."""
    font = label_font(font_px)
    bar_px, margin_px = font_px, 2 * font_px
    strip = Image.new("RGB", (round(bar_px * 5.5), height_px), "white")
    length_px = max(height_px - 2 * margin_px, 2)
    ramp = jet(np.linspace(1, 0, length_px)[:, None]).repeat(bar_px, axis=1)
    left_px = font_px // 2
    strip.paste(Image.fromarray(ramp), (left_px, margin_px))
    draw = ImageDraw.Draw(strip)
    right_px = left_px + bar_px
    draw.rectangle((left_px - 1, margin_px - 1, right_px, margin_px + length_px), outline="black")
    for tick in _TICKS:
        y_px = margin_px + round((1 - tick) * (length_px - 1))
        draw.line((right_px, y_px, right_px + font_px // 3, y_px), fill="black")
        draw.text((right_px + font_px // 2, y_px), f"{tick:.1f}", fill="black", font=font, anchor="lm")
    _write_upwards(strip, title, font)
    return np.asarray(strip, dtype=np.uint8)


def _write_upwards(
    strip: Image.Image, title: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> None:
    left, top, right, bottom = font.getbbox(title)
    text = Image.new("RGB", (round(right - left), round(bottom - top)), "white")
    ImageDraw.Draw(text).text((-left, -top), title, fill="black", font=font)
    turned = text.rotate(90, expand=True)
    if turned.height <= strip.height:
        x_px = strip.width - turned.width - turned.width // 4
        strip.paste(turned, (x_px, (strip.height - turned.height) // 2))
