"""MSA-MIL: which tiles a round learns from, and how they are shown."""

from pathlib import Path

import numpy as np
import pytest
import torch
from discs import DarkTiles, write_samples

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import SPIKE_TILES
from glomspike.classify.bags import SLACK_UM
from glomspike.classify.model import NORMALISATION
from glomspike.classify.scores import score_grids
from glomspike.classify.tiles import TILE_PX
from glomspike.classify.train import MilOptions, MilTask, varied
from glomspike.errors import SamplesError
from glomspike.findings import Mpp

OPTIONS = MilOptions(k_pos=2, k_neg=5, bags_per_round=4, tiles_per_bag=1000, passes=1)
SIDE_PX = 200
BEYOND_PX = TILE_PX / 2 + SLACK_UM / 0.25  # how far a bag's field reaches beyond the glomerulus


def picture(seed: int) -> np.ndarray:
    """A ramp: every tile is of another brightness."""
    noise = np.random.default_rng(seed).integers(0, 20, (SIDE_PX, SIDE_PX, 3))
    return (np.linspace(40, 200, SIDE_PX)[None, :, None] + noise).astype(np.uint8)


def rows(labels: str, splits: str) -> list[dict[str, object]]:
    whole = np.ones((SIDE_PX, SIDE_PX), dtype=bool)
    return [
        {
            "image": picture(number), "mpp": 0.25, "mask": whole, "xml": "boxes.xml" if number == 0 else "",
            "label": {"s": "spiked", "n": "normal", "u": "undetermined"}[label], "patient": f"p{number}",
            "split": {"t": "train", "v": "val"}[split],
        }
        for number, (label, split) in enumerate(zip(labels, splits, strict=True))
    ]  # fmt: skip


def table(folder: Path, labels: str = "snsnsn", splits: str = "ttttvv") -> Path:
    boxes = tuple(
        Region(
            RegionType.RECTANGLE, np.array([[x, y], [x + 50, y], [x + 50, y + 50], [x, y + 50]], dtype=float)
        )
        for x, y in ((30, 40), (120, 100))
    )
    path = write_samples(folder, rows(labels, splits))
    write_layers(folder / "boxes.xml", [Layer(SPIKE_TILES.name, SPIKE_TILES.colour, boxes)], Mpp(0.25, 0.25))
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> MilTask:
    return MilTask([table(tmp_path_factory.mktemp("mil"))], OPTIONS, None)


def test_a_round_takes_the_highest_tiles_of_each_bag_and_all_certain_ones(task: MilTask) -> None:
    count = task.begin_epoch(DarkTiles(), 1)
    assert count == len(task.chosen) == 2 * 2 + 2 * 5 + 2
    certain = [instance for instance in task.chosen if instance.certain]
    assert sorted((i.x_px, i.y_px) for i in certain) == [
        pytest.approx((30 + 25 + BEYOND_PX, 40 + 25 + BEYOND_PX)),
        pytest.approx((120 + 25 + BEYOND_PX, 100 + 25 + BEYOND_PX)),
    ]
    assert all(i.spiked for i in certain)
    for bag in task.bags:
        own = [i for i in task.chosen if i.bag is bag and not i.certain]
        scores = score_grids(DarkTiles(), [bag.grid], NORMALISATION)[0]
        highest = bag.grid.corners_px[np.argsort(-scores, kind="stable")[: len(own)]] + TILE_PX / 2
        assert len(own) == (2 if bag.spiked else 5)
        assert {(i.x_px, i.y_px) for i in own} == set(map(tuple, highest.tolist()))
        assert all(i.spiked == bag.spiked for i in own)


def test_rounds_are_shuffled_alike_each_time_and_otherwise_in_the_next(task: MilTask) -> None:
    def order(epoch: int) -> list[tuple[str, float, float]]:
        task.begin_epoch(DarkTiles(), epoch)
        return [(i.bag.source, i.x_px, i.y_px) for i in task.chosen]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2))


def test_passes_show_each_tile_as_often(task: MilTask) -> None:
    once = task.begin_epoch(DarkTiles(), 1)
    thrice = MilTask(task.tables, MilOptions(2, 5, 4, 1000, passes=3), None)
    assert thrice.begin_epoch(DarkTiles(), 1) == 3 * once


def test_certain_tiles_are_moved_about_and_others_are_not(
    task: MilTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glomspike.classify.train.varied", lambda tile, rng: tile)
    task.begin_epoch(DarkTiles(), 1)
    for index, instance in enumerate(task.chosen):
        tiles = [task.sample(index, np.random.default_rng(seed))["image"] for seed in range(4)]
        moved = any((tile != tiles[0]).any() for tile in tiles)
        assert moved == instance.certain
        if not instance.certain:
            assert (tiles[0] == instance.bag.around(instance.x_px, instance.y_px)).all()


def test_an_example_is_a_tile_and_its_label_and_the_loss_is_cross_entropy(task: MilTask) -> None:
    task.begin_epoch(DarkTiles(), 1)
    examples = [task.sample(index, np.random.default_rng(index)) for index in range(6)]
    batch = {key: torch.from_numpy(np.stack([e[key] for e in examples])) for key in examples[0]}
    assert batch["image"].shape == (6, TILE_PX, TILE_PX, 3)
    assert batch["image"].dtype == torch.uint8
    with torch.no_grad():
        odds = DarkTiles()(NORMALISATION.apply(batch["image"]))[:, 0].double()
        right = torch.where(batch["spiked"] > 0, odds.sigmoid(), (-odds).sigmoid())
        assert float(task.loss(DarkTiles(), batch)) == pytest.approx(float(-right.log().mean()), rel=1e-4)


def test_what_is_blank_outside_the_outline_stays_blank() -> None:
    tile = np.full((TILE_PX, TILE_PX, 3), 120, np.uint8)
    tile[:, :20] = 0
    for seed in range(20):
        pixels = varied(tile, np.random.default_rng(seed))
        assert (~pixels.any(axis=2)).sum() >= 20 * TILE_PX
        assert pixels.shape == tile.shape


@pytest.mark.parametrize(
    ("labels", "splits", "split"),
    [("ssnn", "ttvv", "train"), ("snss", "ttvv", "val"), ("snsu", "ttvv", "val")],
)
def test_a_split_without_both_classes_is_refused(
    tmp_path: Path, labels: str, splits: str, split: str
) -> None:
    with pytest.raises(SamplesError, match=f"split {split} does not hold both spiked and normal"):
        MilTask([table(tmp_path, labels, splits)], OPTIONS, None)
