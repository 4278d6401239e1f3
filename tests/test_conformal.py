"""The bound that conformal prediction gives holds for new patients, whatever their scores are like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from glomspike.classify.calls import call_thresholds
from glomspike.findings import CallRule
from glomspike.metrics.conformal import (
    Cuts,
    call_cuts,
    call_statistics,
    calls_by,
    cuts_of,
    least_alpha,
    patient_quantile,
)


def cohort(rng, patients, spread, per_patient=8):
    """Probabilities, labels and patients of glomeruli that differ from patient to patient, in number too."""
    probability, spiked, whose = [], [], []
    for patient in range(patients):
        count = int(rng.integers(1, per_patient + 1))
        label = rng.random(count) < rng.uniform(0.2, 0.8)
        odds = np.where(label, 1.5, -1.5) + spread * rng.normal() + rng.normal(size=count)
        probability += expit(odds).tolist()
        spiked += label.tolist()
        whose += [f"p{patient}"] * count
    return np.array(probability), np.array(spiked), np.array(whose)


@settings(max_examples=5, deadline=None)
@given(st.sampled_from([19, 30]), st.floats(0, 2), st.sampled_from([0.05, 0.1, 0.2]), st.integers(0, 2**32))
def test_of_a_new_patients_glomeruli_no_more_than_alpha_are_called_wrongly_on_average(
    patients: int, spread: float, alpha: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    missed, false = [], []
    for _ in range(40):
        probability, spiked, whose = cohort(rng, patients, spread)
        bound = max(alpha, least_alpha(whose[spiked]), least_alpha(whose[~spiked]))
        cuts = cuts_of(probability, spiked, whose, bound)
        probability, spiked, whose = cohort(rng, 60, spread)
        missed.append(mean_over_patients(probability < cuts.not_spiked_below, spiked, whose) - bound)
        false.append(mean_over_patients(probability >= cuts.spiked_from, ~spiked, whose) - bound)
    # Some three standard errors of the mean over 40 cohorts.
    assert np.mean(missed) <= 0.03
    assert np.mean(false) <= 0.03


def mean_over_patients(wrong, among, whose):
    """The share of wrong ones among some of a patient's glomeruli, averaged over patients that have any."""
    _, patient = np.unique(whose[among], return_inverse=True)
    return (np.bincount(patient, wrong[among]) / np.bincount(patient)).mean()


@given(st.integers(1, 60), st.floats(0.01, 0.5), st.integers(0, 2**32))
def test_with_too_few_patients_no_score_is_enough(patients: int, alpha: float, seed: int) -> None:
    whose = np.repeat([f"p{n}" for n in range(patients)], 3)
    scores = np.random.default_rng(seed).normal(size=len(whose))
    quantile = patient_quantile(scores, whose, alpha)
    assert np.isinf(quantile) == (alpha < least_alpha(whose) - 1e-9)
    assert np.isinf(quantile) or quantile in scores


def test_a_patient_with_many_glomeruli_weighs_no_more_than_another() -> None:
    whose = np.array(["many"] * 97 + ["a", "b", "c"])
    scores = np.concatenate([np.zeros(97), [1.0, 2.0, 3.0]])
    assert patient_quantile(scores, whose, 0.2) == 3.0  # of 100 equal ones, 97 would be enough
    assert patient_quantile(scores, whose, 0.4) == 2.0


def test_classes_that_overlap_leave_doubt_between_the_cuts_and_those_that_do_not_leave_a_gap() -> None:
    whose = np.array([f"p{n}" for n in range(40)] * 2)
    spiked = np.arange(80) < 40
    overlapping = np.where(spiked, np.linspace(0.3, 1, 80), np.linspace(0, 1.4, 80) - 0.7)
    cuts = cuts_of(overlapping.clip(0, 1), spiked, whose, 0.05)
    assert 0.3 < cuts.not_spiked_below < cuts.spiked_from < 0.7
    apart = np.where(spiked, 0.9, 0.1)
    assert cuts_of(apart, spiked, whose, 0.05) == Cuts(np.nextafter(0.1, 1), 0.9, 0.05)


def test_few_calls_are_wrong_among_those_made_and_no_more_is_left_uncertain_than_that_needs() -> None:
    rng = np.random.default_rng(0)
    probability, spiked, whose = cohort(rng, 400, 1.0)
    cuts = call_cuts(probability, spiked, whose, 0.05)
    assert cuts is not None
    assert cuts.alpha <= 0.05
    new_probability, new_spiked, _ = cohort(rng, 2000, 1.0)
    calls = calls_by(CallRule(0.5, cuts.not_spiked_below, cuts.spiked_from), new_probability)
    told = call_statistics(calls, new_spiked)
    assert told["wrong_among_called"] <= 0.06
    assert 0.1 < told["uncertain_share"] < 0.9
    tighter = cuts_of(probability, spiked, whose, cuts.alpha / 2)
    assert tighter.spiked_from >= cuts.spiked_from
    assert tighter.not_spiked_below <= cuts.not_spiked_below


def test_a_bound_that_keeps_the_target_is_not_tightened() -> None:
    whose = np.repeat([f"p{n}" for n in range(60)], 4)
    spiked = np.tile([True, True, False, False], 60)
    probability = expit(np.where(spiked, 3.0, -3.0) + np.random.default_rng(2).normal(size=240))
    cuts = call_cuts(probability, spiked, whose, 0.05)
    assert cuts == cuts_of(probability, spiked, whose, 0.05)


def test_few_patients_give_a_bound_that_says_so_and_fewer_none() -> None:
    rng = np.random.default_rng(1)
    probability, spiked, whose = cohort(rng, 8, 0.5, per_patient=30)
    fitted = call_thresholds(probability, spiked, whose, "eight patients")
    assert fitted is not None
    assert fitted.alpha == pytest.approx(1 / 9)
    assert (fitted.spiked_patients, fitted.not_spiked_patients, fitted.target) == (8, 8, 0.05)
    wrong = calls_by(CallRule(0.5, fitted.not_spiked_below, fitted.spiked_from), probability)
    assert call_statistics(wrong, spiked)["wrong_among_called"] == 0
    few = np.isin(whose, ["p0", "p1", "p2"])
    assert call_thresholds(probability[few], spiked[few], whose[few], "three") is None
    assert call_thresholds(probability[spiked], spiked[spiked], whose[spiked], "one class") is None


def test_shares_of_no_glomerulus_called_are_defined() -> None:
    told = call_statistics(np.array(["uncertain", "uncertain"]), np.array([True, False]))
    assert told == {"uncertain_share": 1.0, "wrong_among_called": 0.0}
