"""The whole slide at a glance: every glomerulus circled in its probability's colour."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from glomspike.annotate.marks import UNCERTAIN
from glomspike.findings import RGB, Glomerulus, SlideResult
from glomspike.geometry.frames import FieldFrame
from glomspike.report.colours import NOT_SCORED, colour_bar, jet, label_font
from glomspike.results.png import write_rgb


def write_overview(path: Path, thumbnail: RGB, frame: FieldFrame, result: SlideResult) -> None:
    """`overview.png`: the thumbnail with its circles, ids and colour bar."""
    write_rgb(path, draw_overview(thumbnail, frame, result))


def draw_overview(thumbnail: RGB, frame: FieldFrame, result: SlideResult) -> RGB:
    """The thumbnail with each glomerulus circled and numbered; wider by a colour bar to the right.

    `frame` is where the thumbnail lies on the slide. Glomeruli without a score are grey, the numbers of
    uncertain ones amber with a question mark.
    """
    picture = np.ascontiguousarray(thumbnail).copy()
    longest_px = max(picture.shape[:2])
    line_px = max(longest_px // 700, 2)
    for glomerulus in result.glomeruli:
        _circle(picture, glomerulus, frame, result, line_px)
    font_px = max(longest_px // 90, 11)
    bar = colour_bar(picture.shape[0], font_px, "spike probability (grey: not scored)")
    return np.concatenate([_numbered(picture, frame, result, font_px), bar], axis=1)


def _circle(
    picture: RGB, glomerulus: Glomerulus, frame: FieldFrame, result: SlideResult, line_px: int
) -> None:
    circle, mpp = glomerulus.circle, result.slide.mpp
    (x_px, y_px) = frame.from_level0(np.array([[circle.x0, circle.y0]]))[0] - 0.5
    half_px = (circle.radius_um / mpp.x / frame.scale_x0, circle.radius_um / mpp.y / frame.scale_y0)
    box = ((x_px, y_px), (2 * half_px[0], 2 * half_px[1]), 0.0)
    # A dark rim keeps the colours apart from tissue of the same hue.
    cv2.ellipse(picture, box, (0, 0, 0), line_px + 2, cv2.LINE_AA)
    cv2.ellipse(picture, box, _colour(glomerulus), line_px, cv2.LINE_AA)


def _colour(glomerulus: Glomerulus) -> tuple[int, int, int]:
    if glomerulus.judgement is None:
        return NOT_SCORED
    red, green, blue = jet(np.array(glomerulus.judgement.probability)).tolist()
    return red, green, blue


def _numbered(picture: RGB, frame: FieldFrame, result: SlideResult, font_px: int) -> RGB:
    """The picture with each id to the right of its circle, or to the left where the picture ends."""
    canvas = Image.fromarray(picture)
    draw, font = ImageDraw.Draw(canvas), label_font(font_px)
    for glomerulus in result.glomeruli:
        circle, judgement = glomerulus.circle, glomerulus.judgement
        is_uncertain = judgement is not None and judgement.call == "uncertain"
        label = f"{glomerulus.id}?" if is_uncertain else str(glomerulus.id)
        x_px, y_px = frame.from_level0(np.array([[circle.x0, circle.y0]]))[0]
        away_px = circle.radius_um / result.slide.mpp.x / frame.scale_x0 + font_px / 3
        fits = x_px + away_px + font.getlength(label) < canvas.width
        draw.text(
            (x_px + away_px if fits else x_px - away_px, y_px),
            label,
            UNCERTAIN.colour if is_uncertain else "black",
            font,
            "lm" if fits else "rm",
            stroke_width=max(font_px // 8, 1),
            stroke_fill="black" if is_uncertain else "white",
        )
    return np.asarray(canvas, dtype=np.uint8)
