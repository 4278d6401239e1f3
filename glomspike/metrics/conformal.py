"""Split conformal prediction for each class by itself, over patients: cuts with a bound on wrong calls.

Vovk, Gammerman and Shafer, "Algorithmic learning in a random world" (2005), who call it Mondrian;
Angelopoulos and Bates, "Conformal prediction: a gentle introduction" (2023). Both want exchangeable examples,
which glomeruli of one patient and of a new patient are not. Patients are. So the glomeruli of a patient share
one weight (Lee, Barber and Willett, "Distribution-free inference with hierarchical data", 2023).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glomspike.findings import Call, CallRule, Scores
from glomspike.metrics.roc import Labels

MOST_ALPHA = 0.2  # a bound above this, of three patients or fewer, says nothing
STEPS = 10  # bounds that are tried
PARTS = 20  # of the patients, by which a bound is tried
_ROUNDING = 1e-9

Patients = NDArray[np.str_]


@dataclass(frozen=True)
class Cuts:
    """Below which probability not spiked is called, from which on spiked, and the bound that this keeps."""

    not_spiked_below: float
    spiked_from: float
    alpha: float


def least_alpha(patients: Patients) -> float:
    """The least bound that calibration on patients (n,) can give: with K of them, 1 / (K + 1)."""
    return 1 / (len(np.unique(patients)) + 1)


def patient_quantile(scores: Scores, patients: Patients, alpha: float) -> float:
    """The score that a glomerulus of a new patient exceeds with a chance of `alpha` at most.

    `scores` (n,) belong to `patients` (n,). Each of K patients has the weight 1 / (K + 1), of which its
    glomeruli have equal parts, and the rest lies at infinity, which is what comes out where `alpha` is less
    than `least_alpha`.
    """
    _, patient, count = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    weights = 1 / ((len(count) + 1) * count[patient[order]])
    reached = np.cumsum(weights) >= 1 - alpha - _ROUNDING
    return float(scores[order][reached.argmax()]) if reached.any() else float("inf")


def cuts_of(probability: Scores, spiked: Labels, patients: Patients, alpha: float) -> Cuts:
    """The cuts by which no more than `alpha` of a new patient's glomeruli of a class get the other's call.

    A glomerulus is called as one class where the other is rejected and it is not. What both classes accept is
    uncertain, and so is what neither does. `alpha` must be `least_alpha` of either class or more.
    """
    lowest = -patient_quantile(-probability[spiked], patients[spiked], alpha)
    highest = patient_quantile(probability[~spiked], patients[~spiked], alpha)
    above = float(np.nextafter(highest, np.inf))
    return Cuts(min(lowest, above), max(lowest, above), alpha)


def call_cuts(probability: Scores, spiked: Labels, patients: Patients, target: float) -> Cuts | None:
    """The cuts that should keep the share of wrong calls among all calls at `target` or less.

    `cuts_of` bounds the share of each class's glomeruli; among those called, it is larger. So the largest
    alpha up to `target` is taken by which no more than `target` of these patients' calls are wrong, where
    each patient is called by cuts of others. With too few patients for that it is the least they can give.
    None where that is more than `MOST_ALPHA`, or one class is missing.
    """
    if spiked.all() or not spiked.any():
        return None
    least = max(least_alpha(patients[spiked]), least_alpha(patients[~spiked]))
    if least > MOST_ALPHA:
        return None
    for alpha in np.linspace(target, least, STEPS).tolist() if least < target else ():
        if _held_out_errors(probability, spiked, patients, alpha) <= target:
            return cuts_of(probability, spiked, patients, alpha)
    return cuts_of(probability, spiked, patients, least)


def _held_out_errors(probability: Scores, spiked: Labels, patients: Patients, alpha: float) -> float:
    """The share of wrong calls among all, each part of the patients called by cuts of the rest; 1 of none."""
    part = np.unique(patients, return_inverse=True)[1] % PARTS
    wrong = called = 0
    for number in np.unique(part):
        rest, those = part != number, part == number
        if spiked[rest].all() or not spiked[rest].any():
            return 1.0
        cuts = cuts_of(probability[rest], spiked[rest], patients[rest], alpha)
        low, high = probability[those] < cuts.not_spiked_below, probability[those] >= cuts.spiked_from
        called += int((low | high).sum())
        wrong += int((low & spiked[those]).sum() + (high & ~spiked[those]).sum())
    return wrong / called if called else 1.0


def call_statistics(calls: NDArray[np.str_], spiked: Labels) -> dict[str, float]:
    """Which share of glomeruli (n,) is uncertain, and which of those called is called wrongly; 0 of none."""
    called = calls != "uncertain"
    wrong = called & ((calls == "spiked") != spiked)
    return {
        "uncertain_share": float((~called).mean()),
        "wrong_among_called": float(wrong.sum() / max(1, called.sum())),
    }


def calls_by(rule: CallRule, probability: Scores) -> NDArray[np.str_]:
    """The call of each probability (n,)."""
    calls: list[Call] = [rule.call(one) for one in probability.tolist()]
    return np.array(calls, dtype=np.str_)
