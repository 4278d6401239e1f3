"""Real tissue stained by computation: spikes stand on membranes, and nothing else tells the classes apart."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from datasets.contour_spikes import lined, spiked
from datasets.silver_like import MPP, main, photographed, unmixed
from glomspike.classify.bags import load_bags
from glomspike.classify.tiles import PAPERS
from glomspike.learn.samples import read_samples

SIDE = 320


def silver_rings() -> np.ndarray:
    """Closed loops, dark on bright, too large to pass for lumens."""
    y, x = np.mgrid[:SIDE, :SIDE]
    silver = np.zeros((SIDE, SIDE), np.float32)
    silver[np.abs(np.hypot(x - 160, y - 160) - 110) < 3] = 1
    return silver


def pas_crop() -> np.ndarray:
    """Magenta loops and blue nuclei on white, BGR."""
    picture = np.full((200, 200, 3), 240, np.uint8)
    for at in range(30, 180, 30):
        cv2.circle(picture, (at, 100), 14, (150, 40, 190), 3)
        cv2.circle(picture, (at, 150), 5, (130, 60, 60), -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.2)


@pytest.mark.parametrize("seed", range(4))
def test_spikes_stand_on_the_contour_where_they_are_said_to(seed: int) -> None:
    silver, inside = silver_rings(), np.ones((SIDE, SIDE), dtype=bool)
    drawn, stretches, middles = spiked(silver, inside, MPP, np.random.default_rng(seed))
    assert stretches
    assert len(middles) >= 3
    for line in stretches:
        assert np.abs(np.hypot(*(line - 160.5).T) - 110).max() < 6
    rows, columns = np.nonzero(drawn - silver > 0.2)
    apart = np.hypot(columns[:, None] - middles[:, 0], rows[:, None] - middles[:, 1]).min(axis=1)
    assert apart.max() * MPP < 4
    assert (drawn >= silver).all()


def test_a_line_in_their_place_is_as_long_and_even() -> None:
    silver, inside = silver_rings(), np.ones((SIDE, SIDE), dtype=bool)
    drawn = lined(silver, inside, MPP, np.random.default_rng(0))
    new = drawn - silver > 0.2
    assert new.sum() > 50
    y, x = np.mgrid[:SIDE, :SIDE]
    assert np.abs(np.hypot(x - 160, y - 160)[new] - 110).max() * MPP < 5


def test_schiffs_dye_becomes_silver_and_nuclei_do_not() -> None:
    pixels = cv2.resize(pas_crop(), None, fx=3, fy=3)[..., ::-1]
    dyes = unmixed(pixels, np.random.default_rng(0))
    assert dyes.silver[3 * 86, 3 * 90] > dyes.silver[3 * 150, 3 * 90] + 0.3
    assert dyes.nuclei[3 * 150, 3 * 90] > dyes.nuclei[3 * 86, 3 * 90]


def write_public(folder: Path) -> None:
    """A few public pictures, as `public_samples.py` writes them."""
    mask = np.zeros((200, 200), np.uint8)
    cv2.circle(mask, (100, 100), 95, 255, -1)
    for name in ("pas-crops", "pas-crops-sclerosed", "stain-patches"):
        (folder / name).mkdir()
        (folder / name / "licence.txt").write_text("CC0\n")
    for crops in (folder / "pas-crops", folder / "pas-crops-sclerosed"):
        rows = []
        for number, split in enumerate(("train", "train", "val", "test")):
            cv2.imwrite(str(crops / f"{number}.png"), pas_crop())
            cv2.imwrite(str(crops / f"{number}-mask.png"), mask)
            rows.append([f"{number}.png", f"{number}-mask.png", f"slide-{number}", split])
        with (crops / "samples.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["image", "mask", "patient", "split"], *rows])
    field = folder / "stain-patches"
    cv2.imwrite(str(field / "stain-03.png"), np.full((120, 120, 3), 200, np.uint8))
    (field / "samples.csv").write_text("image,mpp,patient,split\nstain-03.png,0.35,kidney,train\n")


def test_every_glomerulus_is_there_twice_with_boxes_on_its_spikes(tmp_path: Path) -> None:
    write_public(tmp_path)
    done = CliRunner().invoke(
        main, [str(tmp_path), str(tmp_path / "out"), "--crops", "4", "--sclerosed", "4"]
    )
    assert done.exit_code == 0, done.output
    samples = read_samples([tmp_path / "out" / "pas-as-silver" / "samples.csv"])
    bags = load_bags(samples, MPP, PAPERS)
    assert [bag.spiked for bag in bags] == [False, True] * (len(bags) // 2)
    assert all(len(bag.boxes_px) and len(bag.stretches_px) for bag in bags if bag.spiked)
    assert not any(len(bag.boxes_px) or len(bag.stretches_px) for bag in bags if not bag.spiked)
    truth = json.loads(samples[1].image.with_suffix(".json").read_text())
    assert truth["glomeruli"][0]["spiked"] is True
    sclerosed = read_samples([tmp_path / "out" / "sclerosed-as-silver" / "samples.csv"])
    assert {sample.label for sample in sclerosed} == {"normal"}
    fields = read_samples([tmp_path / "out" / "silver-field" / "samples.csv"])
    assert {(sample.label, sample.split) for sample in fields} == {("normal", "train")}


def test_boxes_lie_on_spikes_whatever_the_cameras_scale(tmp_path: Path) -> None:
    write_public(tmp_path)
    assert CliRunner().invoke(main, [str(tmp_path), str(tmp_path / "out"), "--seed", "3"]).exit_code == 0
    samples = read_samples([tmp_path / "out" / "pas-as-silver" / "samples.csv"])
    scales = {sample.mpp for sample in samples}
    assert min(scales) >= MPP * 0.99
    assert max(scales) > 1.1 * MPP
    for bag in load_bags([sample for sample in samples if sample.label == "spiked"], MPP, PAPERS):
        spikes_px = np.concatenate(bag.stretches_px)
        apart_px = np.hypot(*(bag.boxes_px[:, None] - spikes_px).transpose(2, 0, 1)).min(axis=1)
        assert apart_px.max() * MPP < 4


def test_a_camera_keeps_the_tissue_in_place_and_its_dark_dark() -> None:
    silver = np.repeat(silver_rings()[..., None], 3, axis=2)
    for seed in range(6):
        taken = photographed(np.exp(-2.0 * silver), MPP, np.random.default_rng(seed))
        assert taken.pixels.shape[0] * taken.mpp == pytest.approx(SIDE * MPP, rel=0.01)
        ring = cv2.resize(silver_rings(), taken.pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        grey = taken.pixels.mean(axis=2)
        assert grey[ring > 0.9].mean() < 0.6 * grey[ring == 0].mean()
