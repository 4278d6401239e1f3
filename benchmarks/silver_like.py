"""Real glomeruli stained by computation: PAS turned into silver, with spikes and without, to train on.

    python benchmarks/silver_like.py PUBLIC OUT [--crops 200] [--seed 1]

PUBLIC is what `public_samples.py` wrote. OUT gets `pas-as-silver/` and `silver-field/`, each a samples table
at 0.25 µm/px. PAS stains the membranes that silver stains; its dye, read from the picture, becomes silver.

- `pas-as-silver`: every glomerulus twice, with spikes drawn into the silver before it is coloured (spiked),
  and as it is or with even lines in their place (normal), so that only spikes tell them apart. The scale of
  the crops is lost and taken to be such that glomeruli measure 120 to 220 µm. Splits are by slide.
- `silver-field`: the one real silver field that may be trained on, mostly tubules (normal).
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from contour_spikes import Map, Mask, Points, lined, spiked
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import PIXELS, Layer, Region, RegionType
from glomspike.annotate.marks import SPIKE_TILES
from glomspike.samples import Sample, Split, read_samples
from glomspike.truth import load_picture

Image = NDArray[np.uint8]

MPP = 0.25
DIAMETERS_UM = (120.0, 220.0)
SHARES: dict[Split, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
BOX_PX, BOXES = 50, 6
NEAR_MISSES = 0.5  # share of normal ones with lines drawn along membranes
SILVER_FIELD = "stain-03"

# Optical density of red, green and blue: haematoxylin, and the magenta of Schiff's reagent.
_DYES = np.array([[0.65, 0.70, 0.29], [0.25, 0.92, 0.30]])
_COUNTERSTAINS = np.array([[0.05, 0.55, 0.25], [0.30, 0.30, 0.12], [0.10, 0.15, 0.20]])
_NUCLEI = np.array([[0.8, 1.0, 0.5], [1.1, 0.9, 0.35], [0.4, 0.5, 0.4]])


@dataclass(frozen=True, eq=False)
class Dyes:
    """How much silver, counterstain and nuclear stain is where, each (h, w)."""

    silver: Map
    cytoplasm: Map
    nuclei: Map


@click.command()
@click.argument("public", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--crops", default=200, show_default=True, help="How many PAS glomeruli to take.")
@click.option("--seed", default=1, show_default=True)
def main(public: Path, out: Path, crops: int, seed: int) -> None:
    """Write the tables."""
    samples = read_samples([public / "pas-crops" / "samples.csv"])
    rng = np.random.default_rng(seed)
    rows = []
    folder = _folder(out / "pas-as-silver", public / "pas-crops")
    for split, share in SHARES.items():
        of_split = [sample for sample in samples if sample.split == split]
        for index in rng.permutation(len(of_split))[: round(share * crops)]:
            rows += _twice(of_split[index], folder, np.random.default_rng([seed, len(rows)]))
    _write_table(folder, rows)
    _write_field(_folder(out / "silver-field", public / "stain-patches"), public / "stain-patches")


def _twice(sample: Sample, folder: Path, rng: np.random.Generator) -> list[list[object]]:
    """A glomerulus without and with spikes, written; its two rows."""
    picture = load_picture(sample)
    mask = cv2.imread(str(sample.mask), cv2.IMREAD_GRAYSCALE)
    diameter_px = 2 * np.sqrt((mask > 0).sum() / np.pi)
    factor = rng.uniform(*DIAMETERS_UM) / MPP / diameter_px
    size = [round(side * factor) for side in mask.shape[::-1]]
    pixels = cv2.resize(picture.pixels, size, interpolation=cv2.INTER_CUBIC)
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 127
    plain = unmixed(pixels, rng)
    silver, stretches, middles = spiked(plain.silver, inside, MPP, rng)
    stem = sample.image.stem
    cv2.imwrite(str(folder / "masks" / f"{stem}.png"), inside.astype(np.uint8) * 255)
    rows = []
    near_miss = lined(plain.silver, inside, MPP, rng) if rng.random() < NEAR_MISSES else plain.silver
    for label, own in (("normal", near_miss), ("spiked", silver)):
        dyes = Dyes(own, plain.cytoplasm, plain.nuclei)
        name = f"images/{stem}-{label}"
        cv2.imwrite(str(folder / f"{name}.png"), stained(dyes, rng)[..., ::-1])
        lines = stretches if label == "spiked" else []
        _write_truth(folder / name, lines, middles if label == "spiked" else np.zeros((0, 2)), rng)
        mask_name = f"masks/{stem}.png"
        rows.append([f"{name}.png", MPP, mask_name, f"{name}.xml", label, sample.patient, sample.split])
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
    return Dyes(silver.astype(np.float32), cytoplasm, np.clip(blue - 0.35, 0, 1))


def _unmixing() -> NDArray[np.float64]:
    unit = _DYES / np.linalg.norm(_DYES, axis=1, keepdims=True)
    rest = np.cross(unit[0], unit[1])
    return np.asarray(np.linalg.inv(np.stack([*unit, rest / np.linalg.norm(rest)])))


def stained(dyes: Dyes, rng: np.random.Generator) -> Image:
    """A picture (h, w, 3) of dyes, as some laboratory and scanner may show them."""
    light = rng.uniform(205, 252) * np.array([1, rng.uniform(0.96, 1), rng.uniform(0.86, 1.02)])
    silver = rng.uniform(1.4, 2.9) * np.array([rng.uniform(0.85, 1.02), 1.03, rng.uniform(0.88, 1.1)])
    counterstain = rng.dirichlet([0.5] * 3) @ _COUNTERSTAINS * rng.uniform(0.1, 1.2)
    nuclei = rng.dirichlet([0.5] * 3) @ _NUCLEI * rng.uniform(0.3, 1.0)
    density = np.multiply.outer(dyes.silver, silver) + np.multiply.outer(dyes.cytoplasm, counterstain)
    density += np.multiply.outer(dyes.nuclei, nuclei)
    shown = light * np.exp(-density)
    shown = gaussian_filter(shown, (*[rng.uniform(0.15, 0.45) / MPP] * 2, 0))
    shown += rng.uniform(0.5, 4) * rng.standard_normal(shown.shape)
    return np.clip(shown, 0, 255).astype(np.uint8)


def _write_truth(path: Path, stretches: list[Points], middles: Points, rng: np.random.Generator) -> None:
    """Boxes on spikes as ImageScope XML, stretches and places of spikes as JSON, both beside the picture."""
    chosen: list[Points] = []
    for index in rng.permutation(len(middles)):
        if all(np.abs(middles[index] - other).max() > BOX_PX for other in chosen):
            chosen.append(middles[index])
        if len(chosen) == BOXES:
            break
    square = BOX_PX / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    boxes = tuple(Region(RegionType.RECTANGLE, middle + square) for middle in chosen)
    write_layers(path.with_suffix(".xml"), [Layer(SPIKE_TILES.name, SPIKE_TILES.colour, boxes)], PIXELS)
    truth = {
        "number": 1,
        "centre0": [0, 0],
        "spiked": bool(stretches),
        "spiked_share": 0,
        "spikes_per_100_um": 0,
        "stretches0": [line[::5].round(1).tolist() for line in stretches],
        "spikes0": middles.round(1).tolist(),
    }
    path.with_suffix(".json").write_text(json.dumps({"mpp": MPP, "glomeruli": [truth]}) + "\n")


def _write_field(folder: Path, origin: Path) -> None:
    (sample,) = [s for s in read_samples([origin / "samples.csv"]) if s.image.stem == SILVER_FIELD]
    pixels = load_picture(sample, MPP).pixels
    whole: Mask = np.ones(pixels.shape[:2], dtype=np.bool_)
    cv2.imwrite(str(folder / "images" / "field.png"), pixels[..., ::-1])
    cv2.imwrite(str(folder / "masks" / "field.png"), whole.astype(np.uint8) * 255)
    _write_table(
        folder, [["images/field.png", MPP, "masks/field.png", None, "normal", sample.patient, "train"]]
    )


def _folder(folder: Path, origin: Path) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "licence.txt").write_text((origin / "licence.txt").read_text())
    return folder


def _write_table(folder: Path, rows: list[list[object]]) -> None:
    with (folder / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "mpp", "mask", "xml", "label", "patient", "split"])
        table.writerows(rows)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
