"""What a classifier's card says of how far to trust it, in plain words, as a table, and as a plot."""

from dataclasses import dataclass

from glomspike.classify.infer import METHODS
from glomspike.classify.msa_mil import MsaMil
from glomspike.classify.real_picture import real_picture_sentence
from glomspike.findings import CallRule
from glomspike.networks.weights import Card, Metric

_NAMES = {
    "precision": "precision: of those called spiked, how many are",
    "recall": "recall: of those that are spiked, how many are called spiked",
    "f1": "F1: precision and recall in one",
    "accuracy": "accuracy: how many are called correctly",
    "auc": "AUC: how well probabilities rank spiked above other glomeruli",
    "uncertain_share": "uncertain: how many are called neither spiked nor not spiked",
    "wrong_among_called": "errors: of those called spiked or not spiked, how many are wrong",
    "ece": "ECE: by how much probabilities are wrong on average",
    "ece_by_chance": "ECE by chance: what perfect probabilities show on as few glomeruli",
}


@dataclass(frozen=True)
class MetricRow:
    """A metric of the card as a row of a table."""

    name: str
    value: str
    interval: str


@dataclass(frozen=True)
class Measurement:
    """What was measured on one set of data."""

    data: str
    metrics: tuple[MetricRow, ...]


@dataclass(frozen=True)
class ReliabilityPoint:
    """Glomeruli of like probability: the mean of what was `said`, the observed share of spiked, how many."""

    said: float
    true: float
    count: int
    radius: float


@dataclass(frozen=True)
class Reliability:
    """The points of a reliability diagram, none where the card has none, and the sentence below it."""

    points: tuple[ReliabilityPoint, ...]
    note: str


def measurements(card: Card) -> tuple[Measurement, ...]:
    """The metrics of a card, those on the same data together."""
    grouped: dict[str, list[MetricRow]] = {}
    for metric in card.metrics:
        grouped.setdefault(f"{metric.data} (n = {metric.n})", []).append(_measured(metric))
    return tuple(Measurement(data, tuple(metrics)) for data, metrics in grouped.items())


def _measured(metric: Metric) -> MetricRow:
    interval = "" if metric.ci95 is None else f"{metric.ci95[0]:.3f} to {metric.ci95[1]:.3f}"
    return MetricRow(_NAMES.get(metric.name, metric.name), f"{metric.value:.3f}", interval)


def reliability(card: Card) -> Reliability:
    """The reliability of the probabilities, as far as the card knows it."""
    points = tuple(
        ReliabilityPoint(one.probability, one.spiked, one.n, round(2 + 0.6 * one.n**0.5, 1))
        for one in card.reliability
    )
    if not points:
        return Reliability((), "The card of these weights does not say how reliable its probabilities are.")
    total = sum(point.count for point in points)
    return Reliability(
        points,
        f"Reliability on {total} glomeruli whose truth is known. On the dashed line probabilities are right; "
        "above it they are too low, below it too high. Larger dots represent more glomeruli.",
    )


def rule_phrase(card: Card) -> str:
    """How a glomerulus's probability comes from its tiles: the end of a sentence."""
    if issubclass(METHODS[card.architecture], MsaMil):
        return "comes from its most suspicious tile alone"
    return "is weighed from all its tiles"


def calibration_note(card: Card) -> str:
    """A few words beside each probability."""
    return "not calibrated" if card.calibration is None else "calibrated on other data than this slide"


def calibration_sentence(card: Card) -> str:
    """What may be read into a probability, in a sentence or two."""
    if card.calibration is None:
        return (
            "The probabilities are not calibrated: of the glomeruli given 0.9, far more or fewer than nine "
            "in ten may have spikes. Use them only to rank glomeruli by suspicion."
        )
    return (
        f"The probabilities were calibrated on {card.calibration.data}: there, "
        "about nine in ten of the glomeruli given 0.9 had spikes. On other slides, stains and scanners this "
        f"may not hold.{_of_tiles(card)}"
    )


def _of_tiles(card: Card) -> str:
    """What a tile's number means where it is not the glomerulus's, as a sentence that follows others."""
    if card.tile_calibration is None:
        return ""
    return (
        " A tile's number is the probability that this tile shows spikes, calibrated separately on "
        f"{card.tile_calibration.data}; it may be higher than that of its glomerulus."
    )


def calls_sentence(card: Card, rule: CallRule) -> str:
    """By which cuts glomeruli were called, and what of the calls is known, in a few sentences."""
    if not rule.has_doubt:
        return f"A glomerulus is called spiked from {rule.spiked_from:.2f}, and not spiked below."
    cuts = (
        f"A glomerulus is called spiked from {rule.spiked_from:.2f}, not spiked below "
        f"{rule.not_spiked_below:.2f}, and uncertain between them: judge those yourself."
    )
    calls = card.call_thresholds
    if calls is None:
        return cuts
    return (
        f"{cuts} On tissue like that from which these limits come, on average at most "
        f"{100 * calls.alpha:.0f} % of a patient's spiked glomeruli are called not spiked, and at most as "
        f"many of the others spiked (conformal prediction, {calls.data})."
    )


def training_sentence(card: Card) -> str:
    """What the classifier was trained on, what for, and what it is known to do wrong."""
    data = "; ".join(f"{one.name} ({one.images} images)" for one in card.training_data)
    limits = f" Known limits: {card.limits}." if card.limits else ""
    real = real_picture_sentence(card)
    measured = "" if real is None else f" {real}"
    return f"It was trained on: {data}. It is meant for {card.intended_use}.{limits}{measured}"
