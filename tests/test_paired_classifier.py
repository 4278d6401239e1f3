"""Two classifiers as one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from test_tile_calibration import table_in

from datasets.paired_classifier import main
from glomspike.classify.bags import load_bags
from glomspike.classify.infer import tiling_of
from glomspike.classify.model import NETWORKS, NORMALISATION
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.learn.samples import read_samples
from glomspike.networks.models import Model, load_model
from glomspike.networks.weights import Calibration, CardDraft, TrainingData, save_weights

SCALES = {"wide-resnet18": (2.0, -1.0), "lite0": (0.5, 3.0)}


def written(architecture: str, folder: Path, calibrated: bool = True) -> str:
    torch.manual_seed(0)
    scale, offset = SCALES[architecture]
    fitted = Calibration(method="platt", scale=scale, offset=offset, data="tests")
    draft = CardDraft(
        kind="classifier", name=architecture, version="1", architecture=architecture,
        arguments={"tile_px": 50, "stride_px": 25, "coverage": 0.5}, mpp=0.25, input_px=50,
        normalisation=NORMALISATION, classes=("spiked",), thresholds={"spiked": 0.5},
        training_data=(TrainingData(name=architecture, licence="CC0", images=1),), metrics=(),
        intended_use="tests", licence="CC0", tile_calibration=fitted if calibrated else None,
    )  # fmt: skip
    save_weights(NETWORKS[architecture]().state_dict(), draft, folder / architecture, "classifier")
    return str(folder / architecture)


def loaded(path: str | Path) -> Model:
    return load_model("classifier", Path(path), torch.device("cpu"))


def test_a_pair_says_the_mean_of_what_both_say_once_calibrated(tmp_path: Path) -> None:
    table, out = table_in(tmp_path / "table"), tmp_path / "pair"
    weights = [written(architecture, tmp_path) for architecture in SCALES]
    result = CliRunner().invoke(main, [*weights, str(out), str(table)])
    assert result.exit_code == 0, result.output
    pair = loaded(out)
    grid = load_bags(read_samples([table]), 0.25, tiling_of(pair))[0].grid
    each = [
        scale * tile_log_odds(loaded(path).network, grid, NORMALISATION) + offset
        for path, (scale, offset) in zip(weights, SCALES.values(), strict=True)
    ]
    odds = tile_log_odds(pair.network, grid, NORMALISATION)
    assert odds == pytest.approx(np.mean(each, axis=0), abs=2e-2)
    assert [data.name for data in pair.card.training_data] == list(SCALES)
    assert pair.card.tile_calibration is None


def test_a_classifier_without_a_calibration_of_tiles_is_no_half_of_a_pair(tmp_path: Path) -> None:
    weights = [written(architecture, tmp_path, calibrated=False) for architecture in SCALES]
    result = CliRunner().invoke(main, [*weights, str(tmp_path / "pair"), str(table_in(tmp_path / "table"))])
    assert result.exit_code == 2
    assert "has no calibration of tiles: run tile_calibration --card" in " ".join(result.output.split())
