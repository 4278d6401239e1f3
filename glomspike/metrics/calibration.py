"""Whether probabilities mean what they say, and how scores are made to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_expit, log_softmax, logit

from glomspike.findings import Scores
from glomspike.metrics.roc import Labels

BINS = 10
DRAWS = 200
LEAST_SCALE, MOST_SCALE = 0.05, 20.0
MOST_LOG_ODDS = 30.0
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.1, 20.0


@dataclass(frozen=True)
class Bin:
    """Cases of like probability: how many, their mean probability, and the share of them that is positive."""

    n: int
    probability: float
    positive: float


def platt(log_odds: Scores, positive: Labels) -> tuple[float, float]:
    """Scale and offset that make sigmoid(scale x + offset) of log-odds x (n,) the likeliest probabilities.

    Targets are those of Platt (1999, section 2.2), which stay clear of 0 and 1, so that there is a fit where
    scores separate the classes without a mistake.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(parameters: Scores) -> float:
        x = parameters[0] * log_odds + parameters[1]
        return float(-(target * log_expit(x) + (1 - target) * log_expit(-x)).mean())

    bounds = [(LEAST_SCALE, MOST_SCALE), (None, None)]
    scale, offset = minimize(loss, np.array([1.0, 0.0]), bounds=bounds).x.tolist()
    return scale, offset


def temperature(logits: Scores, truth: NDArray[np.intp]) -> float:
    """The number that logits (n, classes) are divided by to make their softmax the likeliest probabilities.

    Guo et al. (2017, section 4.2). Targets stay clear of 0 and 1 as Platt's do, so that there is a fit where
    scores tell the classes apart without a mistake.
    """
    n, classes = logits.shape
    alike = np.bincount(truth, minlength=classes)[truth]
    sure = (alike + 1) / (alike + 2)
    target = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    target[np.arange(n), truth] = sure

    def loss(log_of_it: float) -> float:
        return float(-(target * log_softmax(logits / np.exp(log_of_it), axis=1)).sum(axis=1).mean())

    bounds = (np.log(LEAST_TEMPERATURE), np.log(MOST_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def log_odds(probabilities: Scores) -> Scores:
    """The log-odds of probabilities, in the same shape, held within ±30 where rounding made them 0 or 1."""
    return np.asarray(np.clip(logit(probabilities), -MOST_LOG_ODDS, MOST_LOG_ODDS))


def reliability(probabilities: Scores, positive: Labels) -> list[Bin]:
    """The bins, ten of equal width, that hold any of the probabilities (n,), lowest first."""
    number = np.minimum((probabilities * BINS).astype(np.intp), BINS - 1)
    inside = [number == filled for filled in np.unique(number)]
    return [Bin(int(i.sum()), float(probabilities[i].mean()), float(positive[i].mean())) for i in inside]


def calibration_error(probabilities: Scores, positive: Labels) -> float:
    """The expected calibration error over ten bins of equal width (Guo et al. 2017, eq. 3)."""
    bins = reliability(probabilities, positive)
    return sum(b.n * abs(b.probability - b.positive) for b in bins) / len(probabilities)


def calibration_error_by_chance(probabilities: Scores) -> float:
    """The mean `calibration_error` of labels drawn from the probabilities (n,) themselves.

    Perfectly calibrated ones show that much on so few examples: an error is one only beyond it.
    """
    rng = np.random.default_rng(0)
    draws = rng.random((DRAWS, len(probabilities))) < probabilities
    return float(np.mean([calibration_error(probabilities, drawn) for drawn in draws]))
