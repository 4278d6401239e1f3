"""The calibration of single tiles: fitted on validation patients, written into the card alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from discs import disc_mask, write_samples
from scipy.special import logit

from benchmarks.quality.tile_calibration import main
from glomspike.classify.bags import load_bags
from glomspike.classify.model import NETWORKS, NORMALISATION
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.classify.tiles import PAPERS
from glomspike.errors import SamplesError
from glomspike.learn.samples import read_samples
from glomspike.networks.models import load_model
from glomspike.networks.weights import CardDraft, TrainingData, read_card, save_weights

CPU = torch.device("cpu")


def weights_in(folder: Path) -> Path:
    torch.manual_seed(0)
    draft = CardDraft(
        kind="classifier", name="random", version="1", architecture="dense-resnet18",
        arguments={"tile_px": 50, "stride_px": 25, "coverage": 0.5}, mpp=0.25, input_px=50,
        normalisation=NORMALISATION, classes=("spiked",), thresholds={"spiked": 0.5},
        training_data=(TrainingData(name="none", licence="CC0", images=1),), metrics=(),
        intended_use="tests", licence="CC0",
    )  # fmt: skip
    return save_weights(NETWORKS["dense-resnet18"]().state_dict(), draft, folder, "classifier")


def table_in(folder: Path, lines: bool = True, split: str = "val") -> Path:
    """Two glomeruli, of which the spiked one has spikes along a line across; others are for training."""
    mask = disc_mask(300, 300, [(150, 150, 130)])
    noise = np.random.default_rng(0).integers(0, 256, (3, 300, 300, 3)).astype(np.uint8)
    rows = [
        {"image": image, "mpp": 0.25, "mask": mask, "label": label, "patient": f"p{n}", "split": own}
        for n, (image, label, own) in enumerate(
            zip(noise, ("spiked", "normal", "normal"), (split, split, "train"), strict=True)
        )
    ]
    table = write_samples(folder, rows)
    if lines:
        spiked = next(s.image for s in read_samples([table]) if s.label == "spiked")
        truth = {"glomeruli": [{"stretches0": [[[30, 150], [270, 150]]]}]}
        spiked.with_suffix(".json").write_text(json.dumps(truth))
    return table


def run(*words: object) -> str:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False).output


def test_it_is_fitted_to_the_known_tiles_of_validation_and_written_into_the_card_alone(
    tmp_path: Path,
) -> None:
    weights, table = weights_in(tmp_path / "weights"), table_in(tmp_path / "val")
    before, tensors = read_card(weights.with_suffix(".json")), weights.read_bytes()
    run(table, "--weights", weights)
    assert read_card(weights.with_suffix(".json")) == before
    run(table, "--weights", weights, "--card")
    card = read_card(weights.with_suffix(".json"))
    assert weights.read_bytes() == tensors
    assert card.model_dump(exclude={"tile_calibration"}) == before.model_dump(exclude={"tile_calibration"})

    fitted = card.tile_calibration
    assert fitted is not None
    assert "2 glomeruli of 2 validation patients (val)" in fitted.data
    model = load_model("classifier", weights, CPU)
    bags = load_bags([s for s in read_samples([table]) if s.split == "val"], 0.25, PAPERS)
    length_px = np.concatenate([bag.spiked_px for bag in bags])
    odds = np.concatenate([tile_log_odds(model.network, bag.grid, NORMALISATION) for bag in bags])
    known = (length_px >= 8) | (length_px == 0)
    # The likeliest probabilities have the mean of the labels; Platt's targets are a little off 0 and 1.
    mean = fitted.probability(odds[known]).mean()
    assert mean == pytest.approx((length_px[known] >= 8).mean(), abs=0.01)
    assert abs(logit(mean)) > 0.1


def test_without_places_of_spikes_or_validation_patients_it_is_refused(tmp_path: Path) -> None:
    weights = weights_in(tmp_path / "weights")
    with pytest.raises(SamplesError, match="no tiles of both kinds"):
        run(table_in(tmp_path / "unknown", lines=False), "--weights", weights, "--card")
    with pytest.raises(SamplesError, match="split val is empty"):
        run(table_in(tmp_path / "test", split="test"), "--weights", weights, "--card")
    assert read_card(weights.with_suffix(".json")).tile_calibration is None
