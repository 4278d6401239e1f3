"""Bags for the classifier: labelled glomeruli as tiles, with the boxes drawn on their spikes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from discs import disc_picture
from pyramids import write_aperio

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import OTHER, SPIKE_TILES, SPIKED
from glomspike.classify.bags import SLACK_UM, Bag, load_bags
from glomspike.classify.tiles import PAPERS
from glomspike.errors import SamplesError
from glomspike.findings import Mpp
from glomspike.learn.samples import Sample

DISCS = [(200.0, 150.0, 90.0), (500.0, 250.0, 110.0)]


def ellipse(x: float, y: float, radius: float) -> Region:
    return Region(RegionType.ELLIPSE, np.array([[x - radius, y - radius], [x + radius, y + radius]]))


def box(x: float, y: float) -> Region:
    corners = np.array([x, y]) + np.array([[-25, -25], [25, -25], [25, 25], [-25, 25]])
    return Region(RegionType.RECTANGLE, corners)


def bags_of(folder: Path, mpp: float, label: object = None, scale: float = 0.25) -> list[Bag]:
    layers = [
        Layer(SPIKED.name, SPIKED.colour, (ellipse(*DISCS[0]),)),
        Layer(OTHER.name, OTHER.colour, (ellipse(*DISCS[1]),)),
        Layer(SPIKE_TILES.name, SPIKE_TILES.colour, (box(170, 120), box(230, 180), box(650, 50))),
    ]
    write_layers(folder / "s.xml", layers, Mpp(scale, scale))
    write_aperio(folder / "s.svs", disc_picture(700, 400, DISCS), mpp=scale)
    row = Sample(folder / "samples.csv", folder / "s.svs", None, None, folder / "s.xml", label, "p", "train")  # type: ignore[arg-type]
    return load_bags([row], mpp, PAPERS)


def test_each_labelled_glomerulus_is_a_bag_with_its_own_boxes(tmp_path: Path) -> None:
    spiked, normal = sorted(bags_of(tmp_path, 0.25), key=lambda bag: not bag.spiked)
    assert (spiked.spiked, normal.spiked) == (True, False)
    assert (len(spiked.boxes_px), len(normal.boxes_px)) == (2, 0)
    assert spiked.patient == "p"
    assert spiked.source == "s.svs at 200, 150"
    # The field begins half a tile beyond the circle and what is taken around it.
    corner0 = np.array([200 - 90, 150 - 90]) - SLACK_UM / 0.25 - PAPERS.tile_px / 2
    assert spiked.boxes_px == pytest.approx(np.array([[170, 120], [230, 180]]) - corner0, abs=0.5)


def test_a_glomerulus_marked_on_white_is_no_bag_but_named(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", np.full((400, 700, 3), 255, np.uint8), mpp=0.25)
    write_layers(
        tmp_path / "s.xml", [Layer(SPIKED.name, SPIKED.colour, (ellipse(*DISCS[0]),))], Mpp(0.25, 0.25)
    )
    row = Sample(tmp_path / "t.csv", tmp_path / "s.svs", None, None, tmp_path / "s.xml", None, "p", "train")
    with pytest.raises(SamplesError, match=r"s\.svs: shows nothing but white at 200, 150"):
        load_bags([row], 0.25, PAPERS)


def test_a_glomerulus_is_seen_with_what_is_just_around_it_and_nothing_beyond(tmp_path: Path) -> None:
    for bag in bags_of(tmp_path, 0.25):
        assert len(bag.grid.corners_px) > 20
        radius_px = (bag.grid.inside.sum() / np.pi) ** 0.5
        assert radius_px == pytest.approx((90 if bag.spiked else 110) + SLACK_UM / 0.25, abs=1.5)
        assert not bag.grid.pixels[~bag.grid.inside].any()
        height, width = bag.grid.inside.shape
        assert bag.grid.pixels[height // 2, width // 2].mean() == pytest.approx(60, abs=13)


def test_bags_are_at_the_scale_that_is_asked_for(tmp_path: Path) -> None:
    fine, coarse = (bags_of(tmp_path, mpp)[0] for mpp in (0.25, 0.5))
    height, width = fine.grid.pixels.shape[:2]
    assert coarse.grid.pixels.shape[:2] == pytest.approx(
        ((height - PAPERS.tile_px) / 2 + PAPERS.tile_px, (width - PAPERS.tile_px) / 2 + PAPERS.tile_px), abs=1
    )


def test_undetermined_glomeruli_are_left_out(tmp_path: Path) -> None:
    assert bags_of(tmp_path, 0.25, label="undetermined") == []


def test_a_picture_with_a_mask_and_a_label_is_a_bag(tmp_path: Path) -> None:
    picture = disc_picture(300, 300, [(150.0, 150.0, 100.0)])
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    cv2.imwrite(str(tmp_path / "m.png"), (picture[..., 0] < 120).astype(np.uint8))
    row = Sample(
        tmp_path / "samples.csv", tmp_path / "a.png", 0.25, tmp_path / "m.png", None, "normal", "p", "test"
    )
    (bag,) = load_bags([row], 0.25, PAPERS)
    assert not bag.spiked
    assert bag.boxes_px.shape == (0, 2)


def test_a_picture_too_coarse_for_spikes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match=r"1\.00 µm/px is too coarse for spikes"):
        bags_of(tmp_path, 0.25, scale=1.0)


def test_the_stretches_that_bear_spikes_go_to_the_glomerulus_they_lie_in(tmp_path: Path) -> None:
    lines = [[[180, 140], [190, 150]], [[505, 250], [520, 260]], [[650, 20], [690, 20]]]
    truth = [{"stretches0": lines[:1]}, {"stretches0": lines[1:]}]
    (tmp_path / "s.json").write_text(json.dumps({"mpp": 0.25, "glomeruli": truth}))
    spiked, normal = sorted(bags_of(tmp_path, 0.25), key=lambda bag: not bag.spiked)
    assert [len(bag.stretches_px) for bag in (spiked, normal)] == [1, 1]
    corner0 = np.array([200 - 90, 150 - 90]) - SLACK_UM / 0.25 - PAPERS.tile_px / 2
    assert spiked.stretches_px[0] == pytest.approx(np.array(lines[0]) - corner0, abs=0.5)


def test_json_of_another_program_is_no_truth(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"version": "5.0", "shapes": []}')
    assert all(bag.stretches_px == () for bag in bags_of(tmp_path, 0.25))


def test_tiles_with_spikes_that_nobody_can_see_are_in_doubt(tmp_path: Path) -> None:
    lines = [[[180, 140], [215, 140]], [[180, 195], [215, 195]]]
    truth = {"mpp": 0.25, "glomeruli": [{"stretches0": lines, "seen": [True, False]}]}
    (tmp_path / "s.json").write_text(json.dumps(truth))
    spiked = next(bag for bag in bags_of(tmp_path, 0.25) if bag.spiked)
    assert [len(lines) for lines in (spiked.stretches_px, spiked.hidden_px)] == [1, 1]
    corners_px, length_px = spiked.grid.corners_px, spiked.spiked_px

    def holding(line_px: np.ndarray) -> np.ndarray:
        middle = line_px.mean(axis=0)
        return ((corners_px < middle - 9) & (corners_px + PAPERS.tile_px > middle + 9)).all(axis=1)

    seen, hidden = holding(spiked.stretches_px[0]), holding(spiked.hidden_px[0])
    assert (length_px[seen] >= 18).all()
    assert np.isnan(length_px[hidden & ~seen & ~(length_px > 0)]).all()
    assert (hidden & np.isnan(length_px)).any()
    assert (length_px == 0).any()
