"""A phantom slide on which one or several sections of a block lie, painted block by block."""

from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.findings import RGB, Points
from glomspike.phantom.artefacts import Artefacts
from glomspike.phantom.dyes import Dyes
from glomspike.phantom.paint import Camera, Painter, with_margin
from glomspike.phantom.placement import Placement
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.stain import Dye, Stain

TILE_PX = 768  # painted at once: a turned tile needs up to twice its area of the section
GRID_PX = 16  # step of the map from slide to block, which is smooth
EDGE_UM = 12.0  # tissue's soft edge and what overhangs it


@dataclass(frozen=True, eq=False)
class PlacedSection:
    """A section's painter, in the block's frame, and how the section lies on the slide."""

    painter: Painter
    placement: Placement


def box_um(placement: Placement, tissue_um: Points) -> tuple[Points, Points]:
    """Upper left and lower right corner, (2,) each, of a section on its slide, in the slide's µm."""
    edge = placement.to_slide(tissue_um)
    return edge.min(axis=0) - EDGE_UM, edge.max(axis=0) + EDGE_UM


class SectionsPainter:
    """Paints blocks of a slide of sections."""

    def __init__(
        self,
        sections: tuple[PlacedSection, ...],
        artefacts: Artefacts,
        stain: Stain,
        scanner: Scanner,
        seed: int,
    ) -> None:
        self._sections = [(one, *box_um(one.placement, one.painter.plan.tissue_um)) for one in sections]
        self._mpp = scanner.mpp
        self._camera = Camera(artefacts, stain, scanner, np.random.default_rng(seed))

    def block(self, x_px: int, y_px: int, width_px: int, height_px: int) -> RGB:
        """The pixels (height, width, 3) of a block whose corner lies at a pixel of the slide."""
        picture = np.empty((height_px, width_px, 3), dtype=np.uint8)
        for top in range(0, height_px, TILE_PX):
            for left in range(0, width_px, TILE_PX):
                width, height = min(TILE_PX, width_px - left), min(TILE_PX, height_px - top)
                dyes = with_margin(x_px + left, y_px + top, width, height, self._mpp)
                for section, low_um, high_um in self._sections:
                    if _meets(dyes, low_um, high_um):
                        _lay(section, dyes)
                picture[top : top + height, left : left + width] = self._camera.picture(dyes)
        return picture


def _meets(dyes: Dyes, low_um: Points, high_um: Points) -> bool:
    height, width = dyes.silver.shape
    low, high = dyes.local(low_um), dyes.local(high_um)
    return bool((low < (width, height)).all() and (high > 0).all())


def _lay(section: PlacedSection, dyes: Dyes) -> None:
    """Adds a section's dyes to a raster of the slide, each side of a tear by itself."""
    tear = section.placement.tear
    grid = _grid(dyes)
    for far in (False, True) if tear is not None else (False,):
        block_um = section.placement.to_block(grid.reshape(-1, 2), far=far).reshape(grid.shape)
        kept = None
        if tear is not None:
            side = tear.side_um(block_um.reshape(-1, 2)).reshape(grid.shape[:2]) * (1 if far else -1)
            if side.max() < 0:
                continue
            kept = np.clip(_enlarged(side, dyes) / np.float32(dyes.mpp) + np.float32(0.5), 0, 1)
        _lay_side(section.painter, block_um, kept, dyes)


def _lay_side(painter: Painter, block_um: NDArray[np.float64], kept: Dye | None, dyes: Dyes) -> None:
    low_um, high_um = block_um.min(axis=(0, 1)), block_um.max(axis=(0, 1))
    if not shapely.box(*low_um, *high_um).intersects(shapely.Polygon(painter.plan.tissue_um).buffer(EDGE_UM)):
        return
    corner_px = np.floor(low_um / dyes.mpp).astype(int) - 2
    width, height = (np.ceil(high_um / dyes.mpp).astype(int) + 3 - corner_px).tolist()
    source = Dyes.empty(width, height, int(corner_px[0]), int(corner_px[1]), dyes.mpp)
    painter.stain_tissue(source)
    x, y = (_enlarged(block_um[..., axis] / dyes.mpp - corner_px[axis] - 0.5, dyes) for axis in (0, 1))
    for dye, painted in (
        (dyes.silver, source.silver),
        (dyes.cytoplasm, source.cytoplasm),
        (dyes.nuclei, source.nuclei),
    ):
        turned = cv2.remap(painted, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        np.add(dye, turned if kept is None else turned * kept, out=dye)


def _grid(dyes: Dyes) -> NDArray[np.float64]:
    """Places on the slide, µm, (rows, columns, 2), `GRID_PX` apart, from the raster's corner on."""
    height, width = dyes.silver.shape
    columns, rows = np.arange(width // GRID_PX + 2), np.arange(height // GRID_PX + 2)
    corner = np.array([dyes.x_px, dyes.y_px])
    return np.asarray((np.stack(np.meshgrid(columns, rows), axis=-1) * GRID_PX + corner) * dyes.mpp)


def _enlarged(values: NDArray[np.float64], dyes: Dyes) -> Dye:
    """Values of the grid for every pixel's middle."""
    height, width = dyes.silver.shape
    # by hand: cv2 interpolates in steps of 1/32, which is half a pixel here
    columns = (np.arange(width) + 0.5) / GRID_PX
    rows = (np.arange(height) + 0.5) / GRID_PX
    left, top = columns.astype(int), rows.astype(int)
    across, down = (columns - left)[None, :], (rows - top)[:, None]
    along = values[:, left] * (1 - across) + values[:, left + 1] * across
    return np.asarray(along[top] * (1 - down) + along[top + 1] * down, dtype=np.float32)
