"""Biopsies to measure speed on: cores of tissue on much glass, painted once and kept.

    python -m benchmarks.speed.slide WORK NAME...

Names: large (80,000 × 60,000 px, 40 glomeruli), small (a sixteenth of that, 5 glomeruli), and large-on-glass
and small-on-glass, the same compressed tissue at the same place of slides four times as large. They are
written to WORK, 0.25 µm/px, unless they are there already.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import tifffile

from glomspike.findings import RGB
from glomspike.phantom.paint import Painter
from glomspike.phantom.pyramid import TILE_PX, File, write_pyramid
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.spikes import Lesion
from glomspike.phantom.stain import Stain
from glomspike.phantom.tissue import plan_tissue

MPP = 0.25
CORE_WIDTH_PX = 4096  # a needle of 1 mm
TOP_PX = 1024  # of glass above the cores
SEED = 77
PAINTERS = 2


@dataclass(frozen=True)
class Layout:
    """How large a slide is, how many cores lie on it, how long they are, and the glomeruli in each."""

    width_px: int
    height_px: int
    cores_x_px: tuple[int, ...]
    core_height_px: int
    glomeruli: int


LAYOUTS = {
    "large": Layout(80_000, 60_000, (8192, 26_624, 45_056, 63_488), 48_128, 10),
    "small": Layout(20_000, 15_000, (8192,), 12_288, 5),
}
ON_GLASS = {f"{name}-on-glass": name for name in LAYOUTS}


class Biopsy:
    """Paints blocks of a slide: its cores, each a separate phantom, and between them clean glass."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        rng = np.random.default_rng(SEED)
        stain = Stain.sample(rng)
        scanner = replace(Scanner.sample(rng), mpp=MPP, objective=40, compression="jpeg", quality=85)
        self.file = File(MPP, scanner.objective, scanner.quality)
        self._painters = [_core(layout, stain, scanner, x_px) for x_px in layout.cores_x_px]
        nothing = np.zeros((32, 32), dtype=np.float32)
        self._glass = scanner.scan(stain.light(nothing, nothing, nothing), nothing, nothing)[0, 0]

    def block(self, x_px: int, y_px: int, width_px: int, height_px: int) -> RGB:
        """The pixels (height, width, 3) of a block whose corner lies at a pixel of the slide."""
        pixels = np.empty((height_px, width_px, 3), dtype=np.uint8)
        pixels[:] = self._glass
        top, bottom = max(y_px, TOP_PX), min(y_px + height_px, TOP_PX + self._layout.core_height_px)
        if top < bottom:
            with ThreadPoolExecutor(PAINTERS) as pool:
                lay = partial(_lay, pixels=pixels, corner_px=(x_px, y_px), rows_px=(top, bottom))
                list(pool.map(lay, self._painters, self._layout.cores_x_px))
        return pixels


def _core(layout: Layout, stain: Stain, scanner: Scanner, x_px: int) -> Painter:
    """A core, the same wherever else cores lie."""
    rng = np.random.default_rng([SEED, x_px])
    size_um = CORE_WIDTH_PX * MPP, layout.core_height_px * MPP
    plan = plan_tissue(rng, *size_um, layout.glomeruli, Lesion.sample(rng, scanner.blur_um))
    return Painter(plan, stain, scanner, int(rng.integers(2**31)))


def _lay(
    painter: Painter, core_x_px: int, pixels: RGB, corner_px: tuple[int, int], rows_px: tuple[int, int]
) -> None:
    """Paints what of a core lies in some rows of a block."""
    (x_px, y_px), (top, bottom) = corner_px, rows_px
    left, right = max(x_px, core_x_px), min(x_px + pixels.shape[1], core_x_px + CORE_WIDTH_PX)
    if left < right:
        painted = painter.block(left - core_x_px, top - TOP_PX, right - left, bottom - top)
        pixels[top - y_px : bottom - y_px, left - x_px : right - x_px] = painted


def write_biopsies(folder: Path, names: Sequence[str]) -> None:
    """Writes the slides of these names, `folder`/name.svs, but for those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / f"{name}.svs"
        if path.exists():
            continue
        unfinished = path.with_suffix(".unfinished")
        if name in ON_GLASS:
            write_biopsies(folder, [ON_GLASS[name]])
            write_on_more_glass(unfinished, folder / f"{ON_GLASS[name]}.svs")
        else:
            write_biopsy(unfinished, LAYOUTS[name])
        unfinished.rename(path)


def write_biopsy(path: Path, layout: Layout) -> None:
    """Writes one slide."""
    biopsy = Biopsy(layout)
    write_pyramid(path, biopsy.block, layout.width_px, layout.height_px, biopsy.file)


def write_on_more_glass(path: Path, slide: Path) -> None:
    """Writes a slide twice as wide and high as one that has glass in its corner, with the tissue of that."""
    with tifffile.TiffFile(slide) as small, tifffile.TiffWriter(path, bigtiff=True) as large:
        glass = next(_compressed(small.pages.first))
        for page in small.pages:
            assert isinstance(page, tifffile.TiffPage)
            height, width, _ = page.shape
            of: dict[str, Any] = {
                "photometric": "rgb",
                "metadata": None,
                "compression": "jpeg",
                "dtype": np.uint8,
            }
            if not page.is_tiled:
                large.write(page.asarray(), rowsperstrip=16, description=page.description, **of)
                continue
            description = page.description.replace(f"{width}x{height}", f"{2 * width}x{2 * height}")
            shape, tile = (2 * height, 2 * width, 3), (TILE_PX, TILE_PX)
            large.write(_on_glass(page, glass), shape=shape, tile=tile, description=description, **of)


def _on_glass(page: tifffile.TiffPage, glass: bytes) -> Iterator[bytes]:
    """The compressed tiles of a level, row by row, with glass to their right and below."""
    height, width, _ = page.shape
    rows, columns = math.ceil(height / TILE_PX), math.ceil(width / TILE_PX)
    tiles = _compressed(page)
    for row in range(math.ceil(2 * height / TILE_PX)):
        for column in range(math.ceil(2 * width / TILE_PX)):
            yield next(tiles) if row < rows and column < columns else glass


def _compressed(page: tifffile.TiffPage) -> Iterator[bytes]:
    file = page.parent.filehandle
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        yield file.read(size)


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.argument("names", type=click.Choice([*LAYOUTS, *ON_GLASS]), nargs=-1)
def main(work: Path, names: tuple[str, ...]) -> None:
    """Make the biopsies of these names."""
    write_biopsies(work, names)


if __name__ == "__main__":
    main()
