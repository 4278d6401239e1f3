"""The mean of two networks, as weights."""

import torch
from click.testing import CliRunner

from datasets.averaged_weights import main
from glomspike.learn.training import NORMALISATION
from glomspike.networks.weights import CardDraft, Metric, TrainingData, load_card, load_state, save_weights


def write(folder, value):
    metric = Metric(name="ap", value=0.5, data="tests", n=1)
    draft = CardDraft(
        kind="detector", name=folder.name, version="1", architecture="CircleNet", arguments={}, mpp=4.0,
        input_px=160, normalisation=NORMALISATION, classes=("glomerulus",), thresholds={"score": 0.2},
        training_data=(TrainingData(name="tests", licence="none", images=1),), metrics=(metric,),
        intended_use="tests", licence="Apache-2.0",
    )  # fmt: skip
    state = {"kernel": torch.full((2, 3), value), "count": torch.tensor(int(value))}
    save_weights(state, draft, folder, "detector")
    return str(folder)


def test_floating_numbers_are_averaged_and_the_card_is_the_seconds_without_metrics(tmp_path):
    first, second = write(tmp_path / "first", 1.0), write(tmp_path / "second", 4.0)
    result = CliRunner().invoke(main, ["detector", first, second, str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    card, path = load_card("detector", tmp_path / "out")
    state = load_state(card, path)
    assert torch.equal(state["kernel"], torch.full((2, 3), 2.5))
    assert int(state["count"]) == 4
    assert card.name == "second"
    assert card.metrics == ()
