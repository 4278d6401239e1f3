"""How well one of several classes is predicted for each item, with intervals over patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from glomspike.findings import Scores
from glomspike.metrics.bootstrap import Interval, Rows, intervals

STATISTICS = ("balanced_accuracy", "macro_f1", "auc")

Classes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ClassQuality:
    """How probabilities fare; `confusion` counts true classes in rows, predicted ones in columns."""

    values: dict[str, float]
    ci95: Sequence[Interval | None]
    confusion: NDArray[np.intp]


def class_quality(probabilities: Scores, truth: Classes, patients: NDArray[np.str_]) -> ClassQuality:
    """The `STATISTICS` of probabilities (n, classes), given true classes (n,) and whose each item is (n,).

    The class of the highest probability is predicted. At least two classes must be among the true ones;
    bootstrap draws that lack one of those are drawn again.
    """
    there = np.unique(truth)

    def of_draw(rows: Rows) -> list[float]:
        return list(class_statistics(probabilities[rows], truth[rows]).values())

    def usable(rows: Rows) -> bool:
        return len(np.unique(truth[rows])) == len(there)

    found = intervals(patients, of_draw, usable)
    return ClassQuality(class_statistics(probabilities, truth), found, confusion_of(probabilities, truth))


def class_statistics(probabilities: Scores, truth: Classes) -> dict[str, float]:
    """The `STATISTICS` by name, as means over the true classes, each against all others for the AUC.

    Written out because a bootstrap needs them a thousand times.
    """
    counts, there = confusion_of(probabilities, truth), np.unique(truth)
    hits, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    balanced = (hits[there] / true[there]).mean()
    f1 = (2 * hits[there] / (true + predicted)[there]).mean()
    aucs = [_auc(probabilities[:, one], truth == one) for one in there]
    return dict(zip(STATISTICS, (float(balanced), float(f1), float(np.mean(aucs))), strict=True))


def confusion_of(probabilities: Scores, truth: Classes) -> NDArray[np.intp]:
    """How often each class is true (rows) and predicted (columns)."""
    classes = probabilities.shape[1]
    pairs = truth * classes + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _auc(scores: Scores, positive: NDArray[np.bool_]) -> float:
    """The area under the ROC curve by ranks (Mann and Whitney); 1/2 where there is only one class."""
    n_positive = int(positive.sum())
    pairs = n_positive * (len(positive) - n_positive)
    if pairs == 0:
        return 0.5
    ranks = float(rankdata(scores)[positive].sum())
    return (ranks - n_positive * (n_positive + 1) / 2) / pairs
