"""The pictures of one glomerulus: masked patch, image, mask, heatmap."""

from pathlib import Path

import numpy as np

from glomspike.classify.heatmap import Heat
from glomspike.findings import Glomerulus
from glomspike.geometry.raster import blanked, inside_outline
from glomspike.report.heatmap_picture import draw_heatmap
from glomspike.results.png import write_grey, write_rgb
from glomspike.slide.field import Field


def write_glomerulus_pictures(folder: Path, glomerulus: Glomerulus, field: Field, heat: Heat | None) -> None:
    """`patches/`, `images/`, `masks/` and `heatmaps/` of a glomerulus, each `0001.png` after its id.

    All show the same field. There is no heatmap where `heat` is None, as nothing was scored.
    """
    inside = inside_outline(glomerulus.outline, field.frame, (field.pixels.shape[0], field.pixels.shape[1]))
    write_rgb(_place(folder, "patches", glomerulus.id), blanked(field.pixels, inside))
    write_rgb(_place(folder, "images", glomerulus.id), field.pixels)
    write_grey(_place(folder, "masks", glomerulus.id), inside.view(np.uint8) * np.uint8(255))
    if heat is not None:
        picture = draw_heatmap(field, glomerulus.outline, heat)
        write_rgb(_place(folder, "heatmaps", glomerulus.id), picture)


def _place(folder: Path, kind: str, glomerulus_id: int) -> Path:
    (folder / kind).mkdir(exist_ok=True)
    return folder / kind / f"{glomerulus_id:04d}.png"
