"""Classifier metrics and their intervals, by scikit-learn and by cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glomspike.metrics import bootstrap, roc
from glomspike.metrics.roc import Estimate, classifier_quality, statistics, threshold_of_sensitivity


def scattered(patients: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels and patients, the scores of a patient alike."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"p{i}" for i in range(patients)], each)
    spiked = np.repeat(np.arange(patients) % 2 == 0, each)
    own = np.repeat(rng.normal(0, 0.25, patients), each)
    return np.clip(0.35 + 0.3 * spiked + own + rng.normal(0, 0.05, patients * each), 0, 1), spiked, names


def test_statistics_of_a_case_worked_out_by_hand() -> None:
    scores = np.array([0.9, 0.6, 0.5, 0.4, 0.2])
    spiked = np.array([True, False, True, True, False])
    measured = statistics(scores, spiked, 0.5)
    assert measured == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "accuracy": 3 / 5, "auc": 4 / 6}
    )


def test_where_nothing_is_called_spiked_precision_is_zero_and_no_warning_is_given(
    recwarn: pytest.WarningsRecorder,
) -> None:
    measured = statistics(np.array([0.1, 0.2]), np.array([False, True]), 0.9)
    assert (measured["precision"], measured["recall"], measured["f1"]) == (0, 0, 0)
    assert measured["auc"] == 1
    assert len(recwarn) == 0


@settings(deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(0, 1)), st.integers(1, 11), st.floats(0.01, 1))
def test_a_threshold_is_the_highest_that_finds_so_many(scores: np.ndarray, n: int, share: float) -> None:
    spiked = np.arange(12) < n
    threshold = threshold_of_sensitivity(scores, spiked, share)
    found = scores[spiked] >= threshold
    assert found.mean() >= share - 1e-9
    assert (scores[spiked] > threshold).mean() < share


def test_intervals_hold_the_value_and_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 200)
    scores, spiked, patients = scattered(12, 5)
    measured = classifier_quality(scores, spiked, patients, 0.5)
    assert measured == classifier_quality(scores, spiked, patients, 0.5)
    for name in roc.STATISTICS:
        estimate: Estimate = getattr(measured, name)
        assert estimate.ci95[0] <= estimate.value <= estimate.ci95[1]
        assert estimate.ci95[0] < estimate.ci95[1]
    assert (measured.n_positive, measured.n_negative, measured.n_patients) == (30, 30, 12)


def test_glomeruli_of_one_patient_are_no_independent_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 200)
    scores, spiked, patients = scattered(10, 8)
    low, high = classifier_quality(scores, spiked, patients, 0.5).accuracy.ci95
    alone = np.array([f"g{i}" for i in range(len(scores))])
    low_alone, high_alone = classifier_quality(scores, spiked, alone, 0.5).accuracy.ci95
    assert high - low > 1.5 * (high_alone - low_alone)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_the_glomeruli_does_not_matter(seed: int) -> None:
    scores, spiked, patients = scattered(6, 3)
    order = np.random.default_rng(seed).permutation(len(scores))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bootstrap, "DRAWS", 30)
        first = classifier_quality(scores, spiked, patients, 0.5)
        second = classifier_quality(scores[order], spiked[order], patients[order], 0.5)
    for name in roc.STATISTICS:
        one, other = getattr(first, name), getattr(second, name)
        assert (one.value, *one.ci95) == pytest.approx((other.value, *other.ci95))


def test_draws_that_lack_a_class_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 50)
    measured = classifier_quality(np.array([0.9, 0.1]), np.array([True, False]), np.array(["a", "b"]), 0.5)
    assert measured.auc == Estimate(1.0, (1.0, 1.0))


def test_one_patient_alone_gives_no_interval() -> None:
    measured = classifier_quality(np.array([0.9, 0.1]), np.array([True, False]), np.array(["a", "a"]), 0.5)
    assert (measured.auc, measured.n_patients) == (Estimate(1.0, None), 1)
