"""How well scores distinguish spiked glomeruli from others, with intervals over patients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, precision_recall_fscore_support, roc_auc_score

from glomspike.findings import Scores
from glomspike.metrics.bootstrap import Interval, Rows, intervals

STATISTICS = ("precision", "recall", "f1", "accuracy", "auc")

Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval, None where only one patient stands behind it."""

    value: float
    ci95: Interval | None


@dataclass(frozen=True)
class ClassifierQuality:
    """Quality of scores against labels at a threshold; spiked is the positive class."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    accuracy: Estimate
    auc: Estimate
    n_positive: int
    n_negative: int
    n_patients: int
    threshold: float


def classifier_quality(
    scores: Scores, spiked: Labels, patients: NDArray[np.str_], threshold: float
) -> ClassifierQuality:
    """The quality of scores (n,) in [0, 1], given the truth (n,) and whose each glomerulus is (n,).

    Intervals are those of a bootstrap over patients. Both classes must be among the labels; draws that lack
    one are drawn again.
    """

    def of_draw(rows: Rows) -> list[float]:
        return list(statistics(scores[rows], spiked[rows], threshold).values())

    found = intervals(patients, of_draw, lambda rows: 0 < spiked[rows].sum() < len(rows))
    measured = statistics(scores, spiked, threshold)
    estimates = {
        name: Estimate(measured[name], interval) for name, interval in zip(STATISTICS, found, strict=True)
    }
    return ClassifierQuality(
        **estimates,
        n_positive=int(spiked.sum()),
        n_negative=int((~spiked).sum()),
        n_patients=len(np.unique(patients)),
        threshold=threshold,
    )


def statistics(scores: Scores, spiked: Labels, threshold: float) -> dict[str, float]:
    """The `STATISTICS` by name; precision and F1 are 0 where nothing reaches the threshold."""
    called = scores >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(
        spiked, called, average="binary", zero_division=0
    )
    accuracy, auc = (called == spiked).mean(), roc_auc_score(spiked, scores)
    return {
        name: float(value)
        for name, value in zip(STATISTICS, (precision, recall, f1, accuracy, auc), strict=True)
    }


def best_threshold(scores: Scores, spiked: Labels) -> float:
    """The threshold on glomeruli's scores that gives the best F1, midway to the next lower score."""
    precision, recall, thresholds = precision_recall_curve(spiked, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = float(thresholds[f1[:-1].argmax()])
    lower = scores[scores < best]
    return (best + float(lower.max())) / 2 if len(lower) else best


def threshold_of_sensitivity(scores: Scores, spiked: Labels, sensitivity: float) -> float:
    """The highest threshold on glomeruli's scores that still calls this share of the spiked ones spiked."""
    ranked = np.sort(scores[spiked])[::-1]
    return float(ranked[int(np.ceil(sensitivity * len(ranked) - 1e-9)) - 1])
