"""Attention MIL: what is pooled and how, what learns in which epoch, and the commands around it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import Line, learnt, spike_table

from glomspike import cli
from glomspike.classify.attention import AttentionMil
from glomspike.classify.evaluate import evaluate_classifier
from glomspike.classify.infer import METHODS
from glomspike.classify.model import NORMALISATION
from glomspike.classify.pooling import POOLINGS, Evidence, PooledTiles
from glomspike.classify.tiles import TileGrid
from glomspike.classify.train_attention import AttentionOptions, AttentionTask, mirrored
from glomspike.learn.samples import read_samples
from glomspike.metrics import bootstrap
from glomspike.networks.models import load_model
from glomspike.networks.weights import Card
from glomspike.report.evidence import rule_phrase

CPU = torch.device("cpu")
CORNERS = np.array([[0, 0], [20, 0], [40, 0], [0, 20], [20, 20], [40, 20]])


def grid() -> TileGrid:
    """Six tiles of 20 px, each of a grey of its own, in a picture of 60 x 40."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    for number, (x, y) in enumerate(CORNERS):
        pixels[y : y + 20, x : x + 20] = 40 * (number + 1)
    return TileGrid(pixels, np.ones((40, 60), bool), CORNERS, 20, 0)


def evidence(pooling: str, corners: np.ndarray = CORNERS) -> Evidence:
    torch.manual_seed(0)
    network = PooledTiles(pooling).eval()  # type: ignore[arg-type]
    left_top = torch.from_numpy(corners).float()
    boxes = torch.cat([torch.zeros(len(corners), 1), left_top, left_top + 20], dim=1)
    with torch.no_grad():
        found: Evidence = network(NORMALISATION.apply(torch.from_numpy(grid().pixels[None])), boxes)
    return found


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_bag_has_one_answer_whatever_the_order_of_its_tiles(pooling: str) -> None:
    order = [3, 0, 5, 1, 4, 2]
    found, other = evidence(pooling), evidence(pooling, CORNERS[order])
    assert found.bag.shape == (1,)
    assert torch.allclose(found.bag, other.bag, atol=1e-5)
    assert torch.allclose(found.attention[order], other.attention, atol=1e-5)
    assert float(found.attention.sum()) == pytest.approx(1)


@pytest.mark.parametrize("pooling", ["max", "single"])
def test_without_attention_the_highest_tile_decides(pooling: str) -> None:
    found = evidence(pooling)
    assert float(found.bag) == float(found.tiles.max())
    assert int(found.attention.argmax()) == int(found.tiles.argmax())


class OneTileCounts(torch.nn.Module):
    """In the place of the network: even odds, and attention on the third tile alone."""

    def __init__(self) -> None:
        super().__init__()
        self.odds = torch.nn.Parameter(torch.zeros(1))

    def forward(self, picture: torch.Tensor, boxes: torch.Tensor) -> Evidence:
        attention = torch.tensor([0.0, 0.25, 0.5, 0.25, 0.0, 0.0])
        return Evidence(2 * self.odds, torch.zeros(len(boxes)), attention)


def test_the_tile_that_counts_most_carries_the_probability_and_others_their_part() -> None:
    empty = TileGrid(grid().pixels, grid().inside, CORNERS[:0], 20, 3)
    full, none = AttentionMil(OneTileCounts(), NORMALISATION).verdicts([grid(), empty])
    assert full.probability == 0.5
    assert full.tiles.tolist() == [0, 0.25, 0.5, 0.25, 0, 0]
    assert np.isnan(none.probability)
    assert len(none.tiles) == 0


@pytest.mark.parametrize("pooling", ["max", "single"])
def test_where_the_highest_tile_decides_each_carries_the_probability_that_it_would_decide(
    pooling: str,
) -> None:
    torch.manual_seed(0)
    network = PooledTiles(pooling).eval()  # type: ignore[arg-type]
    (verdict,) = METHODS[pooling](network, NORMALISATION).verdicts([grid()])
    assert verdict.tiles == pytest.approx(torch.sigmoid(evidence(pooling).tiles).numpy(), abs=1e-6)
    assert verdict.probability == verdict.tiles.max()
    assert (
        rule_phrase(Card.model_construct(architecture=pooling)) == "comes from its most suspicious tile alone"
    )


@pytest.mark.parametrize("seed", range(12))
def test_tiles_keep_their_pixels_when_a_glomerulus_is_turned_and_mirrored(seed: int) -> None:
    pixels, boxes = mirrored(grid(), np.random.default_rng(seed))
    for number, (left, top, right, bottom) in enumerate(boxes[:, 1:].astype(int)):
        assert (right - left, bottom - top) == (20, 20)
        assert (pixels[top:bottom, left:right] == 40 * (number + 1)).all()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spike_table(tmp_path_factory.mktemp("glomeruli"))


@pytest.mark.parametrize(
    ("pooling", "auxiliary", "shares"),
    [("attention", True, [0.5, 0.25]), ("attention", False, [0, 0]), ("single", True, [1, 1])],
)
def test_tiles_learn_on_their_own_ever_less(
    pooling: str, auxiliary: bool, shares: list[float], table: Path
) -> None:
    task = AttentionTask([table], AttentionOptions(pooling, auxiliary), None, 0)  # type: ignore[arg-type]
    network = task.network()
    found = []
    for epoch in (1, 2):
        assert task.begin_epoch(network, epoch) == 4
        found.append(task.auxiliary_share)
    assert found == shares


def typed(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def test_the_command_trains_a_method_that_is_evaluated_and_goes_on_learning_as_itself(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 20)
    options = [table, "--epochs", 1, "--device", "cpu"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert typed("train", "classifier", *options, "--method", "attention", "--out", first) == 0
    trained = load_model("classifier", first, CPU)
    assert (trained.card.architecture, trained.card.arguments["auxiliary"]) == ("attention", True)
    found = evaluate_classifier(read_samples([table]), trained, None, lambda *_: None)
    assert found.numbers["n_positive"] == 4
    again = ["--weights", first, "--out", second]
    assert typed("train", "classifier", *options, *again) == 2
    assert "are of the method attention; give --method attention" in capsys.readouterr().err
    assert typed("train", "classifier", *options, *again, "--method", "attention") == 0


def test_options_of_msa_mil_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["t.csv", "--out", "o", "--method", "max", "--k-neg", 3]
    assert typed("train", "classifier", *options) == 2
    assert "--k-neg: is not for max" in capsys.readouterr().err


def test_a_training_ends_once_its_loss_stays_small(tmp_path: Path) -> None:
    learnt(Line(), tmp_path / "enough", epochs=9, enough_loss=float("inf"))
    learnt(Line(), tmp_path / "never", epochs=9, enough_loss=0.0)
    rows = [
        len((tmp_path / name / "metrics.csv").read_text().splitlines()) - 1 for name in ("enough", "never")
    ]
    assert rows == [5, 9]
