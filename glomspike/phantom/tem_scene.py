"""What lies where on a phantom electron micrograph: capillary lumens, mesangium, the membrane around both.

The glomerular basement membrane runs around lumens and mesangium together, so a place near it has two
coordinates: how far along it, and how far outside its inner face. Everything is in pixels of the micrograph
with its margin (`_px`), a pixel being `um_px` wide.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from glomspike.findings import Mask, Points
from glomspike.phantom.curves import normals, resample, smooth
from glomspike.phantom.noise import Texture, cloud

COARSE = 3  # pixels of the picture to one of the raster that loops are laid out on
MARGIN_PX = 40  # around the picture: what is drawn there is cut off
LEAST_WALL_UM = 4.0  # of capillary wall on a picture, and so much
LEAST_MESANGIUM_UM2 = 2.0
TRIALS = 25
LEAST_STRETCH = 0.4
SLIP_PX = 8.0  # by how much the point found nearest may miss the nearest one, along the wall
Curve = NDArray[np.float64]  # (n,): a value at each point of the membrane


@dataclass(frozen=True, eq=False)
class Wall:
    """The inner face of the basement membrane as points a pixel apart, and where every pixel lies to it."""

    points_px: Points  # (n, 2)
    out: Points  # (n, 2) unit normals, away from the lumens
    along: Texture  # (height, width): index of the nearest point, with fractions
    height: Texture  # (height, width): pixels outside the face, negative inside

    def places(self, along: Curve, height: Curve) -> Points:
        """Points of the picture (m, 2) that lie so far along and so high."""
        index = np.clip(np.asarray(along), 0, len(self.points_px) - 1)
        grid = np.arange(len(self.points_px))
        found = [
            np.interp(index, grid, self.points_px[:, axis])
            + height * np.interp(index, grid, self.out[:, axis])
            for axis in (0, 1)
        ]
        return np.stack(found, axis=1)


@dataclass(frozen=True, eq=False)
class Scene:
    """A field of a glomerulus; masks are (height, width) with the margin."""

    um_px: float
    lumen: Mask
    mesangium: Mask
    wall: Wall
    on_loop: NDArray[np.bool_]  # (n,): of the wall's points, whether a lumen lies behind
    in_view: NDArray[np.bool_]  # (n,): whether the picture shows them

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width with the margin."""
        height, width = self.lumen.shape
        return height, width

    def px(self, um: float) -> float:
        """A length in pixels."""
        return um / self.um_px


def draw_scene(rng: np.random.Generator, size_px: tuple[int, int], um_px: float) -> Scene:
    """A field of `size_px` (width, height) that shows capillary wall and mesangium."""
    for _ in range(TRIALS):
        scene = _scene(rng, size_px, um_px)
        if scene is None:
            continue
        wall_um = (scene.on_loop & scene.in_view).sum() * um_px
        cut = scene.mesangium[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
        if wall_um >= LEAST_WALL_UM and cut.sum() * um_px**2 >= LEAST_MESANGIUM_UM2:
            return scene
    raise RuntimeError("no field of a glomerulus was found")


def _scene(rng: np.random.Generator, size_px: tuple[int, int], um_px: float) -> Scene | None:
    shape = (size_px[1] + 2 * MARGIN_PX, size_px[0] + 2 * MARGIN_PX)
    loops, stalk = (
        np.asarray(cv2.resize(field, shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        for field in _fields(
            rng, (shape[0] // COARSE, shape[1] // COARSE), np.array(size_px) / 2 * um_px, um_px * COARSE
        )
    )
    rough = (np.maximum(loops, stalk) > 0).astype(np.float32)
    inside = np.asarray(cv2.GaussianBlur(rough, (0, 0), 0.25 / um_px)) > 0.5
    wall = _wall(inside)
    if wall is None:
        return None
    lumen = inside & (loops > 0) & (stalk < -0.15)
    smooth = np.asarray(cv2.GaussianBlur(lumen.astype(np.float32), (0, 0), 0.12 / um_px))
    lumen = inside & (smooth > 0.5)
    behind = wall.points_px - 0.25 / um_px * wall.out
    columns_at, rows_at = np.clip(np.rint(behind).astype(int), 0, np.array(shape[::-1]) - 1).T
    low, high = MARGIN_PX, np.array(shape[::-1]) - MARGIN_PX
    within = (wall.points_px > low + 6) & (wall.points_px < high - 6)
    in_view = np.asarray(within.all(axis=1), dtype=np.bool_)
    on_loop = np.asarray(lumen[rows_at, columns_at], dtype=np.bool_)
    return Scene(um_px, lumen, inside & ~lumen, wall, on_loop, in_view)


def _fields(
    rng: np.random.Generator, shape: tuple[int, int], half_um: Points, um_px: float
) -> tuple[Texture, Texture]:
    """µm into the nearest loop and into the stalk that they hang on, negative outside."""
    rows, columns = np.indices(shape, dtype=np.float32)
    x_um = (columns + 0.5 - shape[1] / 2) * um_px + 0.55 * cloud(rng, shape, 1.5 / um_px)
    y_um = (rows + 0.5 - shape[0] / 2) * um_px + 0.55 * cloud(rng, shape, 1.5 / um_px)
    stalk_um = rng.uniform(-0.75, 0.75, size=2) * half_um
    radius_um = rng.uniform(1.0, 2.4)
    stalk = radius_um - np.hypot(x_um - float(stalk_um[0]), y_um - float(stalk_um[1]))
    stalk += 0.5 * cloud(rng, shape, 0.8 / um_px)
    loops = np.full(shape, -50.0, dtype=np.float32)
    for angle in _angles(rng):
        loops = np.maximum(loops, _loop(rng, x_um, y_um, stalk_um, radius_um, angle))
    return loops, np.asarray(stalk, dtype=np.float32)


def _angles(rng: np.random.Generator) -> list[float]:
    """Directions in which loops hang on the stalk."""
    count = int(rng.integers(2, 5))
    turn = rng.uniform(0, 2 * np.pi)
    return [turn + 2 * np.pi * k / count + rng.normal(0, 0.25) for k in range(count)]


def _loop(
    rng: np.random.Generator,
    x_um: Texture,
    y_um: Texture,
    stalk_um: Points,
    stalk_radius_um: float,
    angle: float,
) -> Texture:
    """µm into a loop that hangs on the stalk, negative outside: an ellipse, as tubes are cut aslant."""
    radii = np.array([rng.uniform(1.8, 4.2), rng.uniform(1.4, 3.4)])
    way = np.array([np.cos(angle), np.sin(angle)])
    centre = stalk_um + way * (stalk_radius_um + radii[0] * rng.uniform(0.65, 0.95))
    turn = angle + rng.normal(0, 0.3)
    dx, dy = x_um - float(centre[0]), y_um - float(centre[1])
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    u, v = (dx * cos + dy * sin) / float(radii[0]), (dy * cos - dx * sin) / float(radii[1])
    return np.asarray((1 - np.hypot(u, v)) * float(radii.min()), dtype=np.float32)


def _wall(inside: Mask) -> Wall | None:
    """The edge of a mask with the coordinates along it and away from it; None where there is none."""
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    height, width = inside.shape
    middle = np.array([width, height]) / 2
    lines, outs = [], []
    for contour in contours:
        if len(contour) < 60:
            continue
        line = smooth(resample(contour[:, 0, :].astype(np.float64), 1.0), 3.0, 1.0)
        line = np.roll(line, -int(np.argmax(np.linalg.norm(line - middle, axis=1))), axis=0)
        out = normals(line)
        probe = np.clip(np.rint(line + 3 * out).astype(int), 0, [width - 1, height - 1])
        if inside[probe[:, 1], probe[:, 0]].mean() > 0.5:  # the edge of a gap amid the loops
            out = -out
        lines.append(line)
        outs.append(out)
    if not lines:
        return None
    points, out = np.vstack(lines), np.vstack(outs)
    pixels = np.clip(np.rint(points).astype(int), 0, [width - 1, height - 1])
    canvas = np.ones(inside.shape, dtype=np.uint8)
    canvas[pixels[:, 1], pixels[:, 0]] = 0
    _, labels = cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros(labels.max() + 1, dtype=np.int32)
    nearest[labels[pixels[:, 1], pixels[:, 0]]] = np.arange(len(points))
    index = np.take(nearest, np.asarray(labels, dtype=np.int32))
    rows, columns = np.indices(inside.shape, dtype=np.float32)
    at_x, at_y = points.astype(np.float32).T
    dx, dy = columns - np.take(at_x, index), rows - np.take(at_y, index)
    out_x, out_y = out.astype(np.float32).T
    ahead = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    ahead_x, ahead_y = ahead.astype(np.float32).T
    height_px = dx * np.take(out_x, index) + dy * np.take(out_y, index)
    # where the wall bends, a step along it is longer outside than on it
    bend = gaussian_filter1d(
        ((np.roll(out, -1, axis=0) - np.roll(out, 1, axis=0)) / 2 * ahead).sum(axis=1), 5
    )
    stretch = np.maximum(1 + height_px * np.take(bend.astype(np.float32), index), LEAST_STRETCH)
    further = (dx * np.take(ahead_x, index) + dy * np.take(ahead_y, index)) / stretch
    further = np.clip(further, -SLIP_PX, SLIP_PX)
    return Wall(points, out, (index + further).astype(np.float32), height_px)
