"""MSA-MIL: which tiles a round learns from, and how they are shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from discs import DarkTiles, write_samples

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import SPIKE_TILES
from glomspike.classify.bags import SLACK_UM
from glomspike.classify.evaluate import ScoredBag
from glomspike.classify.method import Verdict
from glomspike.classify.model import NORMALISATION
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.classify.tiles import PAPERS, Tiling, grid_of
from glomspike.classify.train_msa_mil import MilOptions, MilTask
from glomspike.classify.views import view_of, view_side_px
from glomspike.errors import SamplesError
from glomspike.findings import Mpp

OPTIONS = MilOptions(k_pos=2, k_neg=5)
SIDE_PX = 200
BEYOND_PX = PAPERS.tile_px / 2 + SLACK_UM / 0.25  # how far a bag's field reaches beyond the glomerulus


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
    return MilTask([table(tmp_path_factory.mktemp("mil"))], OPTIONS, None, seed=0)


def test_a_round_takes_the_highest_tiles_of_each_bag_and_all_certain_ones(task: MilTask) -> None:
    count = task.begin_epoch(DarkTiles(), 1)
    assert count == len(task.chosen) == 2 * 2 + 2 * 5 + 2
    certain = [instance for instance in task.chosen if instance.certain]
    assert sorted(tuple(i.middle_px) for i in certain) == [
        pytest.approx((30 + 25 + BEYOND_PX, 40 + 25 + BEYOND_PX)),
        pytest.approx((120 + 25 + BEYOND_PX, 100 + 25 + BEYOND_PX)),
    ]
    assert all(i.spiked for i in certain)
    for bag in task.bags:
        own = [i for i in task.chosen if i.bag is bag and not i.certain]
        odds = tile_log_odds(DarkTiles(), bag.grid, NORMALISATION)
        highest = bag.grid.middles_px[np.argsort(-odds, kind="stable")[: len(own)]]
        assert len(own) == (2 if bag.spiked else 5)
        assert {tuple(i.middle_px) for i in own} == set(map(tuple, highest))
        assert all(i.spiked == bag.spiked for i in own)


def test_a_round_is_alike_each_time_and_otherwise_in_the_next_and_with_another_seed(task: MilTask) -> None:
    def order(task: MilTask, epoch: int) -> list[tuple[str, float, float]]:
        task.begin_epoch(DarkTiles(), epoch)
        return [(i.bag.source, *i.middle_px) for i in task.chosen]

    other = MilTask(task.tables, OPTIONS, None, seed=1)
    assert order(task, 1) == order(task, 1)
    assert order(task, 1) != order(task, 2)
    assert order(task, 1) != order(other, 1)
    assert sorted(order(task, 1)) == sorted(order(task, 2)) == sorted(order(other, 1))


def test_a_round_may_score_fewer_bags(task: MilTask) -> None:
    few = MilTask(task.tables, MilOptions(k_pos=1, k_neg=1, bags_per_round=2), None, seed=0)
    assert few.begin_epoch(DarkTiles(), 1) == 2 + len(few.certain)


def test_an_example_is_a_tile_in_its_surroundings_and_the_loss_is_cross_entropy(task: MilTask) -> None:
    task.begin_epoch(DarkTiles(), 1)
    examples = [task.sample(index, np.random.default_rng(index)) for index in range(6)]
    batch = {key: torch.from_numpy(np.stack([e[key] for e in examples])) for key in examples[0]}
    side_px = view_side_px(PAPERS.tile_px)
    assert batch["image"].shape == (6, side_px, side_px, 3)
    assert batch["image"].dtype == torch.uint8
    boxes = torch.cat([torch.arange(6.0)[:, None], batch["box"]], dim=1)
    with torch.no_grad():
        odds = DarkTiles()(NORMALISATION.apply(batch["image"]), boxes).double()
        right = torch.where(batch["spiked"] > 0, odds.sigmoid(), (-odds).sigmoid())
        assert float(task.loss(DarkTiles(), batch)) == pytest.approx(float(-right.log().mean()), rel=1e-4)


@pytest.mark.parametrize("tile_px", [25, 50, 100])
def test_a_view_shows_the_tile_in_its_box_and_nothing_outside_the_outline(
    tile_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glomspike.classify.views.varied", lambda pixels, rng: pixels)
    y, x = np.mgrid[:400, :400]
    inside = np.hypot(x - 200, y - 200) < 150
    spot = np.hypot(x - 260, y - 180) < tile_px / 4
    field = np.where(spot, 250, 90).astype(np.uint8)[..., None].repeat(3, axis=2)
    grid = grid_of(field, inside, inside | True, Tiling(tile_px))
    for seed in range(30):
        pixels, box = view_of(grid, np.array([260.5, 180.5]), np.random.default_rng(seed))
        assert pixels.shape == (view_side_px(tile_px), view_side_px(tile_px), 3)
        assert box.min() >= -0.5
        assert box.max() <= view_side_px(tile_px) + 0.5
        bright = np.argwhere(pixels[..., 0] > 170)[:, ::-1] + 0.5
        assert bright.mean(axis=0) == pytest.approx((box[:2] + box[2:]) / 2, abs=0.7)
        grey = pixels[pixels[..., 0] > 0]
        assert grey.min() >= 89  # no seam of half-black pixels


@pytest.mark.parametrize(
    ("labels", "splits", "split"),
    [("ssnn", "ttvv", "train"), ("snss", "ttvv", "val"), ("snsu", "ttvv", "val")],
)
def test_a_split_without_both_classes_is_refused(
    tmp_path: Path, labels: str, splits: str, split: str
) -> None:
    with pytest.raises(SamplesError, match=f"split {split} does not hold both spiked and normal"):
        MilTask([table(tmp_path, labels, splits)], OPTIONS, None, seed=0)


def test_the_card_keeps_tiles_calibration_and_thresholds(task: MilTask) -> None:
    draft = task.card(task.validate(DarkTiles()))
    assert draft.arguments == {"tile_px": 50, "stride_px": 25, "coverage": 0.5, "k_pos": 2, "k_neg": 5}
    assert draft.calibration is not None
    assert draft.calibration.data == "validation patients"
    assert {metric.name for metric in draft.metrics} == {
        "precision", "recall", "f1", "accuracy", "auc", "log_likelihood"
    }  # fmt: skip
    sensitivities = [draft.thresholds[f"sensitivity_{share}_on_validation"] for share in (90, 95, 99)]
    assert sensitivities == sorted(sensitivities, reverse=True)
    assert draft.thresholds["spiked"] == 0.5


def test_the_card_has_cuts_of_calls_and_a_calibration_of_tiles_where_validation_allows(task: MilTask) -> None:
    across = np.array([[0.0, 100.0], [400.0, 100.0]])
    found = []
    for number in range(12):
        spiked = number % 2 == 0
        bag = replace(
            task.validation[0], spiked=spiked, patient=f"q{number}", stretches_px=(across,) if spiked else ()
        )
        found.append(ScoredBag(bag, Verdict(np.where(bag.spiked_px > 0, 0.8, 0.1), 0.9 if spiked else 0.2)))
    draft = task.card(task.measured(found))
    calls, tiles = draft.call_thresholds, draft.tile_calibration
    assert calls is not None
    assert tiles is not None
    assert (calls.spiked_patients, calls.not_spiked_patients) == (6, 6)
    assert calls.alpha == pytest.approx(1 / 7)
    assert calls.data == "validation patients"
    low, high = tiles.probability(np.array([-2.2, 1.4]))
    assert low < 0.5 < high
    assert "tiles of validation patients" in tiles.data
    assert {"uncertain_share", "wrong_among_called"} < {metric.name for metric in draft.metrics}
