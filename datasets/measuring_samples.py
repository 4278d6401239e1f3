"""Kidney tissue that no model is trained on, from other laboratories, as samples folders to measure on.

    python -m datasets.measuring_samples DATA OUT

DATA holds the downloaded sources, a folder each; OUT gets `SOURCE/samples.csv` with pictures, masks or
outlines, all in split "test". Most do not state their scale: it is taken to be that at which the median
glomerulus of the picture, of those that are whole, has a diameter of 200 µm: from what is marked, from no
model.
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from datasets.public_samples import (
    LESIONS,
    STAINS_KEPT,
    STAINS_TRAINED_ON,
    CirclePx,
    Image,
    Row,
    Source,
    circled,
    stain_patches,
    write_table,
)
from glomspike.annotate.layers import Region, RegionType
from glomspike.findings import Mask
from glomspike.slide.reader import read_picture

DIAMETER_UM = 200.0
BORDER_PX = 4
LEAST_AREA_PX = 30.0  # specks of a mask are slips of the hand
# Many capsule masks are of another cut of the same slide than picture and tuft mask: how far right and down
# they have to go, so that capsules hold their tufts; checked by eye on the pictures.
NEPTUNE_SHIFTS_PX: dict[str, tuple[int, int]] = {
    "im_156_0": (-59, 3), "im_174_0": (-67, 36), "im_176_0": (-40, 36), "im_90_0": (-25, -78),
    "im_92_0": (23, 80), "im_98_0": (-94, 24), "im_100_0": (-22, 15),
}  # fmt: skip
NOT_STATED = "not stated; measuring only"
# Circled by eye.
SILVER_GLOMERULI: dict[str, CirclePx] = {
    "pam-glomerulus.jpg": (545, 382, 305),
    "pasm-glomerulus-1.png": (387, 633, 300),
    "pasm-glomerulus-2.png": (397, 367, 350),
}


def pasm_fields(stain: str, folder: Path) -> Iterator[Row]:
    """Microscope fields of one stain that have outlines; those without are unlabelled, not empty."""
    for path in sorted(folder.glob("*.json")):
        case, file_stain = path.stem.split("-")[:2]
        if file_stain != stain:
            continue
        shapes = json.loads(path.read_text())["shapes"]
        outlines = [np.array(shape["points"], dtype=np.float64) for shape in shapes]
        picture = read_picture(path.with_suffix(".jpg"))
        mpp = _scale(outlines, picture)
        regions = tuple(Region(RegionType.POLYGON, outline) for outline in outlines)
        yield Row(path.stem, picture, None, mpp, f"pasm-{case}", "test", regions)


def neptune_fields(stain: str, folder: Path) -> Iterator[Row]:
    """Fields with capsules; those with a tuft alone show the glomerulus of another field once more."""
    for path in sorted(folder.glob(f"{stain}/*_mask_capsule.png")):
        stem = path.stem.removesuffix("_mask_capsule")
        capsule = np.where(read_picture(path).max(axis=2) > 127, 255, 0).astype(np.uint8)
        image, mask = _common(read_picture(path.with_name(f"{stem}.png")), capsule, stem)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        mpp = _scale([c[:, 0] for c in contours if cv2.contourArea(c) > 100], mask)
        yield Row(stem, image, mask, mpp, f"neptune-{stem.split('_')[1]}", "test")


def _common(image: Image, mask: Image, stem: str) -> tuple[Image, Image]:
    """What picture and mask both show, once the mask is where it belongs."""
    right, down = NEPTUNE_SHIFTS_PX.get(stem, (0, 0))
    height, width = mask.shape
    rows, columns = slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right))
    shown = np.roll(mask, (down, right), axis=(0, 1))
    return image[rows, columns], shown[rows, columns]


def silver_reference(folder: Path) -> Iterator[Row]:
    """Single silver-stained glomeruli."""
    for name, circle in SILVER_GLOMERULI.items():
        mpp, stem = round(DIAMETER_UM / (2 * circle[2]), 4), Path(name).stem
        yield Row(stem, read_picture(folder / name), None, mpp, stem, "test", circled((circle,)))


def he_nephrectomy(folder: Path) -> Iterator[Row]:
    """H&E fields of scarred tissue at low power; masks say 128 for normal, 255 for sclerosed."""
    with (folder / "scale.csv").open() as file:
        scales = {row["field"]: float(row["mpp"]) for row in csv.DictReader(file)}
    for path in sorted((folder / "images").glob("*.jpg")):
        marked = read_picture(folder / "masks" / f"{path.stem}.png")[..., 0]
        lesions = {LESIONS[kind]: _drawn(marked == level) for kind, level in (("nonGS", 128), ("GS", 255))}
        regions = tuple(chain.from_iterable(lesions.values()))
        mpp = scales[path.stem]
        yield Row(path.stem, read_picture(path), None, mpp, "nephrectomy", "test", regions, lesions=lesions)


def _drawn(mask: Mask) -> tuple[Region, ...]:
    """The outlines of a mask's regions."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    large = [c[:, 0].astype(np.float64) for c in contours if cv2.contourArea(c) >= LEAST_AREA_PX]
    return tuple(Region(RegionType.POLYGON, outline) for outline in large)


def _scale(outlines_px: Sequence[np.ndarray], picture: Image) -> float:
    """The µm/px that glomeruli of usual size make likely; a cut one counts only where all are cut."""
    whole = [outline for outline in outlines_px if not _is_cut(outline, picture)]
    areas = [cv2.contourArea(outline.astype(np.float32)) for outline in whole or outlines_px]
    return round(DIAMETER_UM / float(2 * np.sqrt(np.median(areas) / np.pi)), 4)


def _is_cut(outline_px: np.ndarray, picture: Image) -> bool:
    end = np.array(picture.shape[1::-1]) - BORDER_PX
    return bool((outline_px < BORDER_PX).any() or (outline_px > end).any())


SOURCES = {
    "he-nephrectomy": Source("he-nephrectomy", he_nephrectomy, NOT_STATED),
    "silver-reference": Source("silver-reference", silver_reference, NOT_STATED),
    **{
        f"neptune-{stain}": Source("neptune-fields", partial(neptune_fields, stain), NOT_STATED)
        for stain in ("he", "pas", "tri", "sil")
    },
    **{
        f"pasm-fields-{stain}": Source("pasm-fields", partial(pasm_fields, stain), NOT_STATED)
        for stain in ("PASM", "PAS", "Masson")
    },
    "stain-patches-kept": Source("stain-patches", partial(stain_patches, STAINS_KEPT, "test"), "MIT"),
    "stain-patches-trained-on": Source(
        "stain-patches", partial(stain_patches, STAINS_TRAINED_ON, "test"), "MIT"
    ),
}


def main(data: Path, out: Path) -> None:
    """Writes the samples folders of all sources."""
    for name, source in SOURCES.items():
        print(f"{name}: {write_table(out / name, source, data / source.folder)} pictures")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
