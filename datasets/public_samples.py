"""Public annotated kidney tissue as samples folders, one for each source, to train and measure on.

    python -m datasets.public_samples DATA OUT

DATA holds the downloaded sources, a folder each; OUT gets `SOURCE/samples.csv` with pictures, masks,
circles and `licence.txt`. Splits never part a slide. Needs the package `roifile` for ImageJ's outlines.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import roifile
from numpy.typing import NDArray

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import PIXELS, Layer, Region, RegionType
from glomspike.slide.reader import read_picture

Image = NDArray[np.uint8]

CirclePx = tuple[float, float, float]  # centre x, y and radius, in pixels of the picture

# The first field of each slide: they follow one another, and the two slides differ in stain. All fields of
# the first hold glomeruli cut by the border, of several kinds: the harder one is kept for testing.
PAS_FIELD_SLIDES = {10003: "test", 10149: "train"}
# A glomerulus in it is not marked.
PAS_FIELDS_LEFT_OUT = (10165,)
PAS_FIELD_MPP = 0.5
HUBMAP_MPP = 8.0
HUBMAP_SPLITS = {"2f6ecfcdf": "train", "8242609fa": "val"}
# From the scale bar burnt in.
VEGF_MPP = 0.67
# Glomeruli in these fields that no one outlined, mostly cut by the border; circled by eye.
VEGF_UNMARKED: dict[str, tuple[CirclePx, ...]] = {
    "VEGF_C1": (
        (45, 643, 52), (378, 690, 55), (58, 955, 70), (683, 1005, 36), (1125, 262, 50),
    ),
    "VEGF_C2": ((1250, 222, 52), (1847, 256, 40), (66, 1018, 66)),
}  # fmt: skip
# Not stated: at this scale the nuclei of tubules are 7 µm wide.
STAIN_PATCH_MPP = 0.35
# The glomeruli on those that have any, circled by eye.
STAIN_PATCH_GLOMERULI: dict[str, tuple[CirclePx, ...]] = {
    "03": ((406, 55, 112),),
    "32": ((307, 745, 205), (25, 545, 138)),
    "37": ((600, 235, 165), (250, 50, 150), (15, 545, 140)),
}
# The stains trained on; the others are left to measure on.
STAINS_TRAINED_ON = ("01", "02", "03", "13", "32", "38", "40")
STAINS_KEPT = ("14", "16", "37", "39")
# Viewer snapshots carry an overview on the right and a scale bar below: what is left of and above them.
HE_WIDTH_PX, HE_HEIGHT_PX = 1350, 890
HE_SPLITS = {"C001": "train", "C002": "val", "C003": "train", "C004": "test"}
# Slides of crops kept for testing and validation; one of each centre at least.
CROP_SPLITS = {"SESCAM_9_0": "test", "VUHSK_1702": "test", "SESCAM_2_0": "val", "VUHSK_1502": "val"}
# Lesions need more slides to measure on, since many have few sclerosed glomeruli.
LESION_SPLITS = CROP_SPLITS | {
    "SESCAM_6_0": "test", "SESCAM_7_0": "test", "VUHSK_1352": "test", "SESCAM_102": "val",
}  # fmt: skip
LESIONS = {"GS": "globally sclerosed", "nonGS": "not sclerosed"}


@dataclass(frozen=True, eq=False)
class Row:
    """One picture with its mask and drawn glomeruli, and what the table says of it."""

    stem: str
    image: Image
    mask: Image | None
    mpp: float | None
    patient: str
    split: str
    regions: tuple[Region, ...] = ()
    lesion: str | None = None
    # Which of the drawn glomeruli have which lesion, where those of a picture differ.
    lesions: dict[str, tuple[Region, ...]] = field(default_factory=dict)


def pas_fields(folder: Path) -> Iterator[Row]:
    """PAS fields at 0.5 µm/px; masks are red on black."""
    for path in sorted((folder / "images").glob("*.jpg")):
        number = int(path.stem)
        if number in PAS_FIELDS_LEFT_OUT:
            continue
        slide = max(first for first in PAS_FIELD_SLIDES if first <= number)
        marked, split = _binary(folder / "masks" / f"{path.stem}.png"), PAS_FIELD_SLIDES[slide]
        yield Row(path.stem, read_picture(path), marked, PAS_FIELD_MPP, f"pas-{slide}", split)


def hubmap_lowmag(folder: Path) -> Iterator[Row]:
    """PAS fields with glomeruli at one sixteenth of scan scale; masks are 0 and 1."""
    for path in sorted((folder / "images").glob("*.png")):
        mask = _binary(folder / "masks" / path.name)
        if not mask.any():
            continue
        image, slide = _without_filling(read_picture(path)), path.stem.split("_")[0]
        yield Row(path.stem, image, mask, HUBMAP_MPP, slide, HUBMAP_SPLITS[slide])


def he_fields(folder: Path) -> Iterator[Row]:
    """H&E viewer snapshots without what the viewer drew; outlines are GeoJSON in pixels."""
    mpp = _he_scales((folder / "scale.txt").read_text())
    for path in sorted((folder / "images").glob("*.jpg")):
        image = read_picture(path)[:HE_HEIGHT_PX, :HE_WIDTH_PX]
        shapes = json.loads((folder / "annotations" / f"{path.stem}.geojson").read_text())
        mask = np.zeros(image.shape[:2], np.uint8)
        for shape in shapes["features"]:
            rings = shape["geometry"]["coordinates"]
            cv2.fillPoly(mask, [np.array(rings[0], dtype=np.float64).round().astype(np.int32)], 255)
        case = path.stem.split("_")[0]
        yield Row(path.stem, image, mask, mpp[path.stem], f"he-{case}", HE_SPLITS[case])


def vegf_fields(folder: Path) -> Iterator[Row]:
    """Immunostained fields of small glomeruli; outlines are ImageJ's."""
    for path in sorted(folder.glob("*.jpg")):
        image = read_picture(path)
        mask = np.zeros(image.shape[:2], np.uint8)
        outlines = roifile.roiread(folder / f"{path.stem}.rois.zip")
        for outline in outlines if isinstance(outlines, list) else [outlines]:
            cv2.fillPoly(mask, [np.asarray(outline.coordinates()).round().astype(np.int32)], 255)
        yield Row(path.stem, image, mask, VEGF_MPP, "vegf", "train", circled(VEGF_UNMARKED[path.stem]))


def stain_patches(stains: tuple[str, ...], split: str, folder: Path) -> Iterator[Row]:
    """Fields of one kidney in several stains, mostly of tubules."""
    for stain in stains:
        image = read_picture(folder / f"orig_patch_stain_{stain}.jpg")
        nothing = np.zeros(image.shape[:2], np.uint8)
        circles = circled(STAIN_PATCH_GLOMERULI.get(stain, ()))
        yield Row(f"stain-{stain}", image, nothing, STAIN_PATCH_MPP, "stain-patches", split, circles)


def pas_crops(kind: str, folder: Path) -> Iterator[Row]:
    """PAS glomeruli of lost scale, of one kind; the names begin with centre and slide."""
    for path in sorted(folder.glob(f"images/{kind}/*.jpg")):
        mask, slide = _binary(folder / "masks" / f"{path.stem}.png"), path.stem.split("-")[0]
        yield Row(path.stem, read_picture(path), mask, None, slide, CROP_SPLITS.get(slide, "train"))


def pas_lesions(folder: Path) -> Iterator[Row]:
    """The PAS crops of both kinds, with the kind as their lesion and more slides to measure on."""
    for kind, lesion in LESIONS.items():
        for row in pas_crops(kind, folder):
            yield replace(row, split=LESION_SPLITS.get(row.patient, "train"), lesion=lesion)


@dataclass(frozen=True)
class Source:
    """A folder of DATA, how it is read, and its licence."""

    folder: str
    rows: Callable[[Path], Iterator[Row]]
    licence: str


PAS_CROPS_LICENCE = "CC BY 4.0 (images of Bueno et al. 2020), CC BY-NC-SA 4.0 (masks)"
# Each becomes a table; globally sclerosed glomeruli are a separate one, so that trainers see them often.
SOURCES = {
    "pas-fields": Source(
        "pas-fields", pas_fields, "CC BY 4.0 (images of Bueno et al. 2020), Apache-2.0 (masks)"
    ),
    "hubmap-lowmag": Source("hubmap-lowmag", hubmap_lowmag, "MIT"),
    "he-fields": Source("he-fields", he_fields, "MIT"),
    "vegf-fields": Source("vegf-fields", vegf_fields, "MIT"),
    "stain-patches": Source("stain-patches", partial(stain_patches, STAINS_TRAINED_ON, "train"), "MIT"),
    "pas-crops": Source("pas-crops", partial(pas_crops, "nonGS"), PAS_CROPS_LICENCE),
    "pas-crops-sclerosed": Source("pas-crops", partial(pas_crops, "GS"), PAS_CROPS_LICENCE),
    "pas-lesions": Source("pas-crops", pas_lesions, PAS_CROPS_LICENCE),
}


def main(data: Path, out: Path) -> None:
    """Writes the samples folders of all sources that are in `data`."""
    for name, source in SOURCES.items():
        if not (data / source.folder).is_dir():
            print(f"{name}: not there, omitted")
            continue
        count = write_table(out / name, source, data / source.folder)
        print(f"{name}: {count} pictures")


def write_table(folder: Path, source: Source, origin: Path) -> int:
    """Writes the samples folder of one source; gives the number of its pictures."""
    return write_rows(folder, source.rows(origin), source.licence)


def write_rows(folder: Path, rows: Iterable[Row], licence: str) -> int:
    """Writes a samples folder; gives the number of its pictures."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    (folder / "licence.txt").write_text(licence + "\n")
    count = 0
    with (folder / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "mpp", "mask", "xml", "lesion", "patient", "split"])
        for row in rows:
            image, mask = f"images/{row.stem}.png", f"masks/{row.stem}.png"
            cv2.imwrite(str(folder / image), row.image[..., ::-1])
            if row.mask is not None:
                cv2.imwrite(str(folder / mask), row.mask)
            xml = f"{row.stem}.xml"
            if row.regions:
                name = "Outlines" if row.lesions else "Glomeruli"
                drawn = {name: row.regions} | {f"Lesion: {n}": regions for n, regions in row.lesions.items()}
                layers = [Layer(name, (0, 255, 0), regions) for name, regions in drawn.items() if regions]
                write_layers(folder / xml, layers, PIXELS)
            truth = [None if row.mask is None else mask, xml if row.regions else None]
            table.writerow([image, row.mpp, *truth, row.lesion, row.patient, row.split])
            count += 1
    return count


def circled(circles: tuple[CirclePx, ...]) -> tuple[Region, ...]:
    """Circles as ImageScope draws them."""
    boxes = [np.array([[x - r, y - r], [x + r, y + r]], dtype=np.float64) for x, y, r in circles]
    return tuple(Region(RegionType.ELLIPSE, box) for box in boxes)


def _without_filling(image: Image) -> Image:
    """Black where a slide ended becomes the colour of its glass."""
    empty = (image.max(axis=2) < 5)[..., None]
    return np.where(empty, np.percentile(image, 90, axis=(0, 1)), image).astype(np.uint8)


def _binary(path: Path) -> Image:
    """A mask's picture as 0 and 255; JPEG-like haze around red masks is not glomerulus."""
    mask = read_picture(path).max(axis=2)
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
