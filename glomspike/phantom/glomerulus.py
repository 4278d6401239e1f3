"""The anatomy of one phantom glomerulus: capsule, tuft, nuclei, red cells, lesions; with or without spikes.

All positions are micrometres in the frame of the tissue around it.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.phantom.curves import blob, largest_ring, resample
from glomspike.phantom.mimics import Mimicry, Mimics, draw_mimics
from glomspike.phantom.spikes import Growth, Lesion, grow
from glomspike.phantom.surface import STEP_UM, Surface, outer_faces
from glomspike.phantom.tuft import GRID_UM, Anatomy, Section, cut_tuft, spread


@dataclass(frozen=True)
class Habit:
    """What a patient's glomeruli look like: anatomy, look-alikes of spikes, diseases and their shares."""

    anatomy: Anatomy
    mimicry: Mimicry
    scarred: float  # share of glomeruli with a segmental scar
    crescents: float
    red_cells: float  # share of lumens that hold some
    podocytes: float  # relative number of nuclei
    matrix_silver: float  # how dark the matrix stains against the membrane

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Habit":
        """A patient's glomeruli, drawn at random."""
        return cls(
            Anatomy.sample(rng),
            Mimicry.sample(rng),
            scarred=float(rng.choice([0.0, rng.uniform(0, 0.6)], p=[0.65, 0.35])),
            crescents=float(rng.choice([0.0, rng.uniform(0, 0.5)], p=[0.75, 0.25])),
            red_cells=float(rng.choice([0.0, rng.uniform(0, 0.4)])),
            podocytes=rng.uniform(0.5, 1.5),
            matrix_silver=rng.uniform(0.5, 1.1),
        )


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Middles (n, 2) of a kind of nucleus."""

    podocytes_um: Points  # outside the loops
    endothelium_um: Points  # inside, against the wall
    mesangium_um: Points
    capsule_um: Points  # parietal, and those of a crescent


@dataclass(frozen=True, eq=False)
class GlomerulusPlan:
    """A phantom glomerulus. `capsule_um` is the outer edge of Bowman's capsule: the true outline."""

    centre_um: Points
    capsule_um: Points
    capsule_thickness_um: float
    tuft_um: Points
    section: Section
    faces: tuple[Surface, ...]
    nuclei: Nuclei
    red_cells_um: Points
    crescent_um: Points  # polygon, empty where there is none
    mimics: Mimics
    matrix_silver: float
    growth: Growth

    @property
    def spiked(self) -> bool:
        """Whether any membrane carries spikes."""
        return bool(self.growth.stretches)

    @property
    def membrane_um(self) -> float:
        """Length of bare membrane on which spikes could be seen from the side."""
        return float(sum(face.plain.sum() * STEP_UM for face in self.faces))


def plan_glomerulus(
    rng: np.random.Generator, habit: Habit, centre_um: Points, radius_um: float
) -> GlomerulusPlan:
    """A glomerulus without spikes whose capsule is about `radius_um` around `centre_um`."""
    centre = np.asarray(centre_um, dtype=np.float64)
    capsule = resample(blob(rng, radius_um, 0.06) * rng.uniform(0.88, 1.1, size=2), 1.0) + centre
    tuft = tuft_outline(rng, capsule, centre, radius_um)
    scar = rng.uniform(0.05, 0.4) if rng.random() < habit.scarred else 0.0
    section = cut_tuft(rng, habit.anatomy, tuft, capsule, scar)
    return furnished(rng, habit, centre, capsule, tuft, section)


def furnished(
    rng: np.random.Generator, habit: Habit, centre: Points, capsule: Points, tuft: Points, section: Section
) -> GlomerulusPlan:
    """The glomerulus of a section through its tuft: with its crescent, cells and look-alikes of spikes."""
    faces = outer_faces(section)
    crescent = _crescent(rng, capsule, tuft, centre) if rng.random() < habit.crescents else np.zeros((0, 2))
    return GlomerulusPlan(
        centre,
        capsule,
        habit.anatomy.capsule_um * rng.uniform(0.7, 1.4),
        tuft,
        section,
        faces,
        _nuclei(rng, habit, section, capsule, tuft, crescent),
        _red_cells(rng, section, habit.red_cells),
        crescent,
        draw_mimics(rng, section, faces, habit.mimicry),
        habit.matrix_silver,
        Growth(),
    )


def with_spikes(rng: np.random.Generator, plan: GlomerulusPlan, lesion: Lesion) -> GlomerulusPlan:
    """The same glomerulus with spikes; without any where it has no bare membrane to carry them."""
    return replace(plan, growth=grow(rng, plan.section, plan.faces, lesion))


def tuft_outline(rng: np.random.Generator, capsule_um: Points, centre_um: Points, radius_um: float) -> Points:
    """The outline (n, 2) of a tuft, in µm: lobed, half to almost all of the capsule, held at the hilum."""
    hilum = rng.uniform(0, 2 * np.pi)
    fill = rng.uniform(0.76, 0.97)
    around = capsule_um - centre_um
    lobes = blob(rng, 1.0, 0.12)
    theta = np.arctan2(around[:, 1], around[:, 0])
    lobe_radius = np.interp(
        theta, np.linspace(-np.pi, np.pi, len(lobes)), np.linalg.norm(lobes, axis=1), period=2 * np.pi
    )
    shrunk = around * (fill * np.clip(lobe_radius, 0.7, 1.04))[:, None]
    towards = np.array([np.cos(hilum), np.sin(hilum)]) * (1 - fill) * radius_um * 0.7
    inside = shapely.Polygon(capsule_um).buffer(-0.03 * radius_um - 2.0)
    tuft = shapely.Polygon(shrunk + towards + centre_um).buffer(0).intersection(inside)
    return resample(largest_ring(tuft), 1.0)


def _crescent(rng: np.random.Generator, capsule_um: Points, tuft_um: Points, centre_um: Points) -> Points:
    """Bowman's space on one side, filled with cells."""
    space = shapely.Polygon(capsule_um).buffer(-2.0).difference(shapely.Polygon(tuft_um).buffer(-2.0))
    angle, width = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.8)
    turn = np.linspace(angle - width, angle + width, 12)
    wedge = np.vstack([centre_um, centre_um + 400 * np.stack([np.cos(turn), np.sin(turn)], axis=1)])
    part = space.intersection(shapely.Polygon(wedge).buffer(0))
    return resample(largest_ring(part), 1.0) if part.area > 200 else np.zeros((0, 2))


def _nuclei(
    rng: np.random.Generator,
    habit: Habit,
    section: Section,
    capsule_um: Points,
    tuft_um: Points,
    crescent_um: Points,
) -> Nuclei:
    tuft = shapely.Polygon(tuft_um).buffer(3.0)
    outside = spread(rng, tuft, 9.0 / habit.podocytes)
    gap_um = section.at(section.lumen_um - section.wall_um, outside)
    inside = spread(rng, tuft, 5.5)
    depth_um = -section.at(section.lumen_um, inside)
    deep = spread(rng, tuft, 7.0)
    in_matrix = (section.at(section.matrix, deep) > 0.6) & (section.at(section.lumen_um, deep) > 2.0)
    lining = resample(np.asarray(shapely.Polygon(capsule_um).buffer(-3.0).exterior.coords)[:-1], 1.0)
    lining = lining[rng.random(len(lining)) < 0.03]
    if len(crescent_um):
        lining = np.vstack([lining, spread(rng, shapely.Polygon(crescent_um).buffer(-2.5), 8.0)])
    return Nuclei(
        outside[(gap_um > 1.2) & (gap_um < 5.0)],
        inside[(depth_um > 0.5) & (depth_um < 2.2) & (rng.random(len(inside)) < 0.4 * habit.podocytes)],
        deep[in_matrix],
        lining,
    )


def _red_cells(rng: np.random.Generator, section: Section, share: float) -> Points:
    """Middles of red cells in a share of the lumens."""
    count, labels = cv2.connectedComponents((section.lumen_um < -2.0).astype(np.uint8), connectivity=4)
    chosen: NDArray[np.bool_] = rng.random(count) < share
    chosen[0] = False
    rows, columns = np.nonzero(chosen[labels])
    if not len(rows):
        return np.zeros((0, 2))
    picked = rng.integers(len(rows), size=int(len(rows) * GRID_UM**2 / 22) + 1)
    return section.points_um(np.stack([columns[picked], rows[picked]], axis=1).astype(np.float64))
