"""Slides small enough to run by the hundred: one glomerulus each, cut from the example at half its size."""

from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.reliability.containers import (
    new_series,
    padded,
    shrunk,
    write_dicom,
    write_ome,
    write_tiff,
)
from glomspike.annotate.imagescope import read_imagescope
from glomspike.findings import RGB
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.slide.reader import open_slide

EXAMPLES = Path(__file__).parents[2] / "examples"
MPP = 0.25  # that the slides claim; twice that is what they were painted with
SIDE_PX = 560
GLOMERULI_LAYERS = ("Spiked glomeruli", "Other glomeruli")


def write_small_slides(
    folder: Path, count: int, compression: Literal["jpeg", "jpeg2000"] = "jpeg"
) -> list[Path]:
    """The paths of so many slides, no two alike up to 48, in `folder`: small-01.svs and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = _pictures()
    paths = []
    for number in range(count):
        turned = np.rot90(pictures[number % len(pictures)], number // len(pictures) % 4)
        pixels = turned if number // len(pictures) < 4 else turned[:, ::-1]
        paths.append(folder / f"small-{number + 1:02d}.svs")
        _write(paths[-1], pixels, compression)
    return paths


def write_small_containers(folder: Path) -> list[Path]:
    """One small slide in the containers that Aperio's files are not: TIFF, OME-TIFF, WebP, DICOM."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = _pictures()[0]
    levels = [picture, shrunk(picture, 4, "up")]
    (dicom,) = write_dicom(folder, "dicom", levels[:1], (1,), new_series(mpp=MPP))
    return [
        write_tiff(folder / "filled-up.tif", [picture, padded(levels[1])], mpp=MPP),
        write_tiff(folder / "webp.tif", levels, mpp=MPP, compression="webp"),
        write_ome(folder / "slide.ome.tif", [({}, levels)], mpp=MPP),
        dicom,
    ]


def _pictures() -> list[RGB]:
    """Each glomerulus of the example in the middle of its picture."""
    layers = read_imagescope(EXAMPLES / "truth.xml")
    shapes = [
        np.array(r.vertices_viewer)
        for layer in layers
        if layer.name in GLOMERULI_LAYERS
        for r in layer.regions
    ]
    side0 = 2 * SIDE_PX
    with open_slide(EXAMPLES / "phantom.svs") as slide:
        corners0 = [(shape.min(axis=0) + shape.max(axis=0)) / 2 - side0 / 2 for shape in shapes]
        return [slide.read(x0, y0, side0, side0, 2 * MPP) for x0, y0 in corners0]


def _write(path: Path, pixels: RGB, compression: Literal["jpeg", "jpeg2000"]) -> None:
    def block(x: int, y: int, width: int, height: int) -> RGB:
        return np.ascontiguousarray(pixels[y : y + height, x : x + width])

    write_pyramid(path, block, pixels.shape[1], pixels.shape[0], File(MPP, 40, 90, compression))
