"""What looks like spikes and is not: strands, warts, grains, second contours, bristles into the lumen; and
what looks like a fur of them: veiled, blackened, thick, wrinkled and dusty walls.

They stand on normal and on spiked glomeruli alike, so that none of them separates the two.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.phantom.bands import Band, Texture, band_along
from glomspike.phantom.surface import STEP_UM, Surface, inner_faces
from glomspike.phantom.tuft import Section


@dataclass(frozen=True)
class Mimicry:
    """How many look-alikes a patient's glomeruli carry, per 100 µm of membrane unless said otherwise."""

    thorns: float  # single ones: no two within 3.5 µm
    warts: float
    strands: float  # thin, from one loop across to the next
    grains: float  # beside the membrane
    clusters: float  # tight groups of grains, per glomerulus
    doubled: float  # share of lumens with a second contour
    rungs: bool  # second contours are tied to the first
    bristled: float  # share of lumens with bristles on the inside
    veiled: float  # share of outer faces in a half-dense zone without spikes, as of defocus or an oblique cut
    blackened: float  # share whose silver has run beyond the wall, with a ragged edge
    thickened: float  # share of thick, smooth walls, as in diabetes
    embraced: float  # share with a podocyte's cytoplasm against them
    wrinkled: float  # share with a wavy line close before them
    dusty: float  # share with precipitate along them

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Mimicry":
        """A patient's look-alikes, drawn at random; most patients have few kinds of them."""
        some = rng.random(7) < np.array([0.6, 0.6, 0.6, 0.55, 0.45, 0.2, 0.2])
        most = rng.random(7) * np.array([5.0, 7.0, 3.0, 9.0, 8.0, 0.4, 0.3]) * some
        thorns, warts, strands, grains, clusters, doubled, bristled = (float(value) for value in most)
        rungs = bool(rng.random() < 0.5)
        along = rng.beta(0.7, 1.0, size=6) * (rng.random(6) < np.array([0.5, 0.3, 0.35, 0.5, 0.25, 0.3]))
        veiled, blackened, thickened, embraced, wrinkled, dusty = (float(value) for value in along)
        return cls(
            thorns, warts, strands, grains, clusters, doubled, rungs, bristled,
            veiled, blackened, thickened, embraced, wrinkled, dusty,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Stroke:
    """A line drawn in silver: points (n, 2), width, darkness (1 as the membrane)."""

    line_um: Points
    width_um: float
    darkness: float


@dataclass(frozen=True, eq=False)
class Grain:
    """A round black body."""

    centre_um: Points  # (2,)
    radius_um: float
    darkness: float


@dataclass(frozen=True, eq=False)
class Mimics:
    """All look-alikes of a glomerulus."""

    strokes: tuple[Stroke, ...]  # outside lumens
    inner: tuple[Stroke, ...]  # within them
    grains: tuple[Grain, ...]
    bands: tuple[Band, ...]  # outside lumens


def draw_mimics(
    rng: np.random.Generator, section: Section, faces: tuple[Surface, ...], mimicry: Mimicry
) -> Mimics:
    """Look-alikes for a glomerulus whose walls end at `faces`."""
    strokes: list[Stroke] = []
    grains: list[Grain] = []
    bands: list[Band] = []
    for face in faces:
        strokes += _thorns(rng, face, mimicry.thorns)
        strokes += _strands(rng, section, face, mimicry.strands)
        grains += _warts(rng, face, mimicry.warts)
        grains += _grains(rng, face, mimicry.grains)
        strokes += _wrinkles(rng, face, mimicry.wrinkled)
        grains += _dust(rng, face, mimicry.dusty)
        bands += _bands(rng, face, mimicry)
    grains += _clusters(rng, faces, mimicry.clusters)
    inner = _doubled(rng, section, mimicry) + _bristled(rng, section, mimicry.bristled)
    return Mimics(tuple(strokes), tuple(inner), tuple(grains), tuple(bands))


def _apart(rng: np.random.Generator, face: Surface, per_100_um: float, least_um: float) -> NDArray[np.intp]:
    """Points of a face, about so many per 100 µm, none nearer to the next than `least_um`."""
    count = rng.poisson(per_100_um * face.length_um / 100)
    along = np.sort(rng.uniform(0, face.length_um, size=count))
    kept = along[np.concatenate([[True], np.diff(along) > least_um])] if count else along
    return np.asarray(kept / STEP_UM, dtype=np.intp) % len(face.line_um)


def _thorns(rng: np.random.Generator, face: Surface, per_100_um: float) -> list[Stroke]:
    found = []
    for at in _apart(rng, face, per_100_um, 3.5):
        way = face.out[at] + rng.normal(0, 0.5, size=2)
        tip = face.line_um[at] + way * rng.uniform(0.4, 1.8)
        found.append(Stroke(np.array([face.line_um[at], tip]), rng.uniform(0.35, 1.0), rng.uniform(0.5, 1.0)))
    return found


def _strands(rng: np.random.Generator, section: Section, face: Surface, per_100_um: float) -> list[Stroke]:
    """Thin bent threads off the face, mostly grey, over to the next loop or into nothing."""
    found = []
    for at in _apart(rng, face, per_100_um, 4.0):
        angle = np.arctan2(face.out[at, 1], face.out[at, 0]) + rng.normal(0, 0.5)
        angles = angle + np.cumsum(rng.normal(0, 0.25, size=int(rng.integers(4, 14))))
        line = face.line_um[at] + np.cumsum(np.stack([np.cos(angles), np.sin(angles)], axis=1) * 0.6, axis=0)
        free = section.at(section.lumen_um, line) > 0
        reach = int(np.argmin(free)) if not free.all() else len(line)
        if reach > 2:
            found.append(Stroke(line[:reach], rng.uniform(0.25, 0.55), rng.uniform(0.3, 0.95)))
    return found


def _warts(rng: np.random.Generator, face: Surface, per_100_um: float) -> list[Grain]:
    """Broad low swellings: most of each lies within the wall."""
    return [
        Grain(face.line_um[at] - face.out[at] * radius * rng.uniform(0.2, 0.7), radius, rng.uniform(0.8, 1.0))
        for at in _apart(rng, face, per_100_um, 2.2)
        for radius in [rng.uniform(0.5, 1.3)]
    ]


def _grains(rng: np.random.Generator, face: Surface, per_100_um: float) -> list[Grain]:
    """Specks on the face or up to 2 µm beside it, no two alike."""
    return [
        Grain(
            face.line_um[at] + face.out[at] * rng.uniform(-0.5, 2.5),
            float(0.18 + 0.5 * rng.random() ** 2),
            rng.uniform(0.4, 1.0),
        )
        for at in _apart(rng, face, per_100_um, 0.3)
    ]


def _part(rng: np.random.Generator, face: Surface) -> NDArray[np.intp]:
    """Points of a stretch of a face, of any length up to all of it."""
    start = int(rng.integers(len(face.line_um)))
    return face.stretch(start, face.length_um * rng.uniform(0.2, 1.0))


def _bands(rng: np.random.Generator, face: Surface, mimicry: Mimicry) -> list[Band]:
    """Veils, silver that has run, thickening and cytoplasm along stretches of a face."""
    found = []
    if rng.random() < mimicry.veiled:
        found.append((rng.uniform(0.5, 2.3), Texture.veil(rng)))
    if rng.random() < mimicry.blackened:
        black = Texture(
            rng.uniform(0.7, 1.05), 0.0, rng.uniform(0, 0.25), rng.uniform(0.2, 0.6), rng.uniform(1, 3)
        )
        found.append((rng.uniform(0.3, 1.2), black))
    if rng.random() < mimicry.thickened:
        found.append((rng.uniform(0.3, 1.2), Texture(rng.uniform(0.6, 1.0), 0.0, 0.05, 0.1, 3.0)))
    if rng.random() < mimicry.embraced:
        cell = Texture(
            rng.uniform(0, 0.15), rng.uniform(0.5, 1.4), rng.uniform(0, 0.5), 0.5, rng.uniform(1.5, 5)
        )
        found.append((rng.uniform(0.8, 3.0), cell))
    bands = []
    for depth_um, texture in found:
        at = _part(rng, face)
        bands.append(band_along(rng, face.line_um[at], face.out[at], depth_um, texture))
    return bands


def _wrinkles(rng: np.random.Generator, face: Surface, share: float) -> list[Stroke]:
    """A membrane that lies in folds: a wavy line that touches the wall and leaves it again."""
    if rng.random() >= share:
        return []
    at = _part(rng, face)
    waves = np.cumsum(2 * np.pi * STEP_UM / rng.uniform(2.2, 6.0) * rng.lognormal(0, 0.3, size=len(at)))
    away = rng.uniform(0.2, 0.7) * (1 + np.sin(waves)) * rng.uniform(0.5, 1.0)
    line = face.line_um[at] + face.out[at] * away[:, None]
    return [Stroke(line, rng.uniform(0.35, 0.9), rng.uniform(0.5, 1.0))]


def _dust(rng: np.random.Generator, face: Surface, share: float) -> list[Grain]:
    """Precipitate along a stretch of wall: grains of any size, anywhere up to 1.5 µm from it."""
    if rng.random() >= share:
        return []
    at = _part(rng, face)
    chosen = rng.choice(at, size=int(len(at) * STEP_UM * rng.uniform(0.3, 1.2)))
    away = rng.exponential(rng.uniform(0.3, 0.9), size=len(chosen))
    places = face.line_um[chosen] + face.out[chosen] * np.minimum(away, 2.5)[:, None]
    darkness = rng.uniform(0.4, 1.0)
    return [Grain(place, float(0.12 + 0.28 * rng.random() ** 2), darkness) for place in places]


def _clusters(rng: np.random.Generator, faces: tuple[Surface, ...], mean: float) -> list[Grain]:
    found: list[Grain] = []
    for _ in range(rng.poisson(mean) if faces else 0):
        face = faces[rng.integers(len(faces))]
        middle = face.line_um[rng.integers(len(face.line_um))] + rng.normal(0, 2.0, size=2)
        spots = middle + rng.normal(0, rng.uniform(0.8, 3.0), size=(rng.integers(4, 25), 2))
        found += [
            Grain(spot, float(0.18 + 0.35 * rng.random() ** 2), rng.uniform(0.5, 1.0)) for spot in spots
        ]
    return found


def _doubled(rng: np.random.Generator, section: Section, mimicry: Mimicry) -> list[Stroke]:
    """Second contours within lumens, whole or in part, some tied to the first by rungs."""
    if not mimicry.doubled:
        return []
    gap_um, width_um = rng.uniform(0.8, 1.8), rng.uniform(0.35, 0.8)
    found = []
    for face in inner_faces(section, gap_um):
        if rng.random() > mimicry.doubled:
            continue
        count = len(face.line_um)
        at = face.stretch(int(rng.integers(count)), face.length_um * rng.uniform(0.3, 1.0))
        darkness = rng.uniform(0.5, 1.0)
        found.append(Stroke(face.line_um[at], width_um, darkness))
        tied = np.intersect1d(at, _apart(rng, face, 12.0, 3.0)) if mimicry.rungs else at[:0]
        for i in tied:
            rung = np.array([face.line_um[i], face.line_um[i] - face.out[i] * gap_um])
            found.append(Stroke(rung, rng.uniform(0.3, 0.7), darkness))
    return found


def _bristled(rng: np.random.Generator, section: Section, share: float) -> list[Stroke]:
    """Short bristles that point into the lumen: strands of matrix and endothelium, not spikes."""
    if not share:
        return []
    found = []
    for face in inner_faces(section, 0.0):
        if rng.random() > share:
            continue
        width_um = rng.uniform(0.3, 0.7)
        for at in _apart(rng, face, rng.uniform(10, 50), 1.2):
            tip = face.line_um[at] + (face.out[at] + rng.normal(0, 0.3, size=2)) * rng.uniform(0.4, 1.8)
            found.append(Stroke(np.array([face.line_um[at], tip]), width_um, rng.uniform(0.6, 1.0)))
    return found
