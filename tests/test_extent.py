"""The extent of spikes against its truth, and the command that fits it with the cuts of calls."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from discs import disc_mask, write_samples
from test_tile_calibration import weights_in

from benchmarks.quality.calls_and_extent import HELD_OUT, main
from glomspike.classify.extent import Membrane, extent_kappa, fitted_no_extent
from glomspike.findings import CallRule
from glomspike.learn.samples import read_samples
from glomspike.networks.weights import read_card

RULE = CallRule(0.5, 0.2, 0.8)


def membrane(true: float, positive: float, probability: float, spiked: bool = True) -> Membrane:
    at = np.arange(100) / 100
    return Membrane(spiked, "p", probability, at < positive, at < true)


@pytest.mark.parametrize(
    ("true", "spiked", "extent"),
    [(0.5, True, "global"), (0.49, True, "segmental"), (0.0, True, "segmental"), (0.0, False, "none")],
)
def test_the_true_extent_is_none_only_without_spikes(true: float, spiked: bool, extent: str) -> None:
    assert membrane(true, 0.3, 0.5, spiked).true_extent == extent


def test_the_cut_parts_uncertain_glomeruli_with_spikes_from_those_without() -> None:
    without = [membrane(0, share, 0.5, spiked=False) for share in (0.0, 0.02, 0.04)]
    known = [*without, *(membrane(0.3, share, 0.5) for share in (0.1, 0.2))]
    cut = fitted_no_extent(known, RULE)
    assert 0.04 < cut <= 0.1
    fitted = CallRule(0.5, 0.2, 0.8, cut)
    assert [one.extent(fitted) for one in known] == [one.true_extent for one in known]


def test_kappa_takes_a_far_miss_more_seriously_than_a_near_one() -> None:
    true = ["none", "segmental", "global"] * 4
    near, far = list(true), list(true)
    near[0], far[0] = "segmental", "global"
    assert extent_kappa(true, true) == 1
    assert 1 > extent_kappa(near, true) > extent_kappa(far, true)


def test_the_command_writes_cuts_and_numbers_into_the_card(tmp_path: Path) -> None:
    mask = disc_mask(200, 200, [(100, 100, 80)])
    noise = np.random.default_rng(0).integers(0, 256, (8, 200, 200, 3)).astype(np.uint8)
    table = write_samples(
        tmp_path / "val",
        [
            {"image": image, "mpp": 0.25, "mask": mask, "label": ("spiked", "normal")[n % 2],
             "patient": f"p{n}", "split": "val"}
            for n, image in enumerate(noise)
        ],
    )  # fmt: skip
    for sample in read_samples([table]):
        if sample.label == "spiked":
            truth = {"glomeruli": [{"stretches0": [[[30, 100], [170, 100]]]}]}
            sample.image.with_suffix(".json").write_text(json.dumps(truth))
    weights = weights_in(tmp_path / "weights")
    tensors = weights.read_bytes()
    for _ in range(2):  # a second run takes the place of the first
        words = [str(table), "--weights", str(weights), "--card"]
        CliRunner().invoke(main, words, catch_exceptions=False)
    card = read_card(weights.with_suffix(".json"))
    assert card.call_thresholds is not None
    assert card.call_thresholds.alpha == pytest.approx(1 / 5)
    assert "8 glomeruli of 8 validation patients (val)" in card.call_thresholds.data
    assert card.extent is not None
    assert [metric.name for metric in card.metrics if HELD_OUT in metric.data] == [
        "uncertain_share", "wrong_among_called"
    ]  # fmt: skip
    assert weights.read_bytes() == tensors
