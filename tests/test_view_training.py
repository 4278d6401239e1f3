"""MSA-MIL from views: which of a view's tiles are known, and what is learnt from them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from discs import DarkTiles
from test_mil import table

from glomspike import cli
from glomspike.classify.evaluate import scored
from glomspike.classify.model import NORMALISATION
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.classify.tiles import PAPERS
from glomspike.classify.train_msa_mil import Instance, MilOptions, numbered
from glomspike.classify.train_views import HARDEST, UNKNOWN, ViewTask, corners_in, known_of
from glomspike.classify.views import CONTEXT_PX, view_with
from glomspike.learn.augmentation import mapped
from glomspike.learn.training import Batch
from glomspike.networks.encoders import LITE0, image_encoder
from glomspike.networks.models import load_model
from glomspike.networks.weights import CardDraft, TrainingData, save_weights

VIEW_PX = 160
OPTIONS = MilOptions(k_pos=2, k_neg=3, view_px=VIEW_PX)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> ViewTask:
    return ViewTask([table(tmp_path_factory.mktemp("views"))], OPTIONS, None, seed=0)


def test_the_tiles_of_a_view_lie_as_in_a_bag_and_all_have_surroundings() -> None:
    first = set()
    for seed in range(40):
        corners = corners_in(VIEW_PX, PAPERS, np.random.default_rng(seed))
        assert corners.shape == (9, 2)
        assert corners.min() >= CONTEXT_PX
        assert corners.max() + PAPERS.tile_px + CONTEXT_PX <= VIEW_PX
        assert sorted(set(np.diff(np.unique(corners[:, 0])))) == [PAPERS.stride_px]
        first.add(tuple(corners[0]))
    assert len(first) > 20  # anywhere where there is room
    assert corners_in(96, PAPERS, np.random.default_rng(0)).tolist() == [[CONTEXT_PX, CONTEXT_PX]]


def test_a_round_has_the_boxes_of_the_glomeruli_that_it_scores(task: ViewTask) -> None:
    with_boxes = next(bag for bag in task.bags if len(bag.boxes_px))
    others = [bag for bag in task.bags if bag is not with_boxes]
    assert len(task.certain_in([with_boxes])) == 2
    assert not task.certain_in(others)
    assert task.begin_epoch(DarkTiles(), 1) == 2 * 2 + 2 * 3 + 2


def test_of_a_spiked_glomerulus_with_boxes_only_the_chosen_tile_is_known(task: ViewTask) -> None:
    task.begin_epoch(DarkTiles(), 1)
    for index, tile in enumerate(task.chosen):
        assert isinstance(tile, Instance)
        example = task.sample(index, np.random.default_rng(index))
        assert example["image"].shape == (VIEW_PX, VIEW_PX, 3)
        assert example["box"].shape == (9, 4)
        assert example["spiked"].shape == (9,)
        if tile.spiked:
            assert sorted(example["spiked"]) == [UNKNOWN] * 8 + [1]
        else:
            assert set(example["spiked"]) <= {UNKNOWN, 0}
            assert 0 in example["spiked"]


def test_where_stretches_are_known_every_tile_holds_some_none_or_is_in_doubt(task: ViewTask) -> None:
    bag = next(bag for bag in task.bags if bag.spiked)
    middle = np.array([140.0, 140.0])
    line = np.array([[140.0, 100.0], [140.0, 180.0]])
    known_along = replace(bag, stretches_px=(line,))
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(30):
        corners = corners_in(VIEW_PX, PAPERS, rng)
        view = view_with(bag.grid, middle, np.full(2, VIEW_PX / 2), VIEW_PX, rng)
        known = known_of(known_along, corners, view, PAPERS)
        points = mapped(np.linspace(line[0], line[1], 2000), view.matrix)
        for corner, label in zip(corners, known, strict=True):
            inside = ((points >= corner) & (points < corner + PAPERS.tile_px)).all(axis=1)
            length_px = inside.sum() * np.linalg.norm(points[-1] - points[0]) / 2000
            expected = 1 if length_px > 8.6 else 0 if length_px == 0 else None
            assert label in ({UNKNOWN, expected} if expected is not None else {UNKNOWN, 0, 1})
            seen.add(float(label))
    assert {0.0, 1.0} <= seen


def batch_of(task: ViewTask, spiked: list[list[float]]) -> Batch:
    noise = torch.from_numpy(np.random.default_rng(5).integers(0, 256, (len(spiked), VIEW_PX, VIEW_PX, 3)))
    corners = corners_in(VIEW_PX, PAPERS, np.random.default_rng(0)).astype(np.float32)
    boxes = torch.from_numpy(np.concatenate([corners, corners + 50], axis=1)).repeat(len(spiked), 1, 1)
    return {"image": noise.to(torch.uint8), "box": boxes, "spiked": torch.tensor(spiked)}


def test_the_loss_is_of_tiles_the_hardest_of_those_without_spikes_and_of_views(task: ViewTask) -> None:
    labels = [[1.0, 0, 0, 0, 0, 0, 0, 0, UNKNOWN], [0.0] * 9, [UNKNOWN] * 9]
    batch = batch_of(task, labels)
    with torch.no_grad():
        odds = DarkTiles()(NORMALISATION.apply(batch["image"]), numbered(batch["box"])).double().view(3, 9)
        loss = float(task.loss(DarkTiles(), batch))
    minus_log = {label: -np.log(1 / (1 + np.exp(-np.where(label, 1, -1) * odds.numpy()))) for label in (0, 1)}
    known, spiked = np.array(labels) != UNKNOWN, np.array(labels) == 1
    without = np.sort(minus_log[0][known & ~spiked])[::-1]
    tiles = (minus_log[1][spiked].mean() + without[: 1 + int(HARDEST * len(without))].mean()) / 2
    first = odds.numpy()[0][:8].argmax()
    views = (minus_log[1][0][first] + minus_log[0][1][odds.numpy()[1].argmax()]) / 2
    assert loss == pytest.approx(tiles + views, rel=1e-4)


def test_nothing_known_teaches_nothing(task: ViewTask) -> None:
    assert float(task.loss(DarkTiles(), batch_of(task, [[UNKNOWN] * 9])).detach()) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--view-px", "60"], "--view-px 60: is too narrow for a tile of 50 px"),
        (["--view-px", "160", "--synthetic", "tiles"], "--view-px: needs tissue around each tile"),
        (["--view-px", "160", "--method", "max"], "--view-px: is not for max"),
    ],
)
def test_views_that_cannot_be_are_refused(
    tmp_path: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "classifier", str(table(tmp_path)), "--out", str(tmp_path / "out"), "--from-scratch"]
    with pytest.raises(SystemExit) as end:
        cli.main([*command, *options])
    assert end.value.code == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_training_from_views_is_told_on_the_card(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([
            "train", "classifier", str(table(tmp_path)), "--out", str(tmp_path / "out"), "--from-scratch",
            "--view-px", "160", "--epochs", "1", "--device", "cpu", "--k-neg", "1",
        ])  # fmt: skip
    assert not end.value.code
    card = (tmp_path / "out" / "classifier.json").read_text()
    assert '"view_px": 160' in card
    assert '"wide-resnet18"' in card


def test_a_classifier_takes_the_first_stages_of_an_encoder_of_photographs(tmp_path: Path) -> None:
    encoder = image_encoder(LITE0)
    draft = CardDraft(
        kind="encoder", name="photographs", version="1", architecture=LITE0, arguments={"encoder": LITE0},
        mpp=1, input_px=224, normalisation=NORMALISATION, classes=("photograph",), thresholds={},
        training_data=(TrainingData(name="none", licence="none", images=1),), metrics=(),
        intended_use="tests", licence="none",
    )  # fmt: skip
    state = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    save_weights(state, draft, tmp_path / "photographs", "encoder")
    with pytest.raises(SystemExit) as end:
        cli.main([
            "train", "classifier", str(table(tmp_path)), "--out", str(tmp_path / "out"), "--view-px", "160",
            "--encoder-weights", str(tmp_path / "photographs"), "--epochs", "1", "--device", "cpu",
            "--learning-rate", "1e-9",
        ])  # fmt: skip
    assert not end.value.code
    model = load_model("classifier", tmp_path / "out", torch.device("cpu"))
    assert model.card.architecture == "lite0"
    learnt = model.network.get_parameter("encoder.model.blocks.4.2.conv_pwl.weight")
    assert torch.allclose(learnt, encoder.get_parameter("model.blocks.4.2.conv_pwl.weight"), atol=1e-3)


def test_of_a_glomerulus_with_known_stretches_the_worst_mistakes_of_either_kind_are_shown(
    task: ViewTask,
) -> None:
    spiked = next(bag for bag in task.bags if bag.spiked)
    low, high = spiked.grid.corners_px.min(axis=0), spiked.grid.corners_px.max(axis=0) + PAPERS.tile_px
    # Dark is what the network takes for spikes; they are said to stand in the bright half.
    line = np.array([[0.75 * high[0] + 0.25 * low[0], low[1]], [0.75 * high[0] + 0.25 * low[0], high[1]]])
    known_along = replace(spiked, stretches_px=(line,))
    chosen = task._most_suspicious(DarkTiles(), known_along, np.random.default_rng(0))
    assert len(chosen) == OPTIONS.k_pos
    odds = tile_log_odds(DarkTiles(), spiked.grid, NORMALISATION)
    by_place = {tuple(middle): odd for middle, odd in zip(spiked.grid.middles_px, odds, strict=True)}
    wrong = [-by_place[tuple(t.middle_px)] if t.spiked else by_place[tuple(t.middle_px)] for t in chosen]
    length_px = known_along.spiked_px
    errors = np.where(length_px > 0, -odds, odds)[(length_px >= 8) | (length_px == 0)]
    assert sorted(wrong) == pytest.approx(sorted(errors)[-len(wrong) :])


def test_an_epoch_is_chosen_by_tiles_as_well_as_by_glomeruli(task: ViewTask) -> None:
    found = scored(task.classifier(DarkTiles()), task.validation)
    spiked = next(one for one in found if one.bag.spiked)
    odds = tile_log_odds(DarkTiles(), spiked.bag.grid, NORMALISATION)

    def measured(column: int) -> dict[str, float]:
        """With a line of spikes through the tiles whose corners have this x."""
        x = column + PAPERS.stride_px / 2
        line = np.array([[x, 0.0], [x, spiked.bag.grid.pixels.shape[0]]])
        told = [
            replace(one, bag=replace(one.bag, stretches_px=(line,))) if one is spiked else one
            for one in found
        ]
        return task.measured(told)

    columns = spiked.bag.grid.corners_px[:, 0]
    by_odds = sorted(set(columns.tolist()), key=lambda column: float(odds[columns == column].mean()))
    right, wrong = measured(by_odds[-1]), measured(by_odds[0])
    assert right["tile_auc"] > wrong["tile_auc"]
    assert right[task.quality] > wrong[task.quality]
    assert right["log_likelihood"] == wrong["log_likelihood"]
