"""How good a classifier is on labelled glomeruli: its verdicts, and where in them it sees spikes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from glomspike.classify.bags import Bag, count_undetermined, load_bags
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.kind import call_rule
from glomspike.classify.method import BagClassifier, Verdict
from glomspike.errors import SamplesError
from glomspike.findings import RGB, CallRule, Scores
from glomspike.learn.evaluation import Evaluation, Progress, interval_numbers, worst_sheet
from glomspike.learn.samples import Sample, names_of_tables
from glomspike.learn.sheets import FOUND_COLOUR, lined
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.metrics.calibration import calibration_error, calibration_error_by_chance, reliability
from glomspike.metrics.conformal import call_statistics, calls_by
from glomspike.metrics.localisation import localisation_auc
from glomspike.metrics.roc import STATISTICS, ClassifierQuality, Labels, classifier_quality
from glomspike.networks.models import Model

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class ScoredBag:
    """A glomerulus with at least one tile, and the verdict on it."""

    bag: Bag
    verdict: Verdict

    @property
    def badness(self) -> float:
        return abs(self.verdict.probability - self.bag.spiked)

    @property
    def localisation(self) -> float | None:
        """`localisation_auc`; None where it is not known along which membrane spikes stand."""
        return localisation_auc(self.verdict.tiles, self.bag.spiked_px) if self.bag.spiked else None

    @property
    def caption(self) -> str:
        label = "spiked" if self.bag.spiked else "normal"
        return f"{label} {self.verdict.probability:.2f}: {self.bag.source}"

    def drawn(self) -> RGB:
        """The picture of the glomerulus, in its grid's shape, with its highest tile framed."""
        grid = self.bag.grid
        corner_px = grid.corners_px[self.verdict.tiles.argmax()]
        return lined(grid.pixels, corner_px + grid.tile_px * SQUARE, FOUND_COLOUR)


def evaluate_classifier(
    samples: Sequence[Sample], classifier: Model, threshold: float | None, progress: Progress
) -> Evaluation:
    """Quality over all labelled glomeruli at a threshold, None being the classifier's, with its calls.

    Glomeruli without a single tile cannot be judged, undetermined ones not held against anything; they are
    counted and omitted. Raises SamplesError where not both spiked and normal ones can be.
    """
    bags = load_bags(samples, classifier.card.mpp, tiling_of(classifier))
    found: list[ScoredBag] = []
    for done, bag in enumerate(bags):
        progress(done, len(bags))
        found += scored(bag_classifier(classifier), [bag])
    progress(len(bags), len(bags))
    spiked = labels(found)
    if len(np.unique(spiked)) < 2:
        cause = "not both spiked and normal glomeruli among these samples"
        raise SamplesError(names_of_tables(samples), cause, "label more patients, or take another split")
    rule = call_rule(classifier.card, threshold)
    quality = classifier_quality(probabilities(found), spiked, patients_of(found), rule.threshold)
    numbers = {
        **_numbers(quality),
        **call_numbers(found, rule),
        **_calibration_numbers(probabilities(found), spiked),
        **_localisation_numbers(found),
        "n_unscored": len(bags) - len(found),
        "n_undetermined": count_undetermined(samples),
    }
    return Evaluation(numbers, worst_sheet(found))


def scored(classifier: BagClassifier, bags: Sequence[Bag]) -> list[ScoredBag]:
    """The bags with the verdicts on them; those without a tile are omitted."""
    judged = [bag for bag in bags if len(bag.grid.corners_px)]
    verdicts = classifier.verdicts([bag.grid for bag in judged])
    return [ScoredBag(bag, verdict) for bag, verdict in zip(judged, verdicts, strict=True)]


def probabilities(scored: Sequence[ScoredBag]) -> Scores:
    """The probability of each glomerulus, (n,)."""
    return np.array([one.verdict.probability for one in scored], dtype=np.float64)


def labels(scored: Sequence[ScoredBag]) -> Labels:
    """Whether each glomerulus is spiked, (n,)."""
    return np.array([one.bag.spiked for one in scored], dtype=np.bool_)


def patients_of(scored: Sequence[ScoredBag]) -> NDArray[np.str_]:
    """Whose each glomerulus is, (n,)."""
    return np.array([one.bag.patient for one in scored], dtype=np.str_)


def call_numbers(found: Sequence[ScoredBag], rule: CallRule) -> dict[str, JsonValue]:
    """Which share is uncertain by a rule, and which of those called is called wrongly, with intervals."""
    return numbers_of_calls(calls_by(rule, probabilities(found)), labels(found), patients_of(found))


def numbers_of_calls(
    calls: NDArray[np.str_], spiked: Labels, patients: NDArray[np.str_]
) -> dict[str, JsonValue]:
    """The `call_statistics` of calls (n,), with intervals over patients."""

    def of_rows(rows: Rows) -> list[float]:
        return list(call_statistics(calls[rows], spiked[rows]).values())

    numbers = call_statistics(calls, spiked)
    found_intervals = intervals(patients, of_rows, lambda rows: bool((calls[rows] != "uncertain").any()))
    return {**numbers, **interval_numbers(list(numbers), found_intervals)}


def _numbers(quality: ClassifierQuality) -> dict[str, JsonValue]:
    numbers: dict[str, JsonValue] = {}
    for name in STATISTICS:
        estimate = getattr(quality, name)
        numbers |= {name: estimate.value, **interval_numbers([name], [estimate.ci95])}
    return numbers | {
        "n_positive": quality.n_positive,
        "n_negative": quality.n_negative,
        "n_patients": quality.n_patients,
        "threshold": quality.threshold,
    }


def _calibration_numbers(probability: Scores, spiked: Labels) -> dict[str, JsonValue]:
    bins: list[JsonValue] = [
        {"n": b.n, "probability": b.probability, "spiked": b.positive}
        for b in reliability(probability, spiked)
    ]
    return {
        "ece": calibration_error(probability, spiked),
        "ece_by_chance": calibration_error_by_chance(probability),
        "reliability": bins,
    }


def _localisation_numbers(found: Sequence[ScoredBag]) -> dict[str, JsonValue]:
    """The mean over spiked glomeruli of the chance that tiles with spikes score above those without."""
    known = [(one.localisation, one.bag.patient) for one in found]
    values = np.array([value for value, _ in known if value is not None])
    patients = np.array([patient for value, patient in known if value is not None])
    if not len(values):
        return {"localisation_auc": None, "localisation_auc_ci95": None, "n_localised": 0}
    (interval,) = intervals(patients, lambda rows: [float(values[rows].mean())], lambda _: True)
    return {
        "localisation_auc": float(values.mean()),
        **interval_numbers(["localisation_auc"], [interval]),
        "n_localised": len(values),
    }
