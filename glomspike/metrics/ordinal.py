"""How well ordered grades are named: near misses count less than far ones."""

import numpy as np

from glomspike.metrics.classes import Classes


def ordinal_statistics(named: Classes, truth: Classes) -> dict[str, float]:
    """Macro recall, mean absolute error and quadratic kappa of grades (n,), at least one.

    The recall is the mean over the grades that are among the true ones. Kappa is that of Cohen (1968) with
    squared distances as weights; 0 where all is of one grade.
    """
    recalls = recall_by_grade(named, truth)
    return {
        "macro_recall": float(np.mean(list(recalls.values()))),
        "mean_absolute_error": float(np.abs(named - truth).mean()),
        "quadratic_kappa": quadratic_kappa(named, truth),
    }


def recall_by_grade(named: Classes, truth: Classes) -> dict[int, float]:
    """The share of each true grade that is named rightly."""
    return {int(grade): float((named[truth == grade] == grade).mean()) for grade in np.unique(truth)}


def quadratic_kappa(named: Classes, truth: Classes) -> float:
    """One minus the squared distance of grades from the true ones over that of grades drawn by chance."""
    by_chance = float(np.mean((named[:, None] - truth[None]) ** 2))
    return 0.0 if by_chance == 0 else 1 - float(np.mean((named - truth) ** 2)) / by_chance
