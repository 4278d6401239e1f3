"""Scores made to mean what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from glomspike.metrics.calibration import (
    calibration_error,
    calibration_error_by_chance,
    log_odds,
    platt,
    reliability,
)
from glomspike.networks.weights import Calibration


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 3), st.floats(-3, 3))
def test_a_distortion_of_log_odds_is_found_and_undone(scale: float, offset: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    positive = rng.random(len(true)) < expit(true)
    found_scale, found_offset = platt((true - offset) / scale, positive)
    calibration = Calibration(method="platt", scale=found_scale, offset=found_offset, data="tests")
    probability = calibration.probability((true - offset) / scale)
    assert np.abs(probability - expit(true)).max() < 0.03
    assert calibration_error(probability, positive) < 0.02


def test_classes_without_overlap_have_a_fit_that_keeps_some_doubt() -> None:
    odds, positive = np.array([-6.0, -5, 4, 5]), np.array([False, False, True, True])
    scale, offset = platt(odds, positive)
    probability = expit(scale * odds + offset)
    assert probability[positive].min() > 0.6
    assert probability[~positive].max() < 0.4
    assert np.isfinite([scale, offset]).all()


def test_log_odds_of_certainty_are_finite() -> None:
    assert log_odds(np.array([0, 0.5, 1])) == pytest.approx([-30, 0, 30])


def test_bins_hold_every_case_once() -> None:
    bins = reliability(np.array([0.0, 0.04, 0.31, 1.0]), np.array([False, True, False, True]))
    assert [b.n for b in bins] == [2, 1, 1]
    assert [b.probability for b in bins] == pytest.approx([0.02, 0.31, 1])
    assert [b.positive for b in bins] == [0.5, 0, 1]


@settings(deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(0, 1)), arrays(np.bool_, 12))
def test_calibration_error_is_the_weighted_gap_of_each_bin(scores: np.ndarray, spiked: np.ndarray) -> None:
    gap = 0.0
    for low in range(10):
        top = 2.0 if low == 9 else (low + 1)
        inside = (np.floor(scores * 10) >= low) & ((np.floor(scores * 10) < top) | (low == 9))
        if inside.any():
            gap += inside.mean() * abs(scores[inside].mean() - spiked[inside].mean())
    assert calibration_error(scores, spiked) == pytest.approx(gap, abs=1e-12)


def test_perfect_probabilities_show_an_error_on_few_examples() -> None:
    rng = np.random.default_rng(3)
    few, many = rng.random(40), rng.random(20_000)
    seen = [calibration_error(few, rng.random(40) < few) for _ in range(300)]
    assert calibration_error_by_chance(few) == pytest.approx(np.mean(seen), abs=0.01)
    assert calibration_error_by_chance(few) > 0.08
    assert calibration_error_by_chance(many) < 0.01
