"""How alike the fringe of phantom membranes and that of the real picture of spikes are.

    python -m benchmarks.quality.fringe_likeness REAL [--phantoms 16] [--seed 4100] [--mpp 0.17]

REAL is the folder with the one real picture of membranous spikes. Walls are traced where ink ends and free
space begins; along them optical density is read outwards, and ripples are counted just outside of the wall. A
ripple is whatever is darker than what is beside it, so that noise and fuzz give some as well: furs are to be
held against phantoms without spikes, too. The real picture's µm/px is not stated.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.signal import find_peaks, peak_widths

from benchmarks.quality.phantom_likeness import scanned
from benchmarks.quality.real_spikes import GLOMERULUS, PICTURE
from glomspike.findings import RGB, Points
from glomspike.phantom.slides import Order, plan_slide
from glomspike.phantom.spikes import Growth
from glomspike.slide.reader import read_picture

STEP_UM = 0.1  # along a wall and outwards
LEAST_WALL_UM = 8.0
FREE_UM = 3.0  # before a wall that is measured
OUTWARDS_UM = (0.0, 0.4, 0.8, 1.2, 1.6, 2.0)  # from the middle of the wall's ink on
BESIDE_UM = 0.3  # where ripples are counted, beyond the edge of the ink
PROMINENCE = 0.1  # of a ripple, relative to the wall's density

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fringe:
    """Walls of a picture: optical density (n, k) outwards from 1 µm within, and ripples; 1 is the wall."""

    profiles: Array
    ripples: int
    widths_um: Array
    length_um: float

    def rows(self) -> dict[str, float]:
        """Numbers by name."""
        profile = self.profiles.mean(axis=0)
        at = np.arange(len(profile)) * STEP_UM - 1.0
        peak = int(profile.argmax())
        outwards = {
            f"density {um:g} µm outwards": float(np.interp(at[peak] + um, at, profile)) for um in OUTWARDS_UM
        }
        return {
            "bristles per µm": self.ripples / self.length_um,
            "width of bristles µm": float(np.median(self.widths_um)) if len(self.widths_um) else float("nan"),
            "length of bristles µm": _fall_um(profile[peak:]),
            **outwards,
        }


def _fall_um(profile: Array) -> float:
    """How far the density takes from 75 % to 25 % of its fall, times two: a clean edge has a short way."""
    share = (profile - profile.min()) / max(float(profile[0] - profile.min()), 1e-9)
    begin, end = (int(np.argmax(share < level)) for level in (0.75, 0.25))
    return 2 * STEP_UM * (end - begin)


def fringe(pixels: RGB, mpp: float, inside: NDArray[np.bool_]) -> Fringe | None:
    """The fringe of all walls of a picture (h, w, 3) that face free space; None where there is none."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    density = -np.log((grey + 2) / np.percentile(grey[inside], 97))
    soft = cv2.GaussianBlur(density, (0, 0), 0.35 / mpp)
    level, _ = cv2.threshold(
        np.clip(80 * soft, 0, 255).astype(np.uint8)[inside][None], 0, 255, cv2.THRESH_OTSU
    )
    ink = ((soft > level / 80) & inside).astype(np.uint8)
    contours, _ = cv2.findContours(ink, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    free = cv2.distanceTransform(1 - ink, cv2.DIST_L2, 5) * mpp
    above, free_um = (np.asarray(part, dtype=np.float64) for part in (soft - level / 80, free))
    maps = _Maps(density, above, free_um, np.asarray(inside, dtype=np.float64), mpp)
    parts = [_wall(contour[:, 0].astype(np.float64), maps) for contour in contours]
    found = [part for part in parts if part is not None]
    if not found:
        return None
    return Fringe(
        np.concatenate([part.profiles for part in found]),
        sum(part.ripples for part in found),
        np.concatenate([part.widths_um for part in found]),
        sum(part.length_um for part in found),
    )


@dataclass(frozen=True, eq=False)
class _Maps:
    """A picture's optical density, how far a smooth one is above that of ink's edge, room, what counts."""

    density: Array
    above: Array
    free_um: Array
    inside: Array
    mpp: float

    def edge(self, line: Points, out: Points) -> Points:
        """A line (n, 2) brought from the stairs of its pixels to where the ink ends."""
        slope = (_at(self.above, line + 0.1 * out) - _at(self.above, line - 0.1 * out)) / 0.2
        shift_um = np.clip(_at(self.above, line) / np.maximum(-slope, 0.2), -0.4, 0.4)
        return line + out * gaussian_filter1d(shift_um, 0.5 / STEP_UM, mode="wrap")[:, None]


def _wall(contour: Points, maps: _Maps) -> Fringe | None:
    """The fringe along the part of a contour that has free space before it."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(contour, axis=0), axis=1))]) * maps.mpp
    if along[-1] < LEAST_WALL_UM:
        return None
    at = np.arange(0, along[-1], STEP_UM)
    line = np.stack([np.interp(at, along, contour[:, axis]) for axis in (0, 1)], axis=1)
    line = gaussian_filter1d(line, 0.8 / STEP_UM, axis=0, mode="wrap")
    tangent = np.gradient(line, axis=0)
    out = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9) * maps.mpp
    if _at(maps.free_um, line + out).mean() < _at(maps.free_um, line - out).mean():
        out = -out
    line = maps.edge(line, out)
    free = (_at(maps.free_um, line + FREE_UM * out) > 0.6 * FREE_UM) & (
        _at(maps.inside, line + 4 * out) > 0.5
    )
    if free.sum() * STEP_UM < LEAST_WALL_UM:
        return None
    steps = np.arange(-1.0, 3.0, STEP_UM)
    profiles = _at(maps.density, line[free][:, None] + out[free][:, None] * steps[None, :, None])
    wall = float(np.percentile(profiles, 90))
    beside = _at(maps.density, line + BESIDE_UM * out)
    ripple = (beside - gaussian_filter1d(beside, 0.8 / STEP_UM, mode="wrap")) / wall
    peaks, _ = find_peaks(ripple, prominence=PROMINENCE)
    peaks = peaks[free[peaks]]
    widths_um = peak_widths(ripple, peaks)[0] * STEP_UM
    return Fringe(profiles / wall, len(peaks), widths_um, float(free.sum() * STEP_UM))


def _at(values: Array, points: Points) -> Array:
    places = [points[..., 1], points[..., 0]]
    return np.asarray(map_coordinates(values, places, order=1, mode="nearest"), dtype=np.float64)


def _real(folder: Path, mpp: float) -> Fringe | None:
    picture = read_picture(folder / PICTURE)
    mask = cv2.fillPoly(np.zeros(picture.shape[:2], np.uint8), [np.array(GLOMERULUS, np.int32)], 1) > 0
    return fringe(picture, mpp, mask)


def _phantom(number: int, seed: int, spikes: bool) -> Fringe | None:
    """A phantom glomerulus with its fur, or without; None where there is none on most of its membrane."""
    patient = plan_slide(Order(number, 1, seed, 0.0))
    glomerulus, mpp = patient[0].glomeruli[0], patient[2].mpp
    furred = [stretch for stretch in glomerulus.growth.stretches if stretch.bands]
    if not furred or glomerulus.growth.length_um < 0.5 * glomerulus.membrane_um:
        return None
    shown = glomerulus if spikes else replace(glomerulus, growth=Growth())
    low_um, high_um = shown.tuft_um.min(axis=0), shown.tuft_um.max(axis=0)
    half_um = float((high_um - low_um).max() / 2)
    picture = scanned(patient, shown, (low_um + high_um) / 2, half_um)
    return fringe(picture, mpp, np.ones(picture.shape[:2], dtype=np.bool_))


@click.command()
@click.argument("real", type=click.Path(path_type=Path, exists=True))
@click.option("--phantoms", default=16, show_default=True, help="How many phantom patients to look through.")
@click.option("--seed", default=4100, show_default=True, help="Which.")
@click.option("--mpp", default=0.17, show_default=True, help="What the real picture's scale is taken to be.")
def main(real: Path, phantoms: int, seed: int, mpp: float) -> None:
    """Measure the fringes of walls."""
    groups = [
        [_real(real, mpp)],
        [_phantom(number, seed, True) for number in range(1, phantoms + 1)],
        [_phantom(number, seed, False) for number in range(1, phantoms + 1)],
    ]
    measured = [[found.rows() for found in group if found is not None] for group in groups]
    click.echo("| | real | furs | the same without spikes |\n|---|---|---|---|")
    for name in measured[0][0]:
        cells = [f"{measured[0][0][name]:.2f}"]
        for group in measured[1:]:
            low, middle, high = np.percentile([rows[name] for rows in group], (10, 50, 90))
            cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
        click.echo(f"| {name} | " + " | ".join(cells) + " |")
    click.echo(f"{len(measured[1])} phantom patients with a fur on most of their membrane")


if __name__ == "__main__":
    main()
