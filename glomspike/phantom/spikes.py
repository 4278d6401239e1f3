"""Spikes for a phantom glomerulus: which loops carry them, where along the membrane, and how they look.

A spike stands on the outer side of the basement membrane, 0.5 to 2 µm long and 0.7 to 2 µm from the
next. A glomerulus carries them on a few loops or on all, in stretches.
"""

from dataclasses import dataclass, replace

import numpy as np

from glomspike.findings import Points
from glomspike.phantom.curves import normals
from glomspike.phantom.glomerulus import STEP_UM, GlomerulusPlan, Loop, Spike


@dataclass(frozen=True)
class Lesion:
    """How a patient's spikes look: the share of loops they stand on, length, spacing, width."""

    loops: float
    length_um: float
    spacing_um: float
    width_um: float
    clubs: float  # share of spikes with a rounded end

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Lesion":
        """A patient's spikes, drawn at random."""
        return cls(
            loops=float(rng.uniform(0.12, 0.95)),
            length_um=float(rng.uniform(0.7, 1.9)),
            spacing_um=float(rng.uniform(0.9, 2.0)),
            width_um=float(rng.uniform(0.38, 0.7)),
            clubs=float(rng.choice([0.0, rng.random()])),
        )


def with_spikes(rng: np.random.Generator, plan: GlomerulusPlan, lesion: Lesion) -> GlomerulusPlan:
    """The same glomerulus with spikes on `lesion.loops` of its loops, on one loop at least."""
    chosen = set(np.flatnonzero(rng.random(len(plan.loops)) < lesion.loops).tolist())
    chosen = chosen or {int(rng.integers(len(plan.loops)))}
    loops, patches = [], []
    for index, loop in enumerate(plan.loops):
        spiked = _spiked(rng, loop, lesion) if index in chosen else loop
        if spiked.spikes:
            patches.append(np.array([spike.base_um for spike in spiked.spikes]))
        loops.append(spiked)
    return replace(plan, loops=tuple(loops), patches=tuple(patches))


def _spiked(rng: np.random.Generator, loop: Loop, lesion: Lesion) -> Loop:
    points = len(loop.membrane_um)
    stretch_um = max(4 * lesion.spacing_um, rng.uniform(0.25, 1.0) * points * STEP_UM)
    start = rng.integers(points)
    out = normals(loop.membrane_um)
    spikes, along = [], 0.0
    while along < stretch_um:
        at = int(start + along / STEP_UM) % points
        spikes.append(_spike(rng, loop, at, out[at], lesion))
        along += lesion.spacing_um * float(rng.uniform(0.7, 1.35))
    return replace(loop, spikes=tuple(spikes))


def _spike(rng: np.random.Generator, loop: Loop, at: int, out: Points, lesion: Lesion) -> Spike:
    turn = rng.normal(0, 0.18)
    direction = np.array(
        [out[0] * np.cos(turn) - out[1] * np.sin(turn), out[0] * np.sin(turn) + out[1] * np.cos(turn)]
    )
    base = loop.membrane_um[at] + out * loop.thickness_um[at] / 2
    length = float(np.clip(lesion.length_um * rng.lognormal(0, 0.22), 0.5, 2.4))
    width = float(np.clip(lesion.width_um * rng.lognormal(0, 0.15), 0.3, 1.0))
    return Spike(base, base + direction * length, width, bool(rng.random() < lesion.clubs))
