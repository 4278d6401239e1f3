"""The cuts of a classifier's three calls, fitted to glomeruli of validation patients."""

import numpy as np
from numpy.typing import NDArray

from glomspike.findings import CallRule, Scores
from glomspike.metrics.conformal import Patients, call_cuts, calls_by
from glomspike.metrics.roc import Labels
from glomspike.networks.weights import CallThresholds

TARGET = 0.05  # share of wrong calls among all calls that is aimed at


def call_thresholds(
    probability: Scores, spiked: Labels, patients: Patients, data: str
) -> CallThresholds | None:
    """The thresholds for a card, of glomeruli (n,) that belong to patients; `data` says which, in few words.

    None where there are too few patients of either class for a bound that says anything.
    """
    cuts = call_cuts(probability, spiked, patients, TARGET)
    if cuts is None:
        return None
    return CallThresholds(
        not_spiked_below=min(1.0, max(0.0, cuts.not_spiked_below)),
        spiked_from=cuts.spiked_from,
        alpha=cuts.alpha,
        target=TARGET,
        spiked_patients=len(np.unique(patients[spiked])),
        not_spiked_patients=len(np.unique(patients[~spiked])),
        data=data,
    )


def held_out_calls(probability: Scores, spiked: Labels, patients: Patients) -> NDArray[np.str_]:
    """The call of each glomerulus (n,) by cuts that were fitted to the other patients."""
    calls = np.full(len(probability), "not spiked")
    for patient in np.unique(patients):
        of_it, others = patients == patient, patients != patient
        cuts = call_cuts(probability[others], spiked[others], patients[others], TARGET)
        if cuts is None:
            calls[of_it] = "uncertain"
        else:
            rule = CallRule(0.5, cuts.not_spiked_below, cuts.spiked_from)
            calls[of_it] = calls_by(rule, probability[of_it])
    return calls
