"""Real tissue stained by computation: spikes stand on membranes, and nothing else tells the classes apart."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from contour_spikes import lined, spiked
from silver_like import MPP, main, unmixed

from glomspike.classify.bags import load_bags
from glomspike.classify.tiles import PAPERS
from glomspike.samples import read_samples

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


def test_the_table_has_every_glomerulus_twice_with_boxes_on_its_spikes(tmp_path: Path) -> None:
    crops, field = tmp_path / "pas-crops", tmp_path / "stain-patches"
    for folder in (crops, field):
        folder.mkdir()
        (folder / "licence.txt").write_text("CC0\n")
    mask = np.zeros((200, 200), np.uint8)
    cv2.circle(mask, (100, 100), 95, 255, -1)
    rows = []
    for number, split in enumerate(("train", "train", "val", "test")):
        cv2.imwrite(str(crops / f"{number}.png"), pas_crop())
        cv2.imwrite(str(crops / f"{number}-mask.png"), mask)
        rows.append([f"{number}.png", f"{number}-mask.png", f"slide-{number}", split])
    with (crops / "samples.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "mask", "patient", "split"], *rows])
    cv2.imwrite(str(field / "stain-03.png"), np.full((120, 120, 3), 200, np.uint8))
    (field / "samples.csv").write_text("image,mpp,patient,split\nstain-03.png,0.35,kidney,train\n")
    done = CliRunner().invoke(main, [str(tmp_path), str(tmp_path / "out"), "--crops", "4"])
    assert done.exit_code == 0, done.output
    samples = read_samples([tmp_path / "out" / "pas-as-silver" / "samples.csv"])
    bags = load_bags(samples, MPP, PAPERS)
    assert [bag.spiked for bag in bags] == [False, True] * (len(bags) // 2)
    assert all(len(bag.boxes_px) and len(bag.stretches_px) for bag in bags if bag.spiked)
    assert not any(len(bag.boxes_px) or len(bag.stretches_px) for bag in bags if not bag.spiked)
    truth = json.loads(samples[1].image.with_suffix(".json").read_text())
    assert truth["glomeruli"][0]["spiked"] is True
    (whole,) = read_samples([tmp_path / "out" / "silver-field" / "samples.csv"])
    assert (whole.label, whole.split) == ("normal", "train")
