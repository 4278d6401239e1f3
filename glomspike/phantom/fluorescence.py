"""Phantom immunofluorescence: where an antibody binds in a glomerulus, through a fluorescence microscope.

How bright a picture is says little of how much binds: the exposure is set by a person or a camera that makes
weak stains brighter. `Binding` is the truth, `Camera.exposure` what stands between.
"""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from glomspike.findings import RGB, Points
from glomspike.modalities import BindingSite
from glomspike.phantom.noise import Texture, cloud
from glomspike.phantom.tuft import GRID_UM, Section

Site = Literal["none"] | BindingSite

FINER = 2  # pixels of the canvas to one of the camera
BOUND = (0.03, 0.22, 0.5, 1.0)  # how much antibody binds at grades 0 to 3
EXPOSURE = 3.2  # usual, for a stain of middling strength
THIN = 1.7  # by how much lines are lifted that the optics dim
GRAIN_UM = 0.22  # standard deviation of the smallest grain before the optics
TISSUE_COARSER = 3  # pixels of the canvas to one of the raster that tubules are painted on
TUBULE_UM = 52.0  # distance of neighbouring tubules


@dataclass(frozen=True)
class Binding:
    """What an antibody shows of a patient: how strongly, where, how coarse its grains, how patchy."""

    grade: int  # 0 to 3
    site: Site
    coarse: float  # 0 fine grains, 1 coarse lumps
    patchy: float = 0.2  # 0 everywhere alike


@dataclass(frozen=True)
class Camera:
    """A laboratory's fluorescence microscope."""

    mpp: float
    size_px: tuple[int, int]  # width, height
    psf_um: float
    haze: float  # share of light from planes out of focus
    colour: tuple[float, float, float]  # red, green, blue of full signal
    offset: float  # grey level of darkness
    noise: float
    automatic: float  # 0 fixed exposure, 1 every picture made equally bright
    gain: float
    tissue: float  # autofluorescence of tubules
    specks: float  # of stray stain, a picture
    quality: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Camera":
        """A microscope, drawn at random: most show pure green."""
        sizes = [(512, 384), (512, 512), (480, 360), (448, 448)]
        green = (0.0, 1.0, rng.uniform(0, 0.02))
        yellow = (rng.uniform(0.25, 0.6), 1.0, rng.uniform(0.0, 0.15))
        mint = (rng.uniform(0, 0.1), 1.0, rng.uniform(0.15, 0.4))
        return cls(
            mpp=round(rng.uniform(0.58, 0.95), 3),
            size_px=sizes[int(rng.integers(len(sizes)))],
            psf_um=rng.uniform(0.22, 0.6),
            haze=rng.uniform(0.08, 0.4),
            colour=(green, yellow, mint)[int(rng.choice(3, p=[0.7, 0.18, 0.12]))],
            offset=rng.uniform(0, 5),
            noise=rng.uniform(0.8, 3.0),
            automatic=rng.uniform(0.2, 0.6),
            gain=rng.lognormal(0, 0.2),
            tissue=float(np.clip(rng.lognormal(-3.7, 0.6), 0.005, 0.09)),
            specks=rng.uniform(0, 9),
            quality=int(rng.integers(80, 95)),
        )

    def exposure(self, rng: np.random.Generator, bound: float) -> float:
        """By how much light becomes grey levels, for a picture whose stain binds so strongly."""
        lifted = (0.45 / max(bound, 0.08)) ** self.automatic
        return float(EXPOSURE * self.gain * lifted * rng.lognormal(0, 0.33))


@dataclass(frozen=True, eq=False)
class FluorescencePicture:
    """A phantom fluorescence picture with its truth."""

    picture: RGB
    mpp: float
    binding: Binding
    bound: float
    exposure: float
    middle_px: Points  # (2,): the middle of the glomerulus
    radius_px: float

    def truth(self) -> dict[str, Any]:
        """What is on it, for the JSON beside it."""
        return {
            "mpp": self.mpp,
            "grade": self.binding.grade,
            "site": self.binding.site,
            "coarse": round(self.binding.coarse, 3),
            "patchy": round(self.binding.patchy, 3),
            "bound": round(self.bound, 4),
            "exposure": round(self.exposure, 4),
            "glomerulus_px": [*np.round(self.middle_px, 1).tolist(), round(self.radius_px, 1)],
        }


def draw_fluorescence(
    rng: np.random.Generator, camera: Camera, section: Section, capsule_um: Points, binding: Binding
) -> FluorescencePicture:
    """The picture of one glomerulus, cut as `section`, with what binds in it.

    `capsule_um` (n, 2) is in the section's frame.
    """
    canvas_um = camera.mpp / FINER
    size = FINER * camera.size_px[0], FINER * camera.size_px[1]
    middle = np.array(size) / 2 + rng.uniform(-0.12, 0.12, size=2) * np.array(size)
    move = _move(section, capsule_um, middle, canvas_um, float(rng.uniform(0, 2 * np.pi)))
    bound = BOUND[binding.grade] * float(rng.lognormal(0, 0.22))
    stain = _stain(rng, section, binding)
    trace = camera.tissue * rng.uniform(0.2, 0.8) * _everywhere(rng, section)
    laid = cv2.warpAffine(
        _through(rng, stain * np.float32(bound) + trace), move, size, flags=cv2.INTER_LINEAR
    )
    inside = _capsule(section, capsule_um, move, size)
    light = laid + camera.tissue * _tissue(rng, size, canvas_um, inside) * np.float32(rng.uniform(0.5, 1.6))
    light += _strays(rng, size, canvas_um, camera.specks) * np.float32(0.3 + 0.5 * bound)
    exposure = camera.exposure(rng, bound)
    picture = _photograph(rng, camera, light, exposure)
    area = float(inside.sum()) / FINER**2
    return FluorescencePicture(
        picture, camera.mpp, binding, bound, exposure, middle / FINER, float(np.sqrt(area / np.pi))
    )


def _move(
    section: Section, capsule_um: Points, middle_px: Points, canvas_um: float, turn: float
) -> NDArray[np.float64]:
    """The affine map from the section's pixels to the canvas: turned, scaled, its middle where asked."""
    scale = GRID_UM / canvas_um
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    centre = section.pixels(capsule_um.mean(axis=0)[None])[0]
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, middle_px - linear @ centre])


def _capsule(
    section: Section, capsule_um: Points, move: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    edge = section.pixels(capsule_um) @ move[:, :2].T + move[:, 2]
    canvas = np.zeros(size[::-1], dtype=np.uint8)
    cv2.fillPoly(canvas, [np.rint(edge).astype(np.int32)], 1)
    return canvas


def _stain(rng: np.random.Generator, section: Section, binding: Binding) -> Texture:
    """What binds, on the section's raster: grains along walls, lumps in the mesangium, a trace elsewhere."""
    shape = section.shape
    wall = (section.lumen_um > 0) & (section.lumen_um < section.wall_um + 0.4)
    matrix = wall & (section.matrix > 0.5)
    loops = wall & (section.matrix < 0.5)
    patches = np.clip(1 + binding.patchy * 1.4 * cloud(rng, shape, 14.0 / GRID_UM), 0.05, 2.2)
    stain = np.zeros(shape, dtype=np.float32)
    if "loops" in binding.site:
        rind = loops & (section.lumen_um > section.wall_um - 0.9)
        stain += _grains(rng, rind, patches, 0.3 + 0.5 * binding.coarse, 1.1 - 0.75 * binding.coarse)
        stain += 0.16 * (1 - 0.5 * binding.coarse) * rind * patches
    if "mesangium" in binding.site:
        lumpy = np.clip(0.5 + cloud(rng, shape, 2.0 / GRID_UM), 0, 2) * patches
        stain += _grains(rng, matrix, lumpy, 0.45 + 0.6 * binding.coarse, 0.5)
        stain += 0.22 * matrix * lumpy
    bright = float(np.quantile(stain[wall], 0.97)) if wall.any() else 1.0
    lifted = THIN if binding.site == "loops" else 1.0
    return np.asarray(stain * np.float32(lifted / max(bright, 0.5)), dtype=np.float32)


def _everywhere(rng: np.random.Generator, section: Section) -> Texture:
    """What shows of walls and cells without any antibody."""
    walls = (section.lumen_um > 0) & (section.lumen_um < section.wall_um + 1.5)
    return np.asarray(
        walls * np.clip(0.7 + 0.4 * cloud(rng, section.shape, 1.0 / GRID_UM), 0, 2), dtype=np.float32
    )


def _through(rng: np.random.Generator, stain: Texture) -> Texture:
    """The stain with what lies above and below in the thickness of a frozen section, out of focus.

    These planes are the same tuft turned, so that loops cover one another as they do.
    """
    other = cv2.flip(stain, -1)
    away = cv2.GaussianBlur(other, (0, 0), rng.uniform(0.5, 1.3) / GRID_UM)
    third = cv2.GaussianBlur(cv2.flip(stain, int(rng.integers(2))), (0, 0), rng.uniform(1.0, 2.2) / GRID_UM)
    return np.asarray(stain + rng.uniform(0.3, 0.9) * away + rng.uniform(0.2, 0.8) * third, dtype=np.float32)


def _grains(
    rng: np.random.Generator, where: NDArray[np.bool_], strength: Texture, size_um: float, per_um2: float
) -> Texture:
    """Grains of about a size, sprinkled so densely over a mask, brighter where `strength` is more."""
    rows, columns = np.nonzero(where)
    grain = np.zeros(where.shape, dtype=np.float32)
    count = int(len(rows) * GRID_UM**2 * per_um2)
    if count:
        chosen = rng.integers(len(rows), size=count)
        height = rng.lognormal(-0.15, 0.6, size=count).astype(np.float32)
        np.add.at(grain, (rows[chosen], columns[chosen]), height * strength[rows[chosen], columns[chosen]])
    sigma = max(GRAIN_UM, size_um / 2) / GRID_UM
    return np.asarray(
        cv2.GaussianBlur(grain, (0, 0), sigma) * np.float32(2 * np.pi * sigma**2 * 0.45), np.float32
    )


def _tissue(
    rng: np.random.Generator, size: tuple[int, int], canvas_um: float, inside: NDArray[np.uint8]
) -> Texture:
    """Tubules around the glomerulus, Bowman's capsule, glass where the core ends; 1 is bright epithelium."""
    shape = size[1] // TISSUE_COARSER, size[0] // TISSUE_COARSER
    um = canvas_um * TISSUE_COARSER
    within = cv2.resize(inside, shape[::-1], interpolation=cv2.INTER_NEAREST)
    labels = _tubules(rng, shape, um)
    borders = (labels != np.roll(labels, 1, axis=0)) | (labels != np.roll(labels, 1, axis=1)) | (within > 0)
    away = cv2.distanceTransform(1 - borders.astype(np.uint8), cv2.DIST_L2, 5) * np.float32(um)
    away = cv2.GaussianBlur(away, (0, 0), 2.6 / um)
    inner, thick = rng.uniform(3.0, 5.0), rng.uniform(9, 14)
    cells = np.clip((away - inner) / 1.2, 0, 1) * np.clip((thick - away) / 1.5, 0, 1)
    cells *= np.clip(0.75 + 0.3 * cloud(rng, shape, 1.4 / um) + 0.2 * cloud(rng, shape, 6.0 / um), 0, 2)
    line = np.exp(-0.5 * ((away - inner) / 0.8) ** 2) * rng.uniform(0.0, 0.9)
    each = np.clip(rng.lognormal(0, 0.45, size=int(labels.max()) + 1), 0.2, 3).astype(np.float32)
    brightness = cv2.GaussianBlur(each[labels], (0, 0), 3.0 / um)
    edge = cv2.morphologyEx(within, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).astype(np.float32)
    rim = cv2.GaussianBlur(edge, (0, 0), 0.8)
    tissue = (1 - within) * (cells * brightness + line + 0.12) + rim * rng.uniform(0.2, 1.2)
    if rng.random() < 0.35:
        tissue *= _core(rng, shape, um) | (within > 0)
    tissue = np.asarray(tissue + rng.uniform(0.05, 0.15) * within, dtype=np.float32)
    return np.asarray(cv2.resize(tissue, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _tubules(rng: np.random.Generator, shape: tuple[int, int], um: float) -> NDArray[np.int32]:
    """A number for each tubule's place (height, width): cells around points, with winding borders."""
    height, width = shape
    step = TUBULE_UM / um
    xs, ys = np.meshgrid(np.arange(-step, width + step, step), np.arange(-step, height + step, 0.87 * step))
    spots = np.stack([xs.ravel(), ys.ravel()], axis=1) + rng.normal(0, 0.26 * step, size=(xs.size, 2))
    rows, columns = np.indices(shape, dtype=np.float32)
    bend = [columns + 5.0 / um * cloud(rng, shape, 12.0 / um), rows + 5.0 / um * cloud(rng, shape, 12.0 / um)]
    places = np.stack([np.ravel(one) for one in bend], axis=1)
    _, nearest = cKDTree(spots).query(places)
    return np.asarray(nearest, dtype=np.int32).reshape(shape)


def _core(rng: np.random.Generator, shape: tuple[int, int], um: float) -> NDArray[np.bool_]:
    """Where there is tissue, in a field at the edge of the core."""
    turn = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices(shape, dtype=np.float32)
    beyond = (columns - shape[1] / 2) * float(np.cos(turn)) + (rows - shape[0] / 2) * float(np.sin(turn))
    return np.asarray(beyond < 0.36 * shape[1] + 12 / um * cloud(rng, shape, 20 / um))


def _strays(rng: np.random.Generator, size: tuple[int, int], canvas_um: float, usual: float) -> Texture:
    """Specks of stain that lie where nothing binds."""
    specks = np.zeros(size[::-1], dtype=np.float32)
    for _ in range(rng.poisson(usual)):
        centre = (int(rng.integers(size[0])), int(rng.integers(size[1])))
        radius = round(rng.uniform(0.0, 0.9) / canvas_um)
        cv2.circle(specks, centre, radius, float(rng.uniform(0.3, 2.0)), -1)
    return specks


def _photograph(rng: np.random.Generator, camera: Camera, light: Texture, exposure: float) -> RGB:
    """The picture (height, width, 3) of a canvas of light."""
    canvas_um = camera.mpp / FINER
    focus = cv2.GaussianBlur(light, (0, 0), camera.psf_um * rng.uniform(0.9, 1.7) / canvas_um)
    small = cv2.resize(focus, camera.size_px, interpolation=cv2.INTER_AREA)
    haze = cv2.GaussianBlur(small, (0, 0), 7.0 / camera.mpp) + 0.6 * cv2.GaussianBlur(
        small, (0, 0), 22.0 / camera.mpp
    )
    seen = (1 - camera.haze) * small + camera.haze * haze
    vignette = _vignette(rng, camera.size_px)
    grey = 255 * exposure * seen * vignette
    grey += np.sqrt(np.maximum(grey, 0)) * 0.35 * rng.standard_normal(grey.shape, dtype=np.float32)
    grey += camera.offset + camera.noise * rng.standard_normal(grey.shape, dtype=np.float32)
    picture = grey[..., None] * np.array(camera.colour, dtype=np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _vignette(rng: np.random.Generator, size: tuple[int, int]) -> Texture:
    rows, columns = np.indices(size[::-1], dtype=np.float32)
    off = rng.uniform(-0.15, 0.15, size=2)
    x, y = columns / size[0] - 0.5 - float(off[0]), rows / size[1] - 0.5 - float(off[1])
    return np.asarray(1 - float(rng.uniform(0.1, 0.9)) * (x * x + y * y), dtype=np.float32)
