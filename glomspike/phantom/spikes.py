"""Spikes for a phantom glomerulus: on which stretches of membrane they stand and how they look.

A spike stands on the outer side of the basement membrane, 0.5 to 2.6 µm long and 0.6 to 2 µm from the
next. Most patients have a fur: thin, dense bristles that rise from a half-dense zone on a
thickened wall, all around most loops. Others have a comb: spikes far apart on a clean edge. A glomerulus
carries them on one short stretch of one loop, on all loops, or anything between. Where the membrane is cut
along itself they are seen end-on: as dots, as a dark sheet with pale holes, or as a finely mottled patch with
a bristly rim.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.phantom.bands import Band, Texture, band_along
from glomspike.phantom.curves import normals, resample
from glomspike.phantom.surface import STEP_UM, Surface
from glomspike.phantom.tuft import GRID_UM, Section

LEAST_SPIKES = 5  # fewer don't make a stretch
LEAST_GAP_UM = 0.45
LEAST_SHEET_UM2 = 12.0
FURRED = 0.7  # share of patients
WALL = Texture(silver=1.0, cytoplasm=0.0, mottled=0.05, ragged=0.2, wave_um=2.0)  # what thickens it


@dataclass(frozen=True)
class Lesion:
    """How a patient's spikes look, and how far they spread over a glomerulus."""

    extent: float  # share of the bare membrane; 0 means one short stretch
    length_um: float
    spacing_um: float
    width_um: float
    clubs: float  # share of spikes with a rounded end
    joined: float  # share of stretches whose tips are joined: ladders
    darkness: float  # 1 as dark as the membrane
    untidy: float  # spread of lengths, directions and gaps, about 0.1 to 0.4
    rung: float = 0.82  # darkness of the line that joins the tips of a ladder
    thickened_um: float = 0.0  # by which the wall grows outwards under them
    zone: Texture | None = None  # the half-dense zone from which they rise; None where the edge is clean
    zone_share: float = 0.0  # depth of that zone, relative to their length

    @classmethod
    def sample(cls, rng: np.random.Generator, blur_um: float) -> "Lesion":
        """A patient's spikes, drawn at random, such that a scanner of that blur can still show them."""
        return cls.fur(rng, blur_um) if rng.random() < FURRED else cls.comb(rng, blur_um)

    @classmethod
    def comb(cls, rng: np.random.Generator, blur_um: float) -> "Lesion":
        """Spikes that stand apart on a wall with a clean edge: bristles, clubs, thorns or ladders."""
        spacing_um = rng.uniform(max(0.8, 4.0 * blur_um), 2.0)
        return cls(
            extent=_extent(rng, 0.2),
            length_um=float(rng.uniform(max(0.65, 2.4 * blur_um), 1.9)),
            spacing_um=float(spacing_um),
            width_um=float(np.clip(rng.uniform(max(0.34, 1.4 * blur_um), 0.85), 0.3, 0.5 * spacing_um)),
            clubs=float(rng.choice([0.0, rng.random(), 1.0], p=[0.4, 0.45, 0.15])),
            joined=float(rng.choice([0.0, rng.random(), 1.0], p=[0.55, 0.3, 0.15])),
            darkness=float(rng.uniform(0.65, 1.0)),
            untidy=float(rng.uniform(0.08, 0.35)),
        )

    @classmethod
    def fur(cls, rng: np.random.Generator, blur_um: float) -> "Lesion":
        """Bristles close together in a half-dense zone on a thickened wall; ladders among them."""
        spacing_um = rng.uniform(max(0.58, 3.2 * blur_um), max(1.05, 3.8 * blur_um))
        zone = Texture.veil(rng)
        return cls(
            extent=_extent(rng, 0.55),
            length_um=float(rng.uniform(0.8, max(2.1, 4.5 * blur_um))),
            spacing_um=float(spacing_um),
            width_um=float(np.clip(rng.uniform(0.3, 0.5), 0.28, 0.55 * spacing_um)),
            clubs=float(rng.choice([0.0, rng.uniform(0, 0.5)], p=[0.6, 0.4])),
            joined=float(rng.choice([0.0, rng.random(), 1.0], p=[0.5, 0.4, 0.1])),
            darkness=float(min(1.0, zone.silver + rng.uniform(0.2, 0.5))),
            untidy=float(rng.uniform(0.12, 0.35)),
            rung=float(rng.uniform(0.35, 0.75)),
            thickened_um=float(rng.choice([0.0, rng.uniform(0.2, 1.0)], p=[0.3, 0.7])),
            zone=zone,
            zone_share=float(rng.uniform(0.7, 1.4)),
        )


def _extent(rng: np.random.Generator, whole: float) -> float:
    """How far a patient's spikes spread: over all bare membrane for a share `whole` of the patients."""
    return float(rng.choice([0.0, rng.beta(0.9, 1.3), 1.0], p=[0.12, 0.88 - whole, whole]))


@dataclass(frozen=True, eq=False)
class Spikes:
    """The spikes of one stretch: base and tip of each (n, 2), width (n,), and the membrane they stand on."""

    line_um: Points  # (m, 2)
    base_um: Points
    tip_um: Points
    width_um: NDArray[np.float64]
    club: NDArray[np.bool_]
    rung: float  # darkness of the line that joins their tips; 0 where they stand free
    darkness: float
    bands: tuple[Band, ...]  # what lies under them


@dataclass(frozen=True, eq=False)
class Sheet:
    """Spikes seen end-on: their places (n, 2) on a membrane cut along itself."""

    edge_um: Points  # outline of the sheet
    places_um: Points
    radius_um: float
    holes: bool  # a dark sheet with pale holes; else dark dots on a grey one
    cover: Texture | None  # a finely mottled patch; None where the sheet is as the wall's other sheets are
    rim: Spikes | None


@dataclass(frozen=True, eq=False)
class Growth:
    """All spikes of a glomerulus."""

    stretches: tuple[Spikes, ...] = ()
    sheets: tuple[Sheet, ...] = ()

    @property
    def places_um(self) -> Points:
        """Where spikes stand (n, 2): the middles of those seen from the side, and those seen end-on."""
        sides = [(s.base_um + s.tip_um) / 2 for s in self.stretches]
        return np.concatenate([np.zeros((0, 2)), *sides, *(s.places_um for s in self.sheets)])

    @property
    def lines_um(self) -> tuple[Points, ...]:
        """The membrane that carries them, (n, 2) each: along rows, around and amid those seen end-on."""
        within = [s.edge_um.mean(axis=0) + 0.5 * (s.edge_um - s.edge_um.mean(axis=0)) for s in self.sheets]
        return (
            *(s.line_um for s in self.stretches),
            *(np.vstack([s.edge_um[::2], inner[::2]]) for s, inner in zip(self.sheets, within, strict=True)),
        )

    @property
    def length_um(self) -> float:
        """Length of membrane that carries them, as far as it is seen from the side."""
        return float(sum(len(s.line_um) * STEP_UM for s in self.stretches))


def only(growth: Growth, chosen: tuple[bool, ...]) -> Growth:
    """The stretches and sheets that are chosen, in the order of `Growth.lines_um`."""
    parts = (*growth.stretches, *growth.sheets)
    kept = [part for part, is_chosen in zip(parts, chosen, strict=True) if is_chosen]
    return Growth(
        tuple(part for part in kept if isinstance(part, Spikes)),
        tuple(part for part in kept if isinstance(part, Sheet)),
    )


def grow(rng: np.random.Generator, section: Section, faces: tuple[Surface, ...], lesion: Lesion) -> Growth:
    """Spikes on the bare membrane of a glomerulus, on one stretch at least if there is any room for it."""
    places = [(face, *run) for face in faces for run in _plain_runs(face)]
    if not places:
        return Growth()
    room_um = sum(count * STEP_UM for _, _, count in places)
    wanted_um = max(lesion.extent * room_um, rng.uniform(9.0, 20.0))
    stretches: list[Spikes] = []
    grown_um = 0.0
    for at in rng.permutation(len(places)):
        if grown_um >= wanted_um:
            break
        face, start, count = places[at]
        share = 1.0 if lesion.extent == 1.0 else rng.uniform(0.35, 1.0)
        length_um = min(count * STEP_UM * share, max(wanted_um - grown_um, 9.0))
        offset = int(rng.integers(max(1, count - round(length_um / STEP_UM) + 1)))
        spikes = _spikes(rng, face, (start + offset) % len(face.line_um), length_um, lesion)
        if spikes is not None:
            stretches.append(spikes)
            grown_um += length_um
    sheets = _sheets(rng, section, lesion) if stretches and lesion.extent else ()
    return Growth(tuple(stretches), sheets)


def _plain_runs(face: Surface) -> list[tuple[int, int]]:
    """Stretches of bare membrane as (first point, number of points), those long enough for spikes."""
    plain = face.plain
    if plain.all():
        return [(0, len(plain))]
    first = int(np.flatnonzero(~plain)[0])
    turned = np.roll(plain, -first)
    steps = np.diff(np.concatenate([[0], turned.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    runs = zip((starts + first) % len(plain), stops - starts, strict=True)
    return [(int(start), int(count)) for start, count in runs if count * STEP_UM > 7.0]


def _spikes(
    rng: np.random.Generator, face: Surface, start: int, length_um: float, lesion: Lesion
) -> Spikes | None:
    """Spikes along a stretch from a point of a face on; none where too few fit."""
    gaps = lesion.spacing_um * rng.lognormal(0, lesion.untidy, int(2 * length_um / lesion.spacing_um) + 2)
    along = np.cumsum(np.clip(gaps, LEAST_GAP_UM, 2.2))
    along = along[along < length_um]
    stretch = face.stretch(start, length_um)
    base, out = _between(face.line_um[stretch], along), _between(face.out[stretch], along)
    base = base + 0.8 * lesion.thickened_um * out
    # where the wall bends towards them, spikes would stand in one another
    apart = np.linalg.norm(np.diff(base, axis=0), axis=1) > LEAST_GAP_UM
    base, out = (values[1:][apart] for values in (base, out))
    count = len(base)
    if count < LEAST_SPIKES:
        return None
    angles = np.arctan2(out[:, 1], out[:, 0]) + rng.normal(0, lesion.untidy, size=count)
    way = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ends = np.clip(3.0 * np.minimum(np.arange(count) + 1, np.arange(count)[::-1] + 1) / count, 0.5, 1.0)
    length = np.clip(lesion.length_um * ends * rng.lognormal(0, lesion.untidy, size=count), 0.5, 2.6)
    return Spikes(
        face.line_um[stretch],
        base,
        base + way * length[:, None],
        np.clip(lesion.width_um * rng.lognormal(0, 0.6 * lesion.untidy, size=count), 0.26, 1.0),
        rng.random(count) < lesion.clubs,
        lesion.rung if rng.random() < lesion.joined else 0.0,
        lesion.darkness,
        _bands(rng, face.line_um[stretch], face.out[stretch], lesion),
    )


def _between(values: Points, along_um: NDArray[np.float64]) -> Points:
    """Values (n, 2) of points `STEP_UM` apart, at lengths (m,) along them."""
    steps = np.arange(len(values)) * STEP_UM
    return np.stack([np.interp(along_um, steps, values[:, axis]) for axis in (0, 1)], axis=1)


def _bands(rng: np.random.Generator, line_um: Points, out: Points, lesion: Lesion) -> tuple[Band, ...]:
    """What thickens the wall under a stretch of spikes, and the zone from which they rise."""
    bands = []
    if lesion.zone is not None:
        depth_um = lesion.thickened_um + lesion.zone_share * lesion.length_um
        bands.append(band_along(rng, line_um, out, depth_um, lesion.zone))
    if lesion.thickened_um:
        bands.append(band_along(rng, line_um, out, lesion.thickened_um, WALL))
    return tuple(bands)


def _sheets(rng: np.random.Generator, section: Section, lesion: Lesion) -> tuple[Sheet, ...]:
    """Spikes on walls cut along themselves, on a share of these walls."""
    mask = (section.tangential > 0.6).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for contour in contours:
        if (
            cv2.contourArea(contour) * GRID_UM**2 < LEAST_SHEET_UM2
            or rng.random() > 0.15 + 0.7 * lesion.extent
        ):
            continue
        edge = section.points_um(contour[:, 0, :].astype(np.float64))
        places = _grid_within(rng, contour, section, max(lesion.spacing_um, 0.7))
        if len(places) >= LEAST_SPIKES:
            radius = float(np.clip(rng.uniform(0.24, 0.34) * lesion.spacing_um, 0.18, 0.6))
            cover = None if lesion.zone is None else replace(lesion.zone, silver=rng.uniform(0.4, 0.75))
            rim = None if lesion.zone is None else _rim(rng, edge, lesion)
            found.append(Sheet(edge, places, radius, bool(rng.random() < 0.5), cover, rim))
    return tuple(found)


def _rim(rng: np.random.Generator, edge_um: Points, lesion: Lesion) -> Spikes | None:
    """Bristles around a sheet."""
    line = resample(edge_um, STEP_UM)
    face = Surface(line, normals(line), np.ones(len(line), dtype=np.bool_))
    bare = replace(lesion, zone=None, thickened_um=0.0, joined=0.0)
    return _spikes(rng, face, 0, 0.95 * face.length_um, bare)


def _grid_within(rng: np.random.Generator, contour: MatLike, section: Section, spacing_um: float) -> Points:
    """Points of a jittered hexagonal grid within a contour of section pixels."""
    low, high = contour.min(axis=(0, 1)), contour.max(axis=(0, 1))
    step = spacing_um / GRID_UM
    xs, ys = np.meshgrid(np.arange(low[0], high[0], step), np.arange(low[1], high[1], 0.87 * step))
    xs = xs + (np.arange(len(ys)) % 2)[:, None] * step / 2
    points = np.stack([xs.ravel(), ys.ravel()], axis=1)
    points = points + rng.normal(0, rng.uniform(0.12, 0.3) * step, size=points.shape)
    points = points[rng.random(len(points)) < rng.uniform(0.7, 1.0)]
    inside = [cv2.pointPolygonTest(contour, (float(x), float(y)), True) > 1.0 for x, y in points]
    return section.points_um(points[np.array(inside, dtype=bool)])
