"""Cells on a phantom electron micrograph: nuclei, podocyte bodies, red cells, endothelium, mesangial cells.

Each function paints into a picture of grey levels (height, width), 0 black to 255, before the microscope.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Mask, Points
from glomspike.phantom.curves import blob
from glomspike.phantom.noise import Texture, cloud
from glomspike.phantom.tem_scene import MARGIN_PX, Scene

BANK_PX = 1536  # side of the stored textures


@dataclass(frozen=True)
class Greys:
    """How a block of tissue has taken up lead and uranium: grey levels of what it is made of."""

    space: float
    plasma: float
    membrane: float
    matrix: float
    dense: float  # by how much deposits are darker than the membrane
    feet: float
    body: float
    endothelium: float
    mesangial: float
    red_cell: float
    light_chromatin: float
    dark_chromatin: float
    line: float  # cell membranes
    grain: float  # relative strength of granules in cells and plasma

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Greys":
        """A block's uptake, drawn at random."""
        return cls(
            space=rng.uniform(190, 226),
            plasma=rng.uniform(178, 220),
            membrane=rng.uniform(112, 152),
            matrix=rng.uniform(108, 150),
            dense=rng.uniform(26, 58),
            feet=rng.uniform(55, 120),
            body=rng.uniform(92, 160),
            endothelium=rng.uniform(70, 130),
            mesangial=rng.uniform(70, 120),
            red_cell=rng.uniform(30, 62),
            light_chromatin=rng.uniform(125, 175),
            dark_chromatin=rng.uniform(38, 75),
            line=rng.uniform(30, 70),
            grain=rng.uniform(0.6, 1.5),
        )


@lru_cache(maxsize=8)
def _bank(sigma_px: float) -> Texture:
    rng = np.random.default_rng(int(1000 * sigma_px))
    white = rng.standard_normal((BANK_PX, BANK_PX), dtype=np.float32)
    soft = cv2.GaussianBlur(white, (0, 0), sigma_px)
    return np.asarray((soft - soft.mean()) / soft.std(), dtype=np.float32)


def grains(rng: np.random.Generator, shape: tuple[int, int], sigma_px: float) -> Texture:
    """Fine noise of unit variance: a part of a stored texture, mirrored at random."""
    stored = _bank(sigma_px)
    y, x = (int(rng.integers(BANK_PX - length + 1)) for length in shape)
    part = stored[y : y + shape[0], x : x + shape[1]]
    return np.asarray(cv2.flip(part, int(rng.integers(-1, 2))), dtype=np.float32)


def lay(picture: Texture, cover: NDArray[Any], grey: NDArray[Any] | float) -> None:
    """Puts a grey level over a picture where `cover` is 1."""
    picture += cover * (grey - picture)


def soft(mask: NDArray[Any], sigma_px: float = 0.7) -> Texture:
    """A mask with soft edges."""
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma_px), dtype=np.float32)


def rim(mask: NDArray[Any], width_px: int = 1) -> Texture:
    """The edge of a mask, from inside."""
    full = mask.astype(np.uint8)
    core = np.asarray(cv2.erode(full, np.ones((2 * width_px + 1,) * 2, np.uint8), borderValue=1))
    return soft((full > 0) & (core == 0), 0.6)


def filled(shape: tuple[int, int], *polygons: Points) -> NDArray[np.uint8]:
    """A mask of polygons (n, 2)."""
    canvas = np.zeros(shape, dtype=np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [np.rint(polygon * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return canvas


def cytoplasm(rng: np.random.Generator, scene: Scene, greys: Greys) -> Texture:
    """The inside of cells, to be added to their grey: granules, strands of reticulum, patches."""
    shape = scene.shape
    fine = (9 * grains(rng, shape, 0.8) + 6 * grains(rng, shape, 1.5)) * np.float32(greys.grain)
    strands = np.clip(1 - np.abs(grains(rng, shape, 2.0)) * 2.2, 0, 1)
    return np.asarray(fine - 26 * strands + 9 * cloud(rng, shape, scene.px(0.5)) + 7, dtype=np.float32)


def paint_nucleus(
    rng: np.random.Generator, picture: Texture, scene: Scene, mask: NDArray[np.uint8], greys: Greys
) -> None:
    """A nucleus: chromatin in clumps, most of it along the edge."""
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3) * scene.um_px
    clumps = cloud(rng, scene.shape, scene.px(rng.uniform(0.12, 0.22)))
    edge_um = rng.uniform(0.06, 0.22)
    heavy = soft((clumps > rng.uniform(0.5, 1.3)) | (depth < edge_um * (1 + 0.6 * clumps)), 1.0)
    fine = grains(rng, scene.shape, 1.2)
    inside = (
        greys.light_chromatin + 20 * fine + heavy * (greys.dark_chromatin - greys.light_chromatin - 8 * fine)
    )
    lay(picture, soft(mask), inside.astype(np.float32))
    lay(picture, 0.7 * rim(mask), greys.line)


def paint_organelles(
    rng: np.random.Generator, picture: Texture, scene: Scene, within: Mask, greys: Greys
) -> None:
    """Mitochondria, vesicles and lysosomes in cytoplasm."""
    rows, columns = np.nonzero(within[::4, ::4])
    if not len(rows):
        return
    area_um2 = len(rows) * 16 * scene.um_px**2
    dark, pale = np.zeros(scene.shape, np.uint8), np.zeros(scene.shape, np.uint8)
    rings = np.zeros(scene.shape, np.uint8)
    for _ in range(rng.poisson(1.2 * area_um2)):
        at = int(rng.integers(len(rows)))
        centre = (int(columns[at] * 4), int(rows[at] * 4))
        kind, turn = rng.random(), float(rng.uniform(0, 180))
        if kind < 0.5:
            axes = np.array([rng.uniform(0.12, 0.4), rng.uniform(0.08, 0.14)])
            cv2.ellipse(
                dark,
                centre,
                np.rint(axes / scene.um_px).astype(int).tolist(),
                turn,
                0,
                360,
                int(rng.integers(140, 250)),
                -1,
                cv2.LINE_AA,
            )
        elif kind < 0.9:
            axis = max(2, round(scene.px(rng.uniform(0.03, 0.11))))
            cv2.ellipse(
                pale,
                centre,
                (axis, max(1, round(axis * rng.uniform(0.6, 1)))),
                turn,
                0,
                360,
                220,
                -1,
                cv2.LINE_AA,
            )
            cv2.ellipse(rings, centre, (axis, axis), turn, 0, 360, 180, 1, cv2.LINE_AA)
        else:
            axis = max(2, round(scene.px(rng.uniform(0.08, 0.3))))
            cv2.ellipse(dark, centre, (axis, max(1, round(0.8 * axis))), turn, 0, 360, 255, -1, cv2.LINE_AA)
    inside = within.astype(np.float32) / 255
    cristae = np.clip(1 - 1.6 * np.abs(grains(rng, scene.shape, 1.5)), 0, 1)
    lay(picture, dark * inside, (greys.line + 30 + 30 * cristae).astype(np.float32))
    lay(picture, pale * inside, greys.space)
    lay(picture, rings * inside * 0.8, greys.line)


def paint_plasma(rng: np.random.Generator, picture: Texture, scene: Scene, greys: Greys) -> None:
    """What is in the lumens between cells: precipitate of plasma, even or in flocs."""
    shape = scene.shape
    flocs = np.clip(
        grains(rng, shape, 1.5) + rng.uniform(-1.2, 1.2) + 0.9 * cloud(rng, shape, scene.px(0.6)) - 0.6, 0, 2
    )
    plasma = greys.plasma - rng.uniform(10, 34) * greys.grain * flocs + 3 * cloud(rng, shape, scene.px(2.0))
    lay(picture, soft(scene.lumen), plasma.astype(np.float32))


def paint_blood(rng: np.random.Generator, picture: Texture, scene: Scene, greys: Greys) -> None:
    """Red cells, bubbles, vesicles and shreds in the lumens."""
    depth = cv2.distanceTransform(scene.lumen.astype(np.uint8), cv2.DIST_L2, 3)
    free = depth > scene.px(0.35)
    for _ in range(rng.poisson(1.0)):
        _red_cell(rng, picture, scene, free, greys)
    rows, columns = np.nonzero(free[::4, ::4])
    if not len(rows):
        return
    for _ in range(rng.poisson(2.0)):
        at = int(rng.integers(len(rows)))
        centre = np.array([columns[at] * 4, rows[at] * 4], dtype=float)
        shape = centre + blob(rng, scene.px(rng.uniform(0.06, 0.25)), 0.2, 32) * np.array(
            [1.0, rng.uniform(0.4, 1)]
        )
        mask = filled(scene.shape, shape)
        if rng.random() < 0.5:
            lay(picture, 0.8 * rim(mask), greys.line + 30)
        else:
            lay(picture, soft(mask), greys.endothelium + 8 * grains(rng, scene.shape, 0.8))
    if rng.random() < 0.2:  # where the section tore
        at = int(rng.integers(len(rows)))
        shape = np.array([columns[at] * 4, rows[at] * 4]) + blob(
            rng, scene.px(rng.uniform(0.2, 0.9)), 0.1, 48
        )
        lay(picture, soft(filled(scene.shape, shape)), 252.0)


def _red_cell(rng: np.random.Generator, picture: Texture, scene: Scene, free: Mask, greys: Greys) -> None:
    rows, columns = np.nonzero(free[::8, ::8])
    if not len(rows):
        return
    at = int(rng.integers(len(rows)))
    long = scene.px(rng.uniform(1.2, 3.0))
    shape = blob(rng, 1.0, 0.09, 96) * np.array([long, long * rng.uniform(0.3, 0.8)])
    if rng.random() < 0.35:  # bent
        shape[:, 1] += 0.5 * shape[:, 0] ** 2 / long
    turn = rng.uniform(0, np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    polygon = np.array([columns[at] * 8, rows[at] * 8]) + shape @ np.array([[cos, sin], [-sin, cos]])
    mask = filled(scene.shape, polygon) & free.astype(np.uint8)
    smooth = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15)))
    lay(picture, soft(smooth), greys.red_cell + 2.5 * grains(rng, scene.shape, 0.8))


def paint_endothelium(
    rng: np.random.Generator, picture: Texture, scene: Scene, lumen: Mask, cells: Texture, greys: Greys
) -> None:
    """The thin lining of what is left of the lumens, with pores, and here and there a cell body."""
    depth = cv2.distanceTransform(lumen.astype(np.uint8), cv2.DIST_L2, 5) * np.float32(scene.um_px)
    thick = (
        0.05
        + 0.16 * np.clip(cloud(rng, scene.shape, scene.px(0.45)) - 0.4, 0, 3)
        + 0.02 * cloud(rng, scene.shape, scene.px(0.1))
    )
    lining = lumen & (depth < np.maximum(thick, 0.025)) & (depth > 0.012)
    pores = cloud(rng, scene.shape, scene.px(0.045)) > rng.uniform(0.5, 0.9)
    lining &= ~(pores & (thick < 0.12))
    for _ in range(rng.poisson(0.7)):
        _cell_body(rng, picture, scene, lumen, depth, cells, greys)
    lay(picture, soft(lining, 0.55), greys.endothelium + cells)
    lay(picture, 0.55 * rim(lining), greys.line)


def _cell_body(
    rng: np.random.Generator,
    picture: Texture,
    scene: Scene,
    lumen: Mask,
    depth_um: Texture,
    cells: Texture,
    greys: Greys,
) -> None:
    """An endothelial cell's body with its nucleus, against the wall."""
    rows, columns = np.nonzero(lumen & (depth_um > 0.25) & (depth_um < 0.5))
    if not len(rows):
        return
    at = int(rng.integers(len(rows)))
    radii = np.array([rng.uniform(0.9, 1.9), rng.uniform(0.5, 0.9)])
    shape = blob(rng, 1.0, 0.12, 96) * radii / scene.um_px
    gradient = np.array(
        [
            depth_um[rows[at], min(columns[at] + 3, scene.shape[1] - 1)]
            - depth_um[rows[at], columns[at] - 3],
            depth_um[min(rows[at] + 3, scene.shape[0] - 1), columns[at]]
            - depth_um[rows[at] - 3, columns[at]],
        ]
    )
    turn = np.arctan2(gradient[1], gradient[0]) + np.pi / 2
    cos, sin = np.cos(turn), np.sin(turn)
    rotate = np.array([[cos, sin], [-sin, cos]])
    centre = np.array([columns[at], rows[at]], dtype=float)
    body = (filled(scene.shape, centre + shape @ rotate) > 0) & lumen
    nucleus = (filled(scene.shape, centre + 0.72 * shape @ rotate) > 0) & lumen & (depth_um > 0.12)
    lay(picture, soft(body), greys.endothelium + 10 + cells)
    lay(picture, 0.6 * rim(body), greys.line)
    paint_nucleus(rng, picture, scene, nucleus.astype(np.uint8), greys)


def paint_podocytes(
    rng: np.random.Generator, picture: Texture, scene: Scene, height_um: Texture, cells: Texture, greys: Greys
) -> None:
    """Bodies and processes of podocytes in the urinary space, villi and shreds between them."""
    outside = height_um > 0
    lumps = cloud(rng, scene.shape, scene.px(rng.uniform(0.5, 1.3))) + 0.35 * cloud(
        rng, scene.shape, scene.px(0.2)
    )
    edge = rng.uniform(-0.9, 0.6)
    ragged = outside & (lumps > edge) & (height_um > 0.55 + 0.3 * cloud(rng, scene.shape, scene.px(0.5)))
    opened = cv2.morphologyEx(ragged.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    mask = np.asarray(opened, dtype=np.uint8)
    lay(picture, soft(mask), greys.body + cells)
    paint_organelles(rng, picture, scene, mask > 0, greys)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    if depth.max() * scene.um_px > 0.9:
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        radius = float(depth.max()) * rng.uniform(0.85, 1.5)
        shape = np.array([column, row]) + blob(rng, radius, 0.15, 96) * rng.uniform(0.7, 1.1, size=2)
        nucleus = filled(scene.shape, shape) & (depth > scene.px(0.2)).astype(np.uint8)
        paint_nucleus(rng, picture, scene, nucleus, greys)
    lay(picture, 0.75 * rim(mask), greys.line)
    _villi(rng, picture, scene, outside & (mask == 0) & (height_um > 0.6), greys)


def _villi(rng: np.random.Generator, picture: Texture, scene: Scene, free: Mask, greys: Greys) -> None:
    """Microvilli cut across and along, in clusters."""
    dense = free & (cloud(rng, scene.shape, scene.px(1.0)) > rng.uniform(0.0, 2.2))
    rows, columns = np.nonzero(dense[::4, ::4])
    body, edges = np.zeros(scene.shape, np.uint8), np.zeros(scene.shape, np.uint8)
    for _ in range(rng.poisson(len(rows) * 16 * scene.um_px**2 * 3.0)):
        at = int(rng.integers(len(rows)))
        thick = max(1, round(scene.px(rng.uniform(0.035, 0.06))))
        axes = (round(thick * float(rng.choice([1.0, rng.uniform(1.5, 6)]))), thick)
        centre, turn = (int(columns[at] * 4), int(rows[at] * 4)), float(rng.uniform(0, 180))
        cv2.ellipse(body, centre, axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
        cv2.ellipse(edges, centre, axes, turn, 0, 360, 255, 1, cv2.LINE_AA)
    inside = free.astype(np.float32) / 255
    lay(picture, body * inside, greys.body + 5)
    lay(picture, edges * inside * 0.8, greys.line + 10)


def paint_mesangium(
    rng: np.random.Generator, picture: Texture, scene: Scene, dense: Mask, texture: Texture, greys: Greys
) -> None:
    """Matrix with its fibrils, cut by the processes of mesangial cells, and a nucleus at times.

    Cells keep clear of deposits, `dense`.
    """
    shape = scene.shape
    streaks = np.abs(cloud(rng, shape, scene.px(0.16)))
    matrix = (
        greys.matrix
        + 5 * grains(rng, shape, 1.2)
        - 14 * np.clip(0.5 - streaks, 0, 1)
        + 6 * cloud(rng, shape, scene.px(0.7))
    )
    mask = scene.mesangium
    lay(picture, soft(mask), matrix.astype(np.float32))
    near = cv2.dilate(dense.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    deep = mask & ~near & (scene.wall.height < -scene.px(0.12))
    ridge = np.abs(cloud(rng, shape, scene.px(rng.uniform(0.3, 0.6))))
    cells = deep & (ridge < rng.uniform(0.12, 0.5))
    core = cloud(rng, shape, scene.px(0.8)) > rng.uniform(0.3, 1.2)
    cells |= deep & core & (scene.wall.height < -scene.px(0.35))
    opened = cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    lay(picture, soft(opened), greys.mesangial + texture)
    paint_organelles(rng, picture, scene, opened > 0, greys)
    lay(picture, 0.6 * rim(opened), greys.line)
    depth = cv2.distanceTransform(deep.astype(np.uint8), cv2.DIST_L2, 3)
    if rng.random() < 0.35 and depth.max() * scene.um_px > 0.7:
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        spot = np.array([column, row]) + blob(rng, float(depth.max()) * 0.8, 0.15, 64)
        paint_nucleus(rng, picture, scene, filled(shape, spot) & deep.astype(np.uint8), greys)


def crop(picture: Texture) -> Texture:
    """The picture without its margin."""
    return picture[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
