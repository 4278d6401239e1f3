"""The picture of docs/annotations.md: the layers that glomspike writes and reads, on the example slide.

python -m benchmarks.quality.annotations_picture SLIDE TRUTH_XML PICTURE
"""

from pathlib import Path

import click
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Polygon, Rectangle

from glomspike.annotate.imagescope import read_imagescope
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import AREA, OTHER, OUTLINES, SPIKE_TILES, SPIKED, UNDETERMINED
from glomspike.findings import RGB
from glomspike.slide.reader import open_slide

WIDE_PX = 1400
BOX_PX = 110.0  # boxes are drawn larger than they are, to be seen
MEANINGS = (
    (SPIKED, "a glomerulus with spikes"),
    (OTHER, "a glomerulus without"),
    (UNDETERMINED, "yours: a glomerulus, hard to say which"),
    (OUTLINES, "its edge"),
    (SPIKE_TILES, "draw your own: a box on spikes"),
    (AREA, "yours: the part that you went through"),
)


@click.command()
@click.argument("slide", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.argument("picture", type=click.Path(path_type=Path))
def main(slide: Path, truth: Path, picture: Path) -> None:
    """Draw the layers over the slide."""
    with open_slide(slide) as opened:
        pixels, frame = opened.thumbnail(WIDE_PX)
    figure = plt.figure(figsize=(10, 8.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(pixels)
    axes.axis("off")
    for layer in _with_people(read_imagescope(truth), pixels, frame.scale_x0):
        for region in layer.regions:
            _draw(axes, layer, region, frame.scale_x0)
    handles = [
        Line2D([], [], color=_shade(style.colour), lw=3, label=f"{style.name}: {meaning}")
        for style, meaning in MEANINGS
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(picture, dpi=110, pil_kwargs={"quality": 85})


def _with_people(layers: tuple[Layer, ...], pixels: RGB, scale0: float) -> list[Layer]:
    """The layers as a run has them, one glomerulus moved to the undetermined, and a corrected area."""
    by_name = {layer.name: list(layer.regions) for layer in layers}
    undetermined = [by_name[OTHER.name].pop()]
    high, wide = (side * scale0 for side in pixels.shape[:2])
    corners = np.array([[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98]]) * [wide, high]
    area = [Region(RegionType.RECTANGLE, corners)]
    drawn = {**by_name, UNDETERMINED.name: undetermined, AREA.name: area}
    return [Layer(style.name, style.colour, tuple(drawn[style.name])) for style, _ in MEANINGS]


def _draw(axes: Axes, layer: Layer, region: Region, scale0: float) -> None:
    left, top, right, bottom = (value / scale0 for value in region.box_viewer)
    middle, colour = ((left + right) / 2, (top + bottom) / 2), _shade(layer.colour)
    if region.type is RegionType.POLYGON:
        axes.add_patch(Polygon(region.vertices_viewer / scale0, fill=False, ec=colour, lw=2))
    elif region.type is RegionType.ELLIPSE:
        axes.add_patch(Ellipse(middle, right - left, bottom - top, fill=False, ec=colour, lw=3))
        axes.annotate(region.text, (left, top), color=colour, weight="bold", backgroundcolor="#ffffffc0")
    else:
        side = BOX_PX / scale0 if layer.name == SPIKE_TILES.name else right - left
        high = side if layer.name == SPIKE_TILES.name else bottom - top
        corner = (middle[0] - side / 2, middle[1] - high / 2)
        axes.add_patch(Rectangle(corner, side, high, fill=False, ec=colour, lw=2))


def _shade(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """Yellow and green as they can be seen on paper."""
    red, green, blue = (0.85 * value / 255 for value in colour)
    return red, 0.8 * green, blue


if __name__ == "__main__":
    main()
