"""A phantom biopsy as a solid: cut at a depth it gives the plan of a section.

Glomeruli are bumpy, leaning balls; they appear, grow, shrink and vanish from section to section. Tubules and
vessels run through at a slant. Lengths are micrometres in the block's frame, depths from its first section.
"""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.phantom.artefacts import Artefacts
from glomspike.phantom.curves import largest_ring, resample
from glomspike.phantom.glomerulus import GlomerulusPlan, Habit, furnished, tuft_outline, with_spikes
from glomspike.phantom.solid_tuft import TuftSolid
from glomspike.phantom.spikes import Lesion
from glomspike.phantom.tissue import CLEARANCE_UM, TissuePlan, Vessel, plan_tissue

LEAST_PROFILE_UM = 28.0  # a cap of a smaller radius shows nothing that could be called a glomerulus
LEAN = 0.3  # sideways shift of tubules and vessels per µm of depth
ROOM_UM = 300.0  # side of the square of tissue that each glomerulus gets
SHRINKAGE = 0.62  # radius of a globally sclerosed glomerulus, of a healthy one's
BARE = Artefacts((), (), ())  # a slide has artefacts, its tissue doesn't


@dataclass(frozen=True, eq=False)
class Surface3D:
    """The capsule: a ball whose radius waves around (`waves`: (n, 4) count, height, phase, turn per µm)."""

    centre_um: Points  # (2,)
    depth_um: float  # of the centre
    radius_um: float
    lean: Points  # (2,) sideways shift per µm of depth
    waves: NDArray[np.float64]

    @classmethod
    def sample(
        cls, rng: np.random.Generator, centre_um: Points, depth_um: float, radius_um: float
    ) -> "Surface3D":
        """A surface drawn at random."""
        count = np.arange(2, 7)
        waves = [
            count,
            0.06 / count * rng.normal(size=5),
            rng.uniform(0, 2 * np.pi, 5),
            rng.normal(0, 0.012, 5),
        ]
        return cls(centre_um, depth_um, radius_um, rng.normal(0, 0.12, size=2), np.stack(waves, axis=1))

    def radius_at(self, depth_um: float) -> float:
        """The mean radius of the profile at a depth; 0 where the section misses it."""
        squared = self.radius_um**2 - (depth_um - self.depth_um) ** 2
        return float(np.sqrt(squared)) if squared > 0 else 0.0

    def middle_at(self, depth_um: float) -> Points:
        """The profile's middle (2,)."""
        return np.asarray(self.centre_um + self.lean * (depth_um - self.depth_um), dtype=np.float64)

    def outline_at(self, depth_um: float) -> Points:
        """The profile's outer edge (n, 2)."""
        theta = np.linspace(0, 2 * np.pi, 256, endpoint=False)
        around = depth_um - self.depth_um
        radius = 1 + sum(
            high * np.cos(count * theta + phase + turn * around) for count, high, phase, turn in self.waves
        )
        unit = np.stack([np.cos(theta), np.sin(theta)], axis=1)
        edge = self.middle_at(depth_um) + self.radius_at(depth_um) * radius[:, None] * unit
        return resample(edge, 1.0)


@dataclass(frozen=True, eq=False)
class GlomerulusSolid:
    """One glomerulus of the block.

    `sclerosed` is global sclerosis; `lesion` is None where it has no spikes. A single stretch of spikes shows
    on one section only, that at `stretch_depth_um`.
    """

    surface: Surface3D
    habit: Habit
    scar: float
    sclerosed: bool
    lesion: Lesion | None
    stretch_depth_um: float
    depths_um: tuple[float, float]  # between which it is cut
    seed: int

    def is_shown(self, depth_um: float) -> bool:
        """Whether a section at a depth shows it; False where it is missed, or hardly grazed."""
        return self.surface.radius_at(depth_um) >= LEAST_PROFILE_UM

    def cut(self, depth_um: float) -> GlomerulusPlan:
        """What a section at a depth shows of it."""
        radius = self.surface.radius_at(depth_um)
        rng = np.random.default_rng(self.seed)  # the same draws at each depth: hilum, lobes, crescent
        middle, capsule = self.surface.middle_at(depth_um), self.surface.outline_at(depth_um)
        tuft = tuft_outline(rng, capsule, middle, radius)
        whole_um = 1.2 * self.surface.radius_um
        span = self.depths_um[0] - self.surface.depth_um, self.depths_um[1] - self.surface.depth_um
        solid = TuftSolid.sample(
            np.random.default_rng([self.seed, 0]), self.habit.anatomy, self.surface.radius_um, span, self.scar
        )
        section = solid.cut(depth_um - self.surface.depth_um, self.surface.centre_um, whole_um, tuft)
        plan = furnished(rng, self.habit, middle, capsule, tuft, section)
        if self.lesion is None or (self.lesion.extent == 0 and depth_um != self.stretch_depth_um):
            return plan
        return with_spikes(np.random.default_rng([self.seed, round(10 * depth_um)]), plan, self.lesion)


@dataclass(frozen=True, eq=False)
class Block:
    """A block of tissue: what is in it, and how far tubules and vessels lean (µm per µm of depth)."""

    first: TissuePlan  # at depth 0, without glomeruli
    glomeruli: tuple[GlomerulusSolid, ...]
    tubule_lean: Points  # (n, 2)
    vessel_lean: Points
    edge_waves: NDArray[np.float64]  # how the tissue's edge moves with depth, (n, 3) count, height, phase

    def shown_at(self, depth_um: float) -> tuple[int, ...]:
        """The numbers, from 1, of the glomeruli that a section at a depth shows."""
        return tuple(n for n, one in enumerate(self.glomeruli, start=1) if one.is_shown(depth_um))

    def capsules_at(self, depth_um: float) -> list[Points]:
        """The outer edges (n, 2) of their profiles in the block's µm, in the same order."""
        return [self.glomeruli[n - 1].surface.outline_at(depth_um) for n in self.shown_at(depth_um)]

    def tissue_at(self, depth_um: float) -> Points:
        """The edge (n, 2) of the tissue of the section at a depth, in the block's µm."""
        held = [shapely.Polygon(edge).buffer(8.0) for edge in self.capsules_at(depth_um)]
        return largest_ring(shapely.union_all([shapely.Polygon(self._edge(depth_um)).buffer(0), *held]))

    def cut(self, depth_um: float) -> TissuePlan:
        """The plan of the section at a depth, its glomeruli in the order of `shown_at`."""
        vessels = tuple(
            Vessel(vessel.edge_um + lean * depth_um, vessel.lumen)
            for vessel, lean in zip(self.first.vessels, self.vessel_lean, strict=True)
        )
        return replace(
            self.first,
            tissue_um=self.tissue_at(depth_um),
            tubules_um=self.first.tubules_um + self.tubule_lean * depth_um,
            vessels=vessels,
            glomeruli=tuple(self.glomeruli[n - 1].cut(depth_um) for n in self.shown_at(depth_um)),
        )

    def _edge(self, depth_um: float) -> Points:
        edge = self.first.tissue_um
        centre = edge.mean(axis=0)
        theta = np.arctan2(*(edge - centre).T[::-1])
        swell = sum(h * np.cos(count * theta + phase) for count, h, phase in self.edge_waves)
        return np.asarray(centre + (edge - centre) * (1 + depth_um * swell)[:, None], dtype=np.float64)


def sample_block(
    rng: np.random.Generator, glomeruli: int, depths_um: tuple[float, ...], lesion: Lesion
) -> Block:
    """A block with that many glomeruli to be seen in sections at these depths, or as many as fit.

    About half of them carry spikes, and some are globally sclerosed.
    """
    columns = max(1, int(np.ceil(np.sqrt(2.0 * glomeruli))))
    rows = max(1, int(np.ceil(glomeruli / columns)))
    first = plan_tissue(rng, columns * ROOM_UM + 60, rows * ROOM_UM + 60, 0, None)
    area = shapely.Polygon(first.tissue_um)
    habit = Habit.sample(rng)
    mean_radius_um = rng.uniform(82, 118)
    scarred = float(rng.choice([0.0, rng.uniform(0, 0.3)]))
    placed: list[tuple[Surface3D, bool]] = []
    for _ in range(400 * glomeruli):
        if len(placed) == glomeruli:
            break
        sclerosed = bool(rng.random() < scarred)
        radius = float(np.clip(rng.normal(mean_radius_um, 12), 70, 150)) * (SHRINKAGE if sclerosed else 1.0)
        surface = _surface(rng, area, depths_um, radius)
        if surface is not None and all(_apart(surface, other) for other, _ in placed):
            placed.append((surface, sclerosed))
    spiked = rng.permutation(len(placed)) < (len(placed) + 1) // 2
    solids = tuple(
        _solid(rng, habit, *one, lesion if spikes else None, depths_um)
        for one, spikes in zip(placed, spiked, strict=True)
    )
    held = [shapely.Point(one.centre_um).buffer(one.radius_um + CLEARANCE_UM) for one, _ in placed]
    clear = [v for v in first.vessels if not shapely.Polygon(v.edge_um).intersects(shapely.union_all(held))]
    first = replace(first, vessels=tuple(clear), artefacts=BARE, section_um=habit.anatomy.section_um)
    count = np.arange(1, 6)
    return Block(
        first,
        solids,
        rng.normal(0, LEAN, size=(len(first.tubules_um), 2)),
        rng.normal(0, LEAN, size=(len(clear), 2)),
        np.stack([count, 0.0006 / count * rng.normal(size=5), rng.uniform(0, 2 * np.pi, 5)], axis=1),
    )


def _surface(
    rng: np.random.Generator, area: shapely.Polygon, depths_um: tuple[float, ...], radius_um: float
) -> Surface3D | None:
    """A capsule somewhere in the tissue that at least one section shows; None where that place is no good."""
    low_x, low_y, high_x, high_y = area.bounds
    centre = np.array([rng.uniform(low_x, high_x), rng.uniform(low_y, high_y)])
    depth = rng.uniform(min(depths_um) - radius_um, max(depths_um) + radius_um)
    surface = Surface3D.sample(rng, centre, float(depth), radius_um)
    widest = max(surface.radius_at(at) for at in depths_um)
    if widest < LEAST_PROFILE_UM or not area.buffer(-0.8 * widest).contains(shapely.Point(centre)):
        return None
    return surface


def _apart(one: Surface3D, other: Surface3D) -> bool:
    """Whether two capsules keep clear of each other."""
    away = np.hypot(np.linalg.norm(one.centre_um - other.centre_um), one.depth_um - other.depth_um)
    return bool(away > 1.15 * (one.radius_um + other.radius_um) + CLEARANCE_UM)


def _solid(
    rng: np.random.Generator,
    habit: Habit,
    surface: Surface3D,
    sclerosed: bool,
    lesion: Lesion | None,
    depths_um: tuple[float, ...],
) -> GlomerulusSolid:
    scar = 1.0 if sclerosed else rng.uniform(0.05, 0.4) if rng.random() < habit.scarred else 0.0
    shown = [depth for depth in depths_um if surface.radius_at(depth) >= LEAST_PROFILE_UM]
    return GlomerulusSolid(
        surface,
        habit,
        scar,
        sclerosed,
        None if sclerosed else lesion,
        float(rng.choice(shown)),
        (min(depths_um), max(depths_um)),
        int(rng.integers(2**31)),
    )
