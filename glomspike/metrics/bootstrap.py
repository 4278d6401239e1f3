"""95 % intervals that respect whose tissue it is: the bootstrap over patients (Efron, 1979)."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
SEED = 0
PERCENTILES = (2.5, 97.5)

Rows = NDArray[np.intp]
Interval = tuple[float, float]


def intervals(
    patients: NDArray[np.str_], statistics: Callable[[Rows], Sequence[float]], usable: Callable[[Rows], bool]
) -> list[Interval | None]:
    """The interval, low and high, of each of the statistics of rows that belong to patients (n,).

    What stems from one patient is alike, so patients are drawn, as many as there are and with replacement,
    each with all of their rows. Draws on which the statistics have no meaning are not `usable` and are drawn
    again. All intervals are None where nothing can be said of other patients: where there is only one, or
    where not even all rows are usable.
    """
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    everything = np.arange(len(patients))
    if len(rows_of) < 2 or not usable(everything):
        return [None] * len(statistics(everything))
    drawn = np.array([statistics(rows) for rows in _draws(rows_of, usable)])
    low, high = np.percentile(drawn, PERCENTILES, axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _draws(rows_of: Sequence[Rows], usable: Callable[[Rows], bool]) -> list[Rows]:
    """The rows of each usable draw, given those of each patient."""
    rng = np.random.default_rng(SEED)
    draws: list[Rows] = []
    while len(draws) < DRAWS:
        rows = np.concatenate([rows_of[i] for i in rng.integers(len(rows_of), size=len(rows_of))])
        if usable(rows):
            draws.append(rows)
    return draws
