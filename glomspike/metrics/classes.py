"""How well one of several classes is told for each item, with intervals that respect whose tissue it is."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, roc_auc_score

from glomspike.findings import Scores
from glomspike.metrics.bootstrap import Interval, Rows, intervals

STATISTICS = ("balanced_accuracy", "macro_f1", "auc")

Classes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ClassQuality:
    """How probabilities fare; `confusion` counts true classes in rows, told ones in columns."""

    values: dict[str, float]
    ci95: Sequence[Interval | None]
    confusion: NDArray[np.intp]


def class_quality(probabilities: Scores, truth: Classes, patients: NDArray[np.str_]) -> ClassQuality:
    """The `STATISTICS` of probabilities (n, classes), given true classes (n,) and whose each item is (n,).

    The class of the highest probability is told. At least two classes must be among the true ones;
    bootstrap draws that lack one of those are drawn again.
    """
    there = np.unique(truth)

    def of_draw(rows: Rows) -> list[float]:
        return list(class_statistics(probabilities[rows], truth[rows]).values())

    def usable(rows: Rows) -> bool:
        return len(np.unique(truth[rows])) == len(there)

    found = intervals(patients, of_draw, usable)
    labels = range(probabilities.shape[1])
    confusion = confusion_matrix(truth, probabilities.argmax(axis=1), labels=list(labels))
    return ClassQuality(class_statistics(probabilities, truth), found, confusion)


def class_statistics(probabilities: Scores, truth: Classes) -> dict[str, float]:
    """The `STATISTICS` by name, as means over the true classes, each against all others for the AUC."""
    told, there = probabilities.argmax(axis=1), np.unique(truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are told and not true, which count as mistakes
        balanced = balanced_accuracy_score(truth, told)
    f1 = f1_score(truth, told, labels=there, average="macro", zero_division=0)
    aucs = [roc_auc_score(truth == one, probabilities[:, one]) for one in there]
    return dict(zip(STATISTICS, (float(balanced), float(f1), float(np.mean(aucs))), strict=True))
