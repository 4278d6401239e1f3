"""How wide the glomerular basement membrane is on scaled electron micrographs: a check of scales.

    python -m benchmarks.quality.membrane_width MICROGRAPHS [--phantoms FOLDER]

MICROGRAPHS holds the public micrographs whose scale is known (a burnt-in bar, or stated beside them). Places
on the membrane were marked by hand; at each the width is the shortest way across what is as grey as the place
itself. With FOLDER, patients of `glomspike phantom --patients`, the same is done on phantoms, whose width is
known. It tells whether scales are read rightly, and nothing of disease.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Points
from glomspike.slide.reader import read_picture

SMOOTH_NM = 14.0  # standard deviation, before grey levels are compared
REACH_NM = 900.0  # further away nothing is membrane
STEP = 0.5  # that ends the membrane, relative to the standard deviation of the whole picture
RECENTRED = 3  # times that a place moves to the middle of the way across


@dataclass(frozen=True)
class MarkedMicrograph:
    """A public micrograph: its scale, where that is from, and places on the membrane in pixels."""

    file: str
    nm_px: float
    scale: str
    places_px: tuple[tuple[int, int], ...]


MARKED = (
    MarkedMicrograph(
        "tem_curti.png", 5000 / 330, "bar, 5 µm = 330 px",
        (
            (1044, 400), (1044, 533), (1033, 667), (978, 778), (878, 889), (667, 150), (778, 167), (933, 183),
            (489, 567), (333, 872), (167, 911),
        ),
    ),
    MarkedMicrograph(
        "tem_najafian_good.png", 10.0, "about 10 nm/px, stated",
        (
            (140, 340), (140, 420), (250, 580), (350, 655), (450, 690), (560, 740), (680, 790), (300, 185),
            (480, 205), (600, 235), (760, 265), (620, 65), (700, 80),
        ),
    ),
    MarkedMicrograph(
        "tem_snider_A1--0024.jpg", 2000 / 614, "bar, 2 µm = 614 px",
        (
            (1087, 594), (1469, 1156), (1875, 1547), (2312, 1375), (2594, 1219), (2953, 1312), (781, 1906),
            (406, 2047), (578, 406),
        ),
    ),
)  # fmt: skip


def width_at(picture: NDArray[np.float32], place_px: Points, nm_px: float) -> float:
    """The width in nm of the band on which a place lies; NaN where it has no edge within reach.

    `picture` (height, width) is smoothed grey; `place_px` (2,) is x, y.
    """
    place, width = np.asarray(place_px, dtype=np.float64), float("nan")
    for _ in range(RECENTRED):
        width, middle = _shortest(picture, place, nm_px)
        if not np.isfinite(width):
            return width
        place = middle
    return width


def _shortest(picture: NDArray[np.float32], place: Points, nm_px: float) -> tuple[float, Points]:
    """The shortest way across in nm, and its middle."""
    steps = np.arange(0, REACH_NM / nm_px, 0.5)
    turns = np.arange(36) * np.pi / 36
    way = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    reach = []
    around = cv2.getRectSubPix(picture, (5, 5), (float(place[0]), float(place[1])))
    level = float(np.median(around))
    step = STEP * float(picture.std())
    for sign in (1, -1):
        x = (place[0] + sign * way[:, :1] * steps).astype(np.float32)
        y = (place[1] + sign * way[:, 1:] * steps).astype(np.float32)
        values = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=255)
        out = np.abs(values - level) > step
        reach.append(np.where(out.any(axis=1), steps[out.argmax(axis=1)], np.inf))
    across = reach[0] + reach[1]
    best = int(np.argmin(across))
    if not np.isfinite(across[best]):
        return float("nan"), place
    return float(across[best] * nm_px), place + way[best] * (reach[0][best] - reach[1][best]) / 2


def smoothed(picture: NDArray[np.uint8], nm_px: float) -> NDArray[np.float32]:
    """Grey levels (height, width), smoothed by `SMOOTH_NM`."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    return np.asarray(
        cv2.GaussianBlur(grey.astype(np.float32), (0, 0), max(SMOOTH_NM / nm_px, 0.5)), np.float32
    )


def measured(folder: Path, marked: MarkedMicrograph) -> NDArray[np.float64]:
    """Widths in nm at the places of a micrograph, those that have edges."""
    grey = smoothed(read_picture(folder / marked.file), marked.nm_px)
    found = [width_at(grey, np.array(place), marked.nm_px) for place in marked.places_px]
    return np.array([one for one in found if np.isfinite(one)])


def phantom_widths(folder: Path) -> NDArray[np.float64]:
    """True and measured width in nm (n, 2) of phantom micrographs that show no deposits."""
    pairs = []
    for path in sorted(folder.glob("patient-*/tem-*.json")):
        truth = json.loads(path.read_text())
        if truth["shows_deposits"] or not truth["membrane_px"]:
            continue
        grey = smoothed(read_picture(path.with_suffix(".jpg")), truth["nm_px"])
        found = [width_at(grey, np.array(place), truth["nm_px"]) for place in truth["membrane_px"]]
        known = [one for one in found if np.isfinite(one)]
        if known:
            pairs.append((truth["membrane_nm"]["mean"], float(np.median(known))))
    return np.array(pairs).reshape(-1, 2)


@click.command()
@click.argument("micrographs", type=click.Path(path_type=Path, exists=True))
@click.option("--phantoms", type=click.Path(path_type=Path, exists=True), help="Phantom patients.")
def main(micrographs: Path, phantoms: Path | None) -> None:
    """Measures the membrane's width on scaled micrographs."""
    click.echo("| micrograph | scale | places | median nm | quartiles nm |\n|---|---|---|---|---|")
    for marked in MARKED:
        widths = measured(micrographs, marked)
        low, middle, high = np.percentile(widths, [25, 50, 75])
        name = marked.file.split(".")[0]
        places = f"{len(widths)} of {len(marked.places_px)}"
        click.echo(f"| {name} | {marked.scale} | {places} | {middle:.0f} | {low:.0f} to {high:.0f} |")
    if phantoms is not None:
        pairs = phantom_widths(phantoms)
        true, found = pairs.T
        ratio = found / true
        low, middle, high = np.percentile(ratio, [25, 50, 75])
        click.echo(f"measured over true width on {len(pairs)} phantoms: {middle:.2f}")
        click.echo(
            f"quartiles {low:.2f} to {high:.2f}; correlation {float(np.corrcoef(true, found)[1, 0]):.2f}"
        )


if __name__ == "__main__":
    main()
