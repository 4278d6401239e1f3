"""The paper's input made of phantoms: one glomerulus in a square of 1100 px, its outline, boxes and spikes.

`write_crops` writes three tables over the same pictures: `all.csv`; `no-outlines.csv`, in which a glomerulus
is the whole square; and `no-boxes.csv`.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import SPIKE_TILES
from glomspike.findings import Mpp, Points
from glomspike.learn.samples import Sample, Split, in_split, read_samples
from glomspike.learn.truth import TrueGlomerulus, slide_truth
from glomspike.phantom.truth import read_spikes
from glomspike.slide.field import Field, read_field
from glomspike.slide.reader import open_slide

CROP_PX, MPP = 1100, 0.25
BOX_PX = 50
TABLES = ("all", "no-outlines", "no-boxes")

Row = dict[str, str]


def write_crops(phantoms: Path, folder: Path, counts: Mapping[Split, int]) -> None:
    """Writes crops of so many glomeruli of each split, or of all where there are not so many, and the tables.

    `phantoms` is a folder of `glomspike phantom`. Does nothing where the tables are there.
    """
    if all((folder / f"{table}.csv").is_file() for table in TABLES):
        return
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "whole.png"), np.full((CROP_PX, CROP_PX), 255, np.uint8))
    samples = read_samples([phantoms / "samples.csv"])
    rows: list[Row] = []
    for split, count in counts.items():
        made = (row for sample in in_split(samples, split) for row in _crops(sample, folder))
        rows += [row for _, row in zip(range(count), made, strict=False)]
    _write(folder / "all.csv", rows)
    _write(folder / "no-outlines.csv", [row | {"mask": "whole.png"} for row in rows])
    _write(folder / "no-boxes.csv", [row | {"xml": ""} for row in rows])


def _crops(sample: Sample, folder: Path) -> Iterator[Row]:
    """The labelled glomeruli of a slide, each written when it is needed."""
    with open_slide(sample.image, sample.mpp) as slide:
        truth = slide_truth(sample, slide.facts)
        boxes0 = truth.spike_boxes_px[:, :2] + truth.spike_boxes_px[:, 2:] / 2
        stretches0 = _stretches0(sample.image.with_suffix(".json"))
        for number, glomerulus in enumerate(truth.glomeruli, start=1):
            if glomerulus.label in ("spiked", "normal"):
                half0 = CROP_PX / 2 * MPP / np.array([slide.facts.mpp.x, slide.facts.mpp.y])
                x0, y0 = np.array([glomerulus.x_px, glomerulus.y_px]) - half0
                field = read_field(slide, float(x0), float(y0), CROP_PX, CROP_PX, MPP)
                stem = f"{sample.patient}-{number}"
                _write_stretches(folder / f"{stem}.json", field, stretches0)
                yield _crop(folder, stem, field, glomerulus, boxes0) | {
                    "label": glomerulus.label,
                    "patient": sample.patient,
                    "split": sample.split,
                }


def _stretches0(truth: Path) -> list[Points]:
    """The lines (k, 2) along which spikes stand on a slide, as far as they are known."""
    return [line for one in read_spikes(truth) for line in one.stretches0] if truth.is_file() else []


def _write_stretches(path: Path, field: Field, stretches0: list[Points]) -> None:
    """Those of a crop, in its pixels, as the evaluation reads them."""
    lines = [field.frame.from_level0(line) for line in stretches0]
    inside = [line for line in lines if ((line > 0) & (line < CROP_PX)).all(axis=1).any()]
    visible = [line.round(1).tolist() for line in inside]
    path.write_text(json.dumps({"glomeruli": [{"stretches0": visible}]}) + "\n", encoding="utf-8")


def _crop(folder: Path, stem: str, field: Field, glomerulus: TrueGlomerulus, boxes0: Points) -> Row:
    """Writes picture, mask and boxes of one glomerulus, whose middles are `boxes0` (n, 2)."""
    assert glomerulus.outline_px is not None  # phantoms are all outlined
    outline_px = field.frame.from_level0(glomerulus.outline_px)
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    cv2.fillPoly(mask, [np.round(outline_px).astype(np.int32)], 255)
    cv2.imwrite(str(folder / f"{stem}.png"), cv2.cvtColor(field.pixels, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(folder / f"{stem}-mask.png"), mask)
    visible = [
        box
        for box in field.frame.from_level0(boxes0)
        if cv2.pointPolygonTest(outline_px.astype(np.float32), box.tolist(), False) > 0
    ]
    regions = [_box(middle_px) for middle_px in visible]
    if regions:
        layer = Layer(SPIKE_TILES.name, SPIKE_TILES.colour, tuple(regions))
        write_layers(folder / f"{stem}.xml", [layer], Mpp(MPP, MPP))
    xml = f"{stem}.xml" if regions else ""
    return {"image": f"{stem}.png", "mpp": f"{MPP}", "mask": f"{stem}-mask.png", "xml": xml}


def _box(middle_px: Points) -> Region:
    half = BOX_PX / 2
    corners = middle_px + np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    return Region(RegionType.RECTANGLE, corners)


def _write(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
