"""How alike phantom patients' micrographs and fluorescence and real ones are, in numbers.

    python -m benchmarks.quality.patient_likeness DATA PHANTOMS [--most 60]

DATA holds the public pictures in `tem` and `if-igg`, PHANTOMS is what `glomspike phantom --patients` made.
Micrographs are brought to one scale first, from an estimated scale where none is stated. Each number is the
median over pictures with the 10th and 90th percentile. Fluorescence grades are held against the brightness of
the whole picture and against brightness that exposure does not change (Spearman's rank correlation).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.quality.membrane_width import MARKED
from glomspike.findings import RGB
from glomspike.slide.reader import read_picture

NM_PX = 22.0  # that micrographs are brought to
ESTIMATED_NM_PX = 12.5  # of tem1 to tem5
BAND_NM = (120.0, 1200.0)  # periods between which the slope of the spectrum is fitted
BAR_SHARE = 0.07  # of a micrograph's height, which a bar may take at the lower edge
IF_WIDTH_PX = 450  # that fluorescence is brought to, a field of about 450 µm
IGG = "IgG*.jpg"  # the public pictures of IgG
Numbers = dict[str, float]


@dataclass(frozen=True)
class GradedPicture:
    """A fluorescence picture with its grade."""

    green: NDArray[np.float32]
    grade: int


def micrograph_numbers(picture: RGB, nm_px: float) -> Numbers:
    """Grey quantiles, spread, grain and the spectrum's slope of a micrograph."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = grey[: round((1 - BAR_SHARE) * len(grey))]
    if nm_px < NM_PX:
        grey = np.asarray(
            cv2.resize(grey, None, fx=nm_px / NM_PX, fy=nm_px / NM_PX, interpolation=cv2.INTER_AREA)
        )
    low, quarter, middle, upper, high = np.percentile(grey, [5, 25, 50, 75, 95])
    return {
        "grey 5 %": low,
        "grey 25 %": quarter,
        "grey 50 %": middle,
        "grey 75 %": upper,
        "grey 95 %": high,
        "standard deviation": float(grey.std()),
        "grain": _grain(grey),
        "slope of the spectrum": _slope(grey),
    }


def _grain(grey: NDArray[np.float32]) -> float:
    """The standard deviation of the flattest tenth of 7 × 7 squares, grey levels."""
    mean, square = (np.asarray(cv2.blur(one, (7, 7))) for one in (grey, grey * grey))
    return float(np.percentile(np.sqrt(np.maximum(square - mean * mean, 0)), 10))


def _slope(grey: NDArray[np.float32]) -> float:
    """By which power the spectrum falls with frequency between the periods of `BAND_NM`."""
    side = min(grey.shape)
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.fft2((grey[:side, :side] - grey.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side, NM_PX), np.fft.fftfreq(side, NM_PX)))
    edges = np.geomspace(1 / BAND_NM[1], 1 / BAND_NM[0], 9)
    level = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(edges)]
    return float(np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(level), 1)[0])


def fluorescence_numbers(picture: RGB) -> Numbers:
    """Quantiles of green, red beside it, the size of what is bright and of its grains."""
    scale = IF_WIDTH_PX / picture.shape[1]
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    red, green, _ = np.moveaxis(small, -1, 0)
    middle, high = np.percentile(green, [50, 99])
    bright = cv2.GaussianBlur(green, (0, 0), 6) > 0.35 * np.percentile(
        cv2.GaussianBlur(green, (0, 0), 6), 99.5
    )
    count, _, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8))
    area = float(stats[1:, cv2.CC_STAT_AREA].max()) if count > 1 else 0.0
    return {
        "green 50 %": middle,
        "green 99 %": high,
        "mean red": float(red.mean()),
        "bright disc, share of width": float(np.sqrt(4 * area / np.pi)) / IF_WIDTH_PX,
        "grain, px of 450": _correlation_px(green * bright),
    }


def _correlation_px(green: NDArray[np.float32]) -> float:
    """Twice the shift at which a picture without its slow parts is half as like itself."""
    fine = green - cv2.GaussianBlur(green, (0, 0), 8)
    power = np.abs(np.fft.fft2(fine)) ** 2
    alike = np.real(np.fft.ifft2(power))[0, :40]
    below = np.flatnonzero(alike < 0.5 * alike[0])
    if not len(below):
        return float("nan")
    at = int(below[0])
    return float(2 * (at - 1 + (alike[at - 1] - 0.5 * alike[0]) / (alike[at - 1] - alike[at])))


def exposure_free(green: NDArray[np.float32]) -> float:
    """Mean brightness of the brightest tenth, relative to the 99.5th percentile: what no exposure changes."""
    return float(
        green[green >= np.percentile(green, 90)].mean() / max(float(np.percentile(green, 99.5)), 1.0)
    )


def real_micrographs(folder: Path) -> Iterable[Numbers]:
    """Numbers of the public micrographs, those of stages left out, whose scales are unknown."""
    for marked in MARKED:
        yield micrograph_numbers(read_picture(folder / marked.file), marked.nm_px)
    for name in ("good2", "okay", "bad"):
        yield micrograph_numbers(read_picture(folder / f"tem_najafian_{name}.png"), 10.0)
    for number in range(1, 6):
        yield micrograph_numbers(read_picture(folder / f"tem{number}.png"), ESTIMATED_NM_PX)


def phantom_micrographs(folder: Path, most: int) -> Iterable[Numbers]:
    """Numbers of phantom micrographs."""
    for path in sorted(folder.glob("patient-*/tem-*.jpg"))[:most]:
        nm_px = json.loads(path.with_suffix(".json").read_text())["nm_px"]
        yield micrograph_numbers(read_picture(path), nm_px)


def real_fluorescence(folder: Path) -> tuple[list[Numbers], list[GradedPicture]]:
    """Numbers and grades of the public pictures of IgG, whose names begin with the grade."""
    return _fluorescence(sorted(folder.glob(IGG)), grade_of)


def grade_of(path: Path) -> int:
    """The grade with which the name of a public picture of IgG begins."""
    return int(path.name[3])


def phantom_fluorescence(folder: Path, most: int) -> tuple[list[Numbers], list[GradedPicture]]:
    """Numbers and grades of phantom pictures in which something binds."""

    def grade(path: Path) -> int:
        return int(json.loads(path.with_suffix(".json").read_text())["grade"])

    paths = [path for path in sorted(folder.glob("patient-*/if-*.jpg")) if grade(path)]
    return _fluorescence(paths[:most], grade)


def _fluorescence(
    paths: Sequence[Path], grade: Callable[[Path], int]
) -> tuple[list[Numbers], list[GradedPicture]]:
    numbers, graded = [], []
    for path in paths:
        picture = read_picture(path)
        numbers.append(fluorescence_numbers(picture))
        graded.append(GradedPicture(picture[::2, ::2, 1].astype(np.float32), grade(path)))
    return numbers, graded


def _compared(title: str, real: list[Numbers], made: list[Numbers]) -> None:
    click.echo(f"| {title} | real ({len(real)}) | phantoms ({len(made)}) |\n|---|---|---|")
    for name in real[0]:
        cells = []
        for numbers in (real, made):
            low, middle, high = np.nanpercentile([one[name] for one in numbers], [10, 50, 90])
            cells.append(f"{middle:.3g} ({low:.3g} to {high:.3g})")
        click.echo(f"| {name} | {' | '.join(cells)} |")


def _grades(title: str, graded: Sequence[GradedPicture]) -> None:
    grades = [one.grade for one in graded]
    whole = [float(np.percentile(one.green, 99)) for one in graded]
    free = [exposure_free(one.green) for one in graded]
    click.echo(
        f"{title}, n = {len(graded)}: rank correlation with the grade: 99th percentile "
        f"{spearmanr(grades, whole).statistic:.2f}, free of exposure {spearmanr(grades, free).statistic:.2f}"
    )


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.option("--most", default=60, show_default=True, type=click.IntRange(1), help="Phantom pictures.")
def main(data: Path, phantoms: Path, most: int) -> None:
    """Holds phantom patients against real pictures."""
    _compared("micrographs", list(real_micrographs(data / "tem")), list(phantom_micrographs(phantoms, most)))
    real, real_graded = real_fluorescence(data / "if-igg")
    made, made_graded = phantom_fluorescence(phantoms, most)
    _compared("fluorescence", real, made)
    _grades("real", real_graded)
    _grades("phantoms", made_graded)


if __name__ == "__main__":
    main()
