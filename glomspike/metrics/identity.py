"""How rightly profiles were put together into glomeruli: identity F1, counts, double counts."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.optimize import linear_sum_assignment

Name = TypeVar("Name", bound=Hashable)  # of a profile


@dataclass(frozen=True)
class IdentityCounts:
    """What identity metrics are made of; counts of several cases add up.

    `kept` are profiles whose found glomerulus is their true one under the best one-to-one assignment of found
    to true glomeruli; `twice` are true glomeruli that were counted more than once.
    """

    kept: int
    true_profiles: int
    found_profiles: int
    true_glomeruli: int
    found_glomeruli: int
    twice: int

    @property
    def f1(self) -> float:
        """IDF1, of Ristani et al., Performance measures and a data set for multi-target tracking (2016)."""
        return 2 * self.kept / max(self.true_profiles + self.found_profiles, 1)

    @property
    def count_error(self) -> float:
        """By how much the number of distinct glomeruli is off, of the true number; positive if too many."""
        return (self.found_glomeruli - self.true_glomeruli) / max(self.true_glomeruli, 1)

    @property
    def double_share(self) -> float:
        """The share of true glomeruli that were counted more than once."""
        return self.twice / max(self.true_glomeruli, 1)


def identity_counts(
    found: Sequence[Sequence[Name]], truth: Mapping[Name, Hashable], missed: Sequence[Hashable] = ()
) -> IdentityCounts:
    """Compares groups of profiles with the true glomerulus of each profile.

    A profile that `truth` lacks is no glomerulus at all. `missed` are the true glomeruli of the profiles that
    were not found, one for each.
    """
    names = sorted({*truth.values(), *missed}, key=str)
    column = {name: number for number, name in enumerate(names)}
    shared = np.zeros((len(found), len(names)), dtype=np.int64)
    for row, group in enumerate(found):
        for profile in group:
            if profile in truth:
                shared[row, column[truth[profile]]] += 1
    rows, columns = linear_sum_assignment(-shared)
    return IdentityCounts(
        kept=int(shared[rows, columns].sum()),
        true_profiles=len(truth) + len(missed),
        found_profiles=sum(len(group) for group in found),
        true_glomeruli=len(names),
        found_glomeruli=len(found),
        twice=int(((shared > 0).sum(axis=0) > 1).sum()),
    )
