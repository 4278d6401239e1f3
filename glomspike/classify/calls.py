"""The cuts of a classifier's three calls, fitted to glomeruli of validation patients."""

import numpy as np

from glomspike.findings import Scores
from glomspike.metrics.conformal import Patients, call_cuts
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
