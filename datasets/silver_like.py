"""Real glomeruli stained by computation: PAS turned into silver, with spikes and without, to train on.

    python -m datasets.silver_like PUBLIC OUT [--crops 600] [--sclerosed 80] [--seed 1]

PUBLIC is what `public_samples.py` wrote. OUT gets three folders with a samples table each. PAS stains the
membranes that silver stains; its dye, read from the picture, becomes silver. Each picture then passes through
the camera of a microscope or another scanner: light, contrast, sampling (0.25 to 0.48 µm/px), noise and JPEG.

- `pas-as-silver`: every glomerulus twice, with spikes drawn into the silver before it is coloured (spiked),
  and as it is or with what a fur may be taken for in their place (normal), so that only spikes tell them
  apart. The scale of the crops is lost and taken to be such that glomeruli measure 120 to 220 µm. Splits are
  by slide.
- `sclerosed-as-silver`: globally sclerosed ones, dense and without a free membrane (normal).
- `silver-field`: the one real silver field that may be trained on, mostly tubules (normal), in several sizes.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from datasets.contour_spikes import Map, Mask, Points, lined, spiked
from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import PIXELS, Layer, Region, RegionType
from glomspike.annotate.marks import SPIKE_TILES
from glomspike.learn.samples import Sample, Split, read_samples
from glomspike.learn.truth import load_picture
from glomspike.slide.mask import read_mask

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Label = Literal["normal", "spiked"]
Row = list[str | None]

MPP = 0.25
DIAMETERS_UM = (120.0, 220.0)
SHARES: dict[Split, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
BOX_UM, BOXES = 12.5, 6
COARSEST_MPP = 0.48
COARSE, DIM = 0.4, 0.35  # shares of pictures sampled more coarsely than drawn, and taken in poor light
GRAINY = 0.4  # share of pictures whose cytoplasm and matrix took up some silver, in grains
FIELDS = 8
NEAR_MISSES = 0.7  # share of normal ones with something drawn along membranes that is no spikes
SILVER_FIELD = "stain-03"

# Optical density of red, green and blue: haematoxylin, and the magenta of Schiff's reagent.
_DYES = np.array([[0.65, 0.70, 0.29], [0.25, 0.92, 0.30]])
_COUNTERSTAINS = np.array([[0.05, 0.55, 0.25], [0.30, 0.30, 0.12], [0.10, 0.15, 0.20]])
_NUCLEI = np.array([[0.8, 1.0, 0.5], [1.1, 0.9, 0.35], [0.4, 0.5, 0.4]])


@dataclass(frozen=True, eq=False)
class Dyes:
    """How much silver, counterstain and nuclear stain is where, each (h, w)."""

    silver: Map
    cytoplasm: Floats
    nuclei: Floats


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture (h, w, 3) as it is stored, its scale, and the JPEG quality it is stored with."""

    pixels: Image
    mpp: float
    quality: int


@click.command()
@click.argument("public", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--crops", default=600, show_default=True, help="How many PAS glomeruli to take.")
@click.option("--sclerosed", default=80, show_default=True, help="How many globally sclerosed ones.")
@click.option("--seed", default=1, show_default=True)
def main(public: Path, out: Path, crops: int, sclerosed: int, seed: int) -> None:
    """Write the tables."""
    _write_crops(public / "pas-crops", out / "pas-as-silver", crops, ("normal", "spiked"), seed)
    _write_crops(public / "pas-crops-sclerosed", out / "sclerosed-as-silver", sclerosed, ("normal",), seed)
    _write_field(_folder(out / "silver-field", public / "stain-patches"), public / "stain-patches", seed)


def _write_crops(origin: Path, folder: Path, crops: int, labels: Sequence[Label], seed: int) -> None:
    """A table of so many of a table's glomeruli, each once with every label."""
    samples = read_samples([origin / "samples.csv"])
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    _folder(folder, origin)
    for split, share in SHARES.items():
        of_split = [sample for sample in samples if sample.split == split]
        for index in rng.permutation(len(of_split))[: round(share * crops)]:
            rows += _in_silver(of_split[index], folder, labels, np.random.default_rng([seed, len(rows)]))
    _write_table(folder, rows)


def _in_silver(sample: Sample, folder: Path, labels: Sequence[Label], rng: np.random.Generator) -> list[Row]:
    """A glomerulus without and with spikes, as far as requested, written; its rows."""
    picture = load_picture(sample)
    assert sample.mask is not None
    mask = read_mask(sample.mask).astype(np.uint8) * 255
    diameter_px = 2 * np.sqrt((mask > 0).sum() / np.pi)
    factor = rng.uniform(*DIAMETERS_UM) / MPP / diameter_px
    size = [round(side * factor) for side in mask.shape[::-1]]
    pixels = np.asarray(cv2.resize(picture.pixels, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 127
    plain = unmixed(pixels, rng)
    silver, stretches, middles = spiked(plain.silver, inside, MPP, rng)
    near_miss = lined(plain.silver, inside, MPP, rng) if rng.random() < NEAR_MISSES else plain.silver
    rows: list[Row] = []
    for label in labels:
        dyes = Dyes(silver if label == "spiked" else near_miss, plain.cytoplasm, plain.nuclei)
        taken, stem = photographed(stained(dyes, rng), MPP, rng), f"{sample.image.stem}-{label}"
        image, mask_name = f"images/{stem}.jpg", f"masks/{stem}.png"
        _write_picture(folder / image, taken)
        shape = taken.pixels.shape[1::-1]
        scaled = cv2.resize(inside.astype(np.uint8) * 255, shape, interpolation=cv2.INTER_AREA) > 127
        cv2.imwrite(str(folder / mask_name), scaled.astype(np.uint8) * 255)
        drawn = (stretches, middles) if label == "spiked" else ([], np.zeros((0, 2)))
        _write_truth(folder / "images" / stem, *drawn, taken.mpp, rng)
        xml = f"images/{stem}.xml"
        rows.append([image, f"{taken.mpp:.4f}", mask_name, xml, label, sample.patient, sample.split])
    return rows


def unmixed(pixels: Image, rng: np.random.Generator) -> Dyes:
    """The dyes of silver-stained tissue of the same structure as PAS-stained pixels at 0.25 µm/px.

    Silver is where Schiff's reagent stands out from its surroundings.
    """
    density = -np.log(np.maximum(pixels.astype(np.float32), 2) / 245)
    amounts = np.maximum(density @ _unmixing(), 0)
    blue, magenta = (amounts[..., i] / max(float(np.percentile(amounts[..., i], 96)), 0.05) for i in (0, 1))
    ridge = gaussian_filter(magenta, 0.25 / MPP) - rng.uniform(0.5, 0.9) * gaussian_filter(magenta, 3 / MPP)
    # Membranes are not quite even, with spikes or without.
    rough = gaussian_filter(rng.standard_normal(ridge.shape), rng.uniform(0.3, 0.8) / MPP)
    ridge += rng.uniform(0, 0.06) * (rough / rough.std()).astype(np.float32)
    threshold = np.quantile(ridge, 1 - rng.uniform(0.12, 0.3))
    silver = 1 / (1 + np.exp(-(ridge - threshold) / rng.uniform(0.02, 0.08)))
    cytoplasm = np.clip(0.6 * gaussian_filter(magenta, 0.3 / MPP) + 0.4 * blue, 0, 1.5)
    if rng.random() < GRAINY:
        grain = gaussian_filter(rng.standard_normal(ridge.shape), rng.uniform(0.15, 0.4) / MPP)
        dusted = rng.uniform(0.15, 0.6) * np.clip(cytoplasm, 0, 1) * np.clip(grain / grain.std(), 0, 2) / 2
        silver = np.maximum(silver, dusted)
    return Dyes(silver.astype(np.float32), cytoplasm, np.clip(blue - 0.35, 0, 1))


def _unmixing() -> NDArray[np.float64]:
    unit = _DYES / np.linalg.norm(_DYES, axis=1, keepdims=True)
    rest = np.cross(unit[0], unit[1])
    return np.asarray(np.linalg.inv(np.stack([*unit, rest / np.linalg.norm(rest)])))


def stained(dyes: Dyes, rng: np.random.Generator) -> Floats:
    """Transmission (h, w, 3) of tissue with such dyes, as some laboratory may have stained it."""
    silver = rng.uniform(1.4, 2.9) * np.array([rng.uniform(0.85, 1.02), 1.03, rng.uniform(0.88, 1.1)])
    counterstain = rng.dirichlet([0.5] * 3) @ _COUNTERSTAINS * rng.uniform(0.1, 1.2)
    nuclei = rng.dirichlet([0.5] * 3) @ _NUCLEI * rng.uniform(0.3, 1.0)
    density = np.multiply.outer(dyes.silver, silver) + np.multiply.outer(dyes.cytoplasm, counterstain)
    density += np.multiply.outer(dyes.nuclei, nuclei)
    return np.asarray(np.exp(-density), dtype=np.float64)


def photographed(transmission: Floats, mpp: float, rng: np.random.Generator) -> Photograph:
    """A transmission (h, w, 3) at a scale, as some microscope's camera or scanner shows it."""
    light = rng.uniform(205, 252) * np.array([1, rng.uniform(0.96, 1), rng.uniform(0.86, 1.02)])
    if rng.random() < DIM:
        light *= rng.uniform(0.55, 1) * np.exp(rng.normal(0, 0.04, 3))
    shown = gaussian_filter(light * transmission, (*[_blur_um(rng) / mpp] * 2, 0))
    shrunk = rng.uniform(1, COARSEST_MPP / mpp) if rng.random() < COARSE else 1.0
    size = [round(side / shrunk) for side in shown.shape[1::-1]]
    shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_AREA), dtype=np.float64)
    shown += rng.uniform(0.5, 5) * gaussian_filter(
        rng.standard_normal(shown.shape), (*[rng.uniform(0, 0.6)] * 2, 0)
    )
    # Cameras deepen or lift the shadows; what falls below black or above white is gone.
    bent = 255 * (np.clip(shown, 0, 255) / 255) ** rng.uniform(0.8, 1.4)
    stored = np.clip((bent - rng.uniform(0, 20)) * rng.uniform(0.95, 1.1), 0, 255).astype(np.uint8)
    return Photograph(stored, mpp * transmission.shape[1] / size[0], int(rng.integers(70, 97)))


def _blur_um(rng: np.random.Generator) -> float:
    """Of a scanner, or of a microscope with oil immersion."""
    return float(rng.uniform(0.15, 0.4) if rng.random() < 0.7 else rng.uniform(0.08, 0.18))


def _write_picture(path: Path, taken: Photograph) -> None:
    cv2.imwrite(str(path), taken.pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, taken.quality])


def _write_truth(
    path: Path, stretches: list[Points], middles: Points, mpp: float, rng: np.random.Generator
) -> None:
    """Boxes on spikes as ImageScope XML, stretches and places of spikes as JSON, both beside the picture.

    What is given is in pixels of the drawing, what is written in those of the picture at `mpp`.
    """
    scale, box_px = MPP / mpp, BOX_UM / MPP
    chosen: list[Points] = []
    for index in rng.permutation(len(middles)):
        if all(np.abs(middles[index] - other).max() > box_px for other in chosen):
            chosen.append(middles[index])
        if len(chosen) == BOXES:
            break
    square = box_px / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    boxes = tuple(Region(RegionType.RECTANGLE, (middle + square) * scale) for middle in chosen)
    write_layers(path.with_suffix(".xml"), [Layer(SPIKE_TILES.name, SPIKE_TILES.colour, boxes)], PIXELS)
    truth = {
        "number": 1,
        "centre0": [0, 0],
        "spiked": bool(stretches),
        "spiked_share": 0,
        "spikes_per_100_um": 0,
        "stretches0": [(line[::5] * scale).round(1).tolist() for line in stretches],
        "spikes0": (middles * scale).round(1).tolist(),
    }
    path.with_suffix(".json").write_text(json.dumps({"mpp": mpp, "glomeruli": [truth]}) + "\n")


def _write_field(folder: Path, origin: Path, seed: int) -> None:
    """The field as if taken through several cameras, some of which say that it is finer or coarser."""
    (sample,) = [s for s in read_samples([origin / "samples.csv"]) if s.image.stem == SILVER_FIELD]
    pixels = load_picture(sample, MPP).pixels
    rows: list[Row] = []
    for number in range(FIELDS):
        rng = np.random.default_rng([seed, number])
        taken = photographed(pixels / 255, MPP, rng)
        image, mask = f"images/field-{number}.jpg", f"masks/field-{number}.png"
        _write_picture(folder / image, taken)
        whole: Mask = np.ones(taken.pixels.shape[:2], dtype=np.bool_)
        cv2.imwrite(str(folder / mask), whole.astype(np.uint8) * 255)
        claimed = f"{taken.mpp * np.exp(rng.uniform(-0.25, 0.15)):.4f}"
        rows.append([image, claimed, mask, None, "normal", sample.patient, "train"])
    _write_table(folder, rows)


def _folder(folder: Path, origin: Path) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "licence.txt").write_text((origin / "licence.txt").read_text())
    return folder


def _write_table(folder: Path, rows: list[Row]) -> None:
    with (folder / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "mpp", "mask", "xml", "label", "patient", "split"])
        table.writerows(rows)


if __name__ == "__main__":
    main()
