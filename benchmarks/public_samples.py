"""Public annotated kidney tissue as samples folders, one for each source, to train and measure on.

    python benchmarks/public_samples.py DATA OUT

DATA holds the downloaded sources, a folder each; OUT gets `SOURCE/samples.csv` with pictures, masks and
`licence.txt`. Splits never part a slide, and neighbouring fields of one slide stay together.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# Field numbers follow the scan order of the slides; these begin groups that neighbour each other.
PAS_FIELD_GROUPS = (10003, 10063, 10102, 10133, 10164, 10177, 10191, 10210)
PAS_FIELD_SPLITS = {10063: "test", 10191: "test", 10133: "val"}
# A glomerulus in it is not marked.
PAS_FIELDS_LEFT_OUT = (10165,)
PAS_FIELD_MPP = 0.5
HUBMAP_MPP = 8.0
VEGF_MPP = 0.67
# Viewer snapshots carry an overview on the right and a scale bar below: what is left of and above them.
HE_WIDTH_PX, HE_HEIGHT_PX = 1350, 890
HE_SPLITS = {"C001": "train", "C002": "val", "C003": "train", "C004": "test"}
# Slides of crops kept for testing and validation; one of each centre at least.
CROP_SPLITS = {"SESCAM_9_0": "test", "VUHSK_1702": "test", "SESCAM_2_0": "val", "VUHSK_1502": "val"}


@dataclass(frozen=True, eq=False)
class Row:
    """One picture with its mask, and what the table says of it."""

    stem: str
    image: Image
    mask: Image
    mpp: float | None
    patient: str
    split: str


def pas_fields(folder: Path) -> Iterator[Row]:
    """PAS fields at 0.5 µm/px; masks are red on black."""
    for path in sorted((folder / "images").glob("*.jpg")):
        number = int(path.stem)
        if number in PAS_FIELDS_LEFT_OUT:
            continue
        group = max(first for first in PAS_FIELD_GROUPS if first <= number)
        mask = cv2.imread(str(folder / "masks" / f"{path.stem}.png"))
        split = PAS_FIELD_SPLITS.get(group, "train")
        yield Row(path.stem, _read(path), _binary(mask.max(axis=2)), PAS_FIELD_MPP, f"pas-{group}", split)


def hubmap_lowmag(folder: Path) -> Iterator[Row]:
    """PAS fields with glomeruli at one sixteenth of scan scale; masks are 0 and 1."""
    for path in sorted((folder / "images").glob("*.png")):
        mask = cv2.imread(str(folder / "masks" / path.name), cv2.IMREAD_GRAYSCALE)
        if not mask.any():
            continue
        yield Row(
            path.stem,
            _without_filling(_read(path)),
            _binary(mask),
            HUBMAP_MPP,
            path.stem.split("_")[0],
            "train",
        )


def he_fields(folder: Path) -> Iterator[Row]:
    """H&E viewer snapshots without what the viewer drew; outlines are GeoJSON in pixels."""
    mpp = _he_scales((folder / "scale.txt").read_text())
    for path in sorted((folder / "images").glob("*.jpg")):
        image = _read(path)[:HE_HEIGHT_PX, :HE_WIDTH_PX]
        shapes = json.loads((folder / "annotations" / f"{path.stem}.geojson").read_text())
        mask = np.zeros(image.shape[:2], np.uint8)
        for shape in shapes["features"]:
            rings = shape["geometry"]["coordinates"]
            cv2.fillPoly(mask, [np.array(rings[0], dtype=np.float64).round().astype(np.int32)], 255)
        case = path.stem.split("_")[0]
        yield Row(path.stem, image, mask, mpp[path.stem], f"he-{case}", HE_SPLITS[case])


def pas_crops(folder: Path) -> Iterator[Row]:
    """PAS glomeruli of lost scale; the names begin with centre and slide."""
    for path in sorted(folder.glob("images/*/*.jpg")):
        mask = cv2.imread(str(folder / "masks" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        slide = path.stem.split("-")[0]
        yield Row(path.stem, _read(path), _binary(mask), None, slide, CROP_SPLITS.get(slide, "train"))


@dataclass(frozen=True)
class Source:
    """A folder of DATA, how it is read, and its licence."""

    rows: Callable[[Path], Iterator[Row]]
    licence: str


SOURCES = {
    "pas-fields": Source(pas_fields, "CC BY 4.0 (images of Bueno et al. 2020), Apache-2.0 (masks)"),
    "hubmap-lowmag": Source(hubmap_lowmag, "MIT"),
    "he-fields": Source(he_fields, "MIT"),
    "pas-crops": Source(pas_crops, "CC BY 4.0 (images of Bueno et al. 2020), CC BY-NC-SA 4.0 (masks)"),
}


def main(data: Path, out: Path) -> None:
    """Writes the samples folders of all sources that are in `data`."""
    for name, source in SOURCES.items():
        if not (data / name).is_dir():
            print(f"{name}: not there, left out")
            continue
        count = _write(out / name, source, data / name)
        print(f"{name}: {count} pictures")


def _write(folder: Path, source: Source, origin: Path) -> int:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    (folder / "licence.txt").write_text(source.licence + "\n")
    count = 0
    with (folder / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "mpp", "mask", "patient", "split"])
        for row in source.rows(origin):
            image, mask = f"images/{row.stem}.png", f"masks/{row.stem}.png"
            cv2.imwrite(str(folder / image), row.image)
            cv2.imwrite(str(folder / mask), row.mask)
            table.writerow([image, "" if row.mpp is None else row.mpp, mask, row.patient, row.split])
            count += 1
    return count


def _read(path: Path) -> Image:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), dtype=np.uint8)


def _without_filling(image: Image) -> Image:
    """Black where a slide ended becomes the colour of its glass."""
    empty = (image.max(axis=2) < 5)[..., None]
    return np.where(empty, np.percentile(image, 90, axis=(0, 1)), image).astype(np.uint8)


def _binary(mask: Image) -> Image:
    """0 and 255; JPEG-like haze around red masks is not glomerulus."""
    level = 127 if mask.max() > 127 else 0
    return np.where(mask > level, 255, 0).astype(np.uint8)


def _he_scales(text: str) -> dict[str, float]:
    """µm/px of each snapshot: lines of `CASE_regionA,B-C LENGTHpx=LENGTHum SCALE`, joined by `|`."""
    scales = {}
    for entry in (part.split() for line in text.splitlines() for part in line.split("|") if "px=" in part):
        names, scale = entry[-3], float(entry[-1])
        case, regions = names.split("_region")
        for item in regions.split(","):
            first, _, last = item.partition("-")
            for number in range(int(first), int(last or first) + 1):
                scales[f"{case}_region{number}"] = scale
    return scales


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
