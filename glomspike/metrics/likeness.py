"""How like real pictures synthetic ones are, by the features that a network gives both of them.

All figures depend on the network, and the first also on how many pictures there are: it rises as they get
fewer. Figures of unlike networks or numbers cannot be compared.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvals
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import polynomial_kernel

Features = NDArray[np.float64]  # (n, d), a row for each picture
NEIGHBOUR = 3  # the k that Kynkäänniemi et al. propose


@dataclass(frozen=True)
class Likeness:
    """FID and KID, less is more alike; precision and recall in [0, 1]; of how many pictures of either."""

    fid: float
    kid: float
    precision: float
    recall: float
    n: int


def likeness(real: Features, made: Features) -> Likeness:
    """All figures, of as many real as synthetic pictures."""
    return Likeness(
        frechet_distance(real, made),
        kernel_distance(real, made),
        covered(made, real),
        covered(real, made),
        len(real),
    )


def frechet_distance(one: Features, other: Features) -> float:
    """The squared Fréchet distance of the Gaussians that fit either best (Heusel et al. 2017, FID).

    It is biased upwards: samples of one and the same distribution are at a distance that falls with their
    number. Needs at least two rows of each.
    """
    apart = one.mean(axis=0) - other.mean(axis=0)
    spread, other_spread = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (one, other))
    # The trace of a root is the sum of the roots of eigenvalues, which are those of no negative number.
    roots = np.sqrt(np.maximum(eigvals(spread @ other_spread).real, 0))
    return float(apart @ apart + np.trace(spread) + np.trace(other_spread) - 2 * roots.sum())


def kernel_distance(one: Features, other: Features) -> float:
    """The squared maximum mean discrepancy for the kernel (x·y / d + 1)³ (Bińkowski et al. 2018, KID).

    It is unbiased, and so may be below zero. Needs at least two rows of each.
    """

    def within(features: Features) -> float:
        kernel = polynomial_kernel(features, degree=3, coef0=1)
        return float((kernel.sum() - np.trace(kernel)) / (len(features) * (len(features) - 1)))

    return within(one) + within(other) - 2 * float(polynomial_kernel(one, other, degree=3, coef0=1).mean())


def covered(points: Features, by: Features) -> float:
    """The share of `points` that lie nearer to some of `by` than that one's third neighbour among `by`.

    Synthetic ones covered by real ones are the improved precision, real ones by synthetic ones the improved
    recall (Kynkäänniemi et al. 2019, equation 2).
    """
    among = np.sort(pairwise_distances(by), axis=1)
    radius = among[:, min(NEIGHBOUR, len(by) - 1)]
    return float((pairwise_distances(points, by) <= radius).any(axis=1).mean())
