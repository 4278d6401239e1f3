"""The pictures that all ways of scoring and outlining start from, so that no reading counts.

    python -m benchmarks.speed.pictures SLIDE PICTURES

Writes to PICTURES (.npz) a glomerulus of SLIDE as the classifier sees it, 1100 px wide as in the paper, and
the crops of all as the segmenter sees them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

from glomspike.detect.infer import detect
from glomspike.findings import RGB
from glomspike.networks.models import load_models
from glomspike.segment.crop import crop_of
from glomspike.slide.field import read_field
from glomspike.slide.reader import open_slide
from glomspike.slide.tissue import find_tissue

SIDE_PX, TILE_PX, STRIDE_PX = 1100, 50, 25  # of Chen et al.: 1849 tiles


@dataclass(frozen=True, eq=False)
class Pictures:
    """A glomerulus (1100, 1100, 3) at the classifier's µm/px; the segmenter's crops (n, side, side, 3)."""

    glomerulus: RGB
    crops: NDArray[np.uint8]

    @classmethod
    def load(cls, path: Path) -> "Pictures":
        """What this program wrote there."""
        found = np.load(path)
        return cls(found["glomerulus"], found["crops"])

    @property
    def corners_px(self) -> NDArray[np.intp]:
        """The upper left corner of each tile (1849, 2), x before y."""
        starts = np.arange(0, SIDE_PX - TILE_PX + 1, STRIDE_PX)
        return np.stack(np.meshgrid(starts, starts), axis=-1).reshape(-1, 2)


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@click.command()
@click.argument("slide", type=click.Path(path_type=Path))
@click.argument("pictures", type=click.Path(path_type=Path))
def main(slide: Path, pictures: Path) -> None:
    """Find the glomeruli of SLIDE and cut them out, unless PICTURES is there."""
    if pictures.exists():
        return
    models = load_models(device=torch.device("cpu"))
    mpp, input_px = models["classifier"].card.mpp, models["segmenter"].card.input_px
    with open_slide(slide) as opened:
        found = detect(opened, find_tissue(opened), models["detector"], lambda *_: None).circles
        first, half0 = found[0], SIDE_PX / 2 * mpp / opened.facts.mpp.x
        field = read_field(opened, first.x0 - half0, first.y0 - half0, SIDE_PX, SIDE_PX, mpp)
        crops = np.stack([crop_of(opened, circle, input_px).pixels for circle in found])
    np.savez(pictures, glomerulus=field.pixels, crops=crops)


if __name__ == "__main__":
    main()
