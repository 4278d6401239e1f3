"""How alike phantoms and real silver stains are, in numbers and side by side.

    python -m benchmarks.quality.phantom_likeness SHARED_DATA OUT [--phantoms 24] [--seed 4000]

SHARED_DATA holds `silver-reference` and `pasm-fields`. Prints a table of what can be measured on both, and
writes sheets to look at: real glomeruli beside phantoms at one scale, and phantoms alone. The real
pictures' µm/px is not known, so that every capsule, real or not, is taken to be 200 µm wide. The sheets
show real images, whose licence is not stated: don't publish them.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from glomspike.findings import RGB, Points
from glomspike.phantom.glomerulus import GlomerulusPlan
from glomspike.phantom.paint import Painter
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.slides import Order, plan_slide
from glomspike.phantom.spikes import Growth
from glomspike.phantom.stain import Stain
from glomspike.phantom.tissue import TissuePlan
from glomspike.slide.reader import read_picture

MPP = 0.35  # everything is compared at this scale
CAPSULE_UM = 200.0
LEAST_PX = 420  # real glomeruli narrower than this were photographed too coarsely to compare
TUFT = 0.72  # the tuft is taken to be the middle of the capsule, this share of its radius
SHEET_ROWS, TILE_PX = 4, 360
GALLERY = 6  # phantom patients on the sheet that shows none but phantoms
# Circles around the capsules of the unlabelled references, in their pixels: x, y, radius.
REFERENCES = {
    "pam-glomerulus.jpg": (547.0, 385.0, 290.0),
    "pasm-glomerulus-1.png": (388.0, 635.0, 290.0),
    "pasm-glomerulus-2.png": (405.0, 370.0, 300.0),
}
BANDS_PER_UM = ((0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.8), (0.8, 1.4))

Mask = NDArray[np.bool_]
Patient = tuple[TissuePlan, Stain, Scanner, np.random.Generator]


@dataclass(frozen=True, eq=False)
class Looks:
    """A glomerulus at `MPP` in the middle of its picture."""

    name: str
    pixels: RGB


@click.command()
@click.argument("shared", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--phantoms", default=24, show_default=True, help="How many phantom patients.")
@click.option("--seed", default=4000, show_default=True, help="Which.")
def main(shared: Path, out: Path, phantoms: int, seed: int) -> None:
    """Measure phantoms against real silver stains, and set them side by side."""
    out.mkdir(parents=True, exist_ok=True)
    real = _references(shared / "silver-reference") + _fields(shared / "pasm-fields")
    made = [_phantom(number, seed) for number in range(1, phantoms + 1)]
    _print_table([_measures(looks) for looks in real], [_measures(looks) for looks in made])
    _write_sheets(out, real, made)
    _write_gallery(out / "phantoms.jpg", seed)
    click.echo(f"{len(real)} real and {len(made)} phantom glomeruli; sheets in {out}")


def _references(folder: Path) -> list[Looks]:
    found = []
    for name, (x, y, radius) in REFERENCES.items():
        found.append(_cut(name, read_picture(folder / name), np.array([x, y]), radius))
    return found


def _fields(folder: Path) -> list[Looks]:
    """The glomeruli of the PASM fields that were outlined and are large enough."""
    found = []
    for path in sorted(folder.glob("*PASM*.json")):
        for shape in json.loads(path.read_text(encoding="utf-8"))["shapes"]:
            polygon = np.array(shape["points"], dtype=np.float32)
            (x, y), radius = cv2.minEnclosingCircle(polygon)
            if 2 * radius > LEAST_PX:
                picture = read_picture(path.with_suffix(".jpg"))
                found.append(_cut(path.stem, picture, np.array([x, y]), radius))
    return found


def _phantom(number: int, seed: int) -> Looks:
    """A normal glomerulus of a phantom patient, as scanned and compressed."""
    patient = plan_slide(Order(number, 1, seed, 0.0))
    glomerulus = patient[0].glomeruli[0]
    centre_um = glomerulus.capsule_um.mean(axis=0)
    radius_um = float(np.linalg.norm(glomerulus.capsule_um - centre_um, axis=1).max())
    picture = scanned(patient, replace(glomerulus, growth=Growth()), centre_um, 1.1 * radius_um)
    middle = np.array(picture.shape[:2]) / 2
    return _cut(f"phantom {number}", picture, middle, radius_um / patient[2].mpp)


def scanned(patient: Patient, glomerulus: GlomerulusPlan, centre_um: Points, half_um: float) -> RGB:
    """A square of a phantom slide with this glomerulus in the place of its first, in the slide's pixels."""
    plan, stain, scanner, _ = patient
    painter = Painter(replace(plan, glomeruli=(glomerulus,)), stain, scanner, seed=1)
    half_px = round(half_um / scanner.mpp)
    corner = np.round(centre_um / scanner.mpp).astype(int) - half_px
    picture = painter.block(int(corner[0]), int(corner[1]), 2 * half_px, 2 * half_px)
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, scanner.quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB), dtype=np.uint8)


def _write_gallery(path: Path, seed: int) -> None:
    """The same places of phantom glomeruli without spikes (above) and with them (below), 70 µm wide."""
    columns = []
    for number in range(1, GALLERY + 1):
        patient = plan_slide(Order(number, 1, seed, 0.0))
        glomerulus = patient[0].glomeruli[0]
        stretches = glomerulus.growth.stretches
        centre_um = max(stretches, key=lambda s: len(s.base_um)).line_um.mean(axis=0)
        pair = [replace(glomerulus, growth=Growth()), glomerulus]
        tiles = [scanned(patient, shown, centre_um, 35.0) for shown in pair]
        columns.append(np.vstack([cv2.resize(t, (280, 280), interpolation=cv2.INTER_CUBIC) for t in tiles]))
    cv2.imwrite(str(path), np.hstack(columns)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def _cut(name: str, picture: RGB, centre_px: Points, radius_px: float) -> Looks:
    """The square around a capsule, brought to the common scale."""
    side = round(CAPSULE_UM / MPP)
    scale = side / (2 * radius_px)
    move = np.array(
        [[scale, 0, side / 2 - scale * centre_px[0]], [0, scale, side / 2 - scale * centre_px[1]]]
    )
    if scale < 1:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.4 / scale), dtype=np.uint8)
    cut = cv2.warpAffine(picture, move, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Looks(name, np.asarray(cut, dtype=np.uint8))


def _measures(looks: Looks) -> dict[str, float]:
    """Numbers by name; brightness is relative to the tuft's lightest tenth."""
    grey = np.asarray(cv2.cvtColor(looks.pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    side = grey.shape[0]
    rows, columns = np.indices(grey.shape) - side / 2
    tuft = np.hypot(rows, columns) < TUFT * side / 2
    light = grey / np.percentile(grey[tuft], 90)
    dark = light < _between(light[tuft])
    found = {
        "ink coverage": float(dark[tuft].mean()),
        "mid-grey share": float(((light > 0.45) & (light < 0.75))[tuft].mean()),
        "darkest, of white": float(np.percentile(light[tuft], 3)),
        "line thickness µm": _thickness_um(dark & tuft),
    }
    areas = _loop_areas_um2(~dark & tuft)
    found |= {f"loop area p{p} µm²": float(np.percentile(areas, p)) for p in (25, 50, 75)}
    found["loops per 1000 µm²"] = 1000 * len(areas) / float(tuft.sum() * MPP**2)
    for (low, high), share in zip(BANDS_PER_UM, _spectrum(light), strict=True):
        found[f"contrast at {low:g}-{high:g} /µm"] = share
    return found


def _between(light: NDArray[np.float32]) -> float:
    """Otsu's threshold between ink and the rest."""
    levels = np.clip(light * 200, 0, 255).astype(np.uint8)
    return float(cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0]) / 200


def _thickness_um(dark: Mask) -> float:
    """Twice the median distance to the edge along the middles of lines."""
    depth = cv2.distanceTransform(dark.astype(np.uint8), cv2.DIST_L2, 5)
    middle = (depth == maximum_filter(depth, size=3)) & (depth > 0)
    return float(2 * np.median(depth[middle]) * MPP)


def _loop_areas_um2(bright: Mask) -> NDArray[np.float64]:
    """Areas of bright places that ink encloses, those of 4 to 2000 µm²."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA] * MPP**2
    kept = areas[(areas > 4) & (areas < 2000)]
    return np.asarray(kept if len(kept) else [0.0], dtype=np.float64)


def _spectrum(light: NDArray[np.float32]) -> list[float]:
    """Contrast (standard deviation) within bands of spatial frequency, over the square within the tuft."""
    half, side = int(0.5 * TUFT * light.shape[0] * np.sqrt(0.5)), light.shape[0]
    square = light[side // 2 - half : side // 2 + half, side // 2 - half : side // 2 + half]
    window = np.hanning(2 * half)[:, None] * np.hanning(2 * half)[None]
    power = np.abs(np.fft.fft2((square - square.mean()) * window)) ** 2 / (window**2).sum()
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(2 * half, MPP)] * 2))
    return [
        float(np.sqrt(power[(frequency >= low) & (frequency < high)].sum() / power.size))
        for low, high in BANDS_PER_UM
    ]


def _print_table(real: list[dict[str, float]], made: list[dict[str, float]]) -> None:
    """Medians and the range of the middle 80 %."""
    click.echo("| | real | phantoms |\n|---|---|---|")
    for name in real[0]:
        cells = []
        for group in (real, made):
            low, middle, high = np.percentile([measured[name] for measured in group], (10, 50, 90))
            cells.append(f"{middle:.3g} ({low:.3g} to {high:.3g})")
        click.echo(f"| {name} | {cells[0]} | {cells[1]} |")


def _write_sheets(out: Path, real: list[Looks], made: list[Looks]) -> None:
    """Sheets of four columns: two of real glomeruli's middles at full zoom, two of phantoms'."""
    for number, start in enumerate(range(0, len(real), 2 * SHEET_ROWS)):
        left = [_middle(looks) for looks in real[start : start + 2 * SHEET_ROWS]]
        right = [_middle(looks) for looks in made[start : start + 2 * SHEET_ROWS]]
        pairs = min(len(left), len(right)) // 2
        rows = [np.hstack(left[2 * i : 2 * i + 2] + right[2 * i : 2 * i + 2]) for i in range(pairs)]
        if rows:
            cv2.imwrite(str(out / f"sheet-{number}.png"), np.vstack(rows)[..., ::-1])


def _middle(looks: Looks) -> RGB:
    start = (looks.pixels.shape[0] - TILE_PX) // 2
    return looks.pixels[start : start + TILE_PX, start : start + TILE_PX]


if __name__ == "__main__":
    main()
