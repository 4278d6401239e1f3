"""The ablation's crops, options and table, without any training."""

import csv
import json

import cv2
import numpy as np
import pytest
from discs import disc_mask

from benchmarks.quality.ablation import SCALES, VARIANTS, options_of, table
from benchmarks.quality.ablation_crops import CROP_PX, TABLES, write_crops
from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import SPIKE_TILES
from glomspike.findings import Mpp
from glomspike.learn.samples import read_samples
from glomspike.learn.truth import load_picture
from glomspike.metrics.roc import STATISTICS

CIRCLE = (300, 260, 120)  # x, y, radius in pixels of a slide of 0.5 µm/px
BOX = (330, 250)


@pytest.fixture
def phantoms(tmp_path):
    """Three patients with one glomerulus each, one of them in every split."""
    mask = disc_mask(600, 500, [CIRCLE])
    rows = []
    for patient, split in (("a", "train"), ("b", "val"), ("c", "test")):
        cv2.imwrite(str(tmp_path / f"{patient}.png"), np.where(mask, 90, 230).astype(np.uint8))
        cv2.imwrite(str(tmp_path / f"{patient}-mask.png"), mask.astype(np.uint8))
        corners = np.array(BOX) + np.array([[-12.5, -12.5], [12.5, -12.5], [12.5, 12.5], [-12.5, 12.5]])
        layer = Layer(SPIKE_TILES.name, SPIKE_TILES.colour, (Region(RegionType.RECTANGLE, corners),))
        write_layers(tmp_path / f"{patient}.xml", [layer], Mpp(0.5, 0.5))
        rows.append(
            [f"{patient}.png", 0.5, f"{patient}-mask.png", f"{patient}.xml", "spiked", patient, split]
        )
    spikes = {
        "number": 1,
        "spiked": True,
        "centre0": CIRCLE[:2],
        "spiked_share": 0.1,
        "spikes_per_100_um": 5.0,
    }
    lines = {"stretches0": [[BOX, [BOX[0] + 10, BOX[1]]], [[5000, 0], [5010, 0]]], "spikes0": [BOX]}
    (tmp_path / "c.json").write_text(json.dumps({"mpp": 0.5, "glomeruli": [spikes | lines]}))
    with (tmp_path / "samples.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "mpp", "mask", "xml", "label", "patient", "split"], *rows])
    return tmp_path


def test_a_glomerulus_lies_in_the_middle_of_its_crop_at_a_quarter_micrometre(phantoms):
    write_crops(phantoms, phantoms / "crops", {"train": 9, "val": 9, "test": 9})
    pictures = [load_picture(sample) for sample in read_samples([phantoms / "crops" / "all.csv"])]
    assert [picture.sample.split for picture in pictures] == ["train", "val", "test"]
    for picture in pictures:
        (glomerulus,) = picture.truth.glomeruli
        assert picture.pixels.shape == (CROP_PX, CROP_PX, 3)
        middle = CROP_PX / 2
        assert (glomerulus.x_px, glomerulus.y_px) == pytest.approx((middle, middle), abs=2)
        assert glomerulus.radius_px == pytest.approx(2 * CIRCLE[2], abs=2)
        (box,) = picture.truth.spike_boxes_px
        offset = 2 * (np.array(BOX) - np.array(CIRCLE[:2]))
        np.testing.assert_allclose(box[:2] + box[2:] / 2 - middle, offset, atol=2)


def test_spikes_are_known_where_they_are_known_of_the_slide(phantoms):
    write_crops(phantoms, phantoms / "crops", {"val": 1, "test": 1})
    without, found = (
        json.loads((phantoms / "crops" / f"{patient}-1.json").read_text())["glomeruli"][0]["stretches0"]
        for patient in "bc"
    )
    assert without == []
    (line,) = np.array(found) - CROP_PX / 2
    offset = 2 * (np.array(BOX) - np.array(CIRCLE[:2]))
    np.testing.assert_allclose(line, [offset, [offset[0] + 20, offset[1]]], atol=2)


def test_without_outlines_a_glomerulus_is_the_whole_crop_and_without_boxes_has_none(phantoms):
    write_crops(phantoms, phantoms / "crops", {"train": 1, "val": 1, "test": 1})
    truth = {
        name: load_picture(read_samples([phantoms / "crops" / f"{name}.csv"])[0]).truth for name in TABLES
    }
    assert truth["no-outlines"].glomeruli[0].radius_px == pytest.approx(CROP_PX / np.sqrt(2), abs=3)
    assert len(truth["no-outlines"].spike_boxes_px) == 1
    assert len(truth["no-boxes"].spike_boxes_px) == 0
    assert truth["no-boxes"].glomeruli[0].radius_px == truth["all"].glomeruli[0].radius_px


def test_no_more_crops_are_made_than_asked_for(phantoms):
    write_crops(phantoms, phantoms / "crops", {"train": 0, "val": 1, "test": 1})
    assert [s.split for s in read_samples([phantoms / "crops" / "all.csv"])] == ["val", "test"]


def test_tiles_are_taken_in_the_ratio_of_the_variant_and_overlap_by_half():
    for variant in VARIANTS:
        if variant.ratio is not None:
            options = options_of(variant, SCALES["small"])
            assert options.k_neg == variant.ratio * options.k_pos
            assert options.tiling.stride_px == variant.tile_px // 2


def test_the_table_tells_each_variant_with_its_interval_and_the_papers_figure(tmp_path):
    for place, variant in enumerate(VARIANTS):
        (tmp_path / variant.folder).mkdir()
        numbers = dict.fromkeys(STATISTICS, place / 10)
        intervals = {f"{name}_ci95": [0.0, 0.95] for name in STATISTICS}
        (tmp_path / variant.folder / "result.json").write_text(json.dumps(numbers | intervals))
    rows = list(table(tmp_path))
    assert len(rows) == 2 + 2 * len(VARIANTS)
    assert len({row.count("|") for row in rows}) == 1
    assert rows[4].startswith("| **tile 25** | 0.100 (0.00–0.95) |")
    assert rows[5] == "| in the paper | 0.853 | 0.853 | 0.853 | 0.857 |  |"
