"""How good a classifier is: each labelled glomerulus judged by its highest tile, as in the main job."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue
from torch import nn

from glomspike.classify.bags import Bag, load_bags
from glomspike.classify.scores import score_grids
from glomspike.classify.tiles import TILE_PX
from glomspike.errors import SamplesError
from glomspike.evaluation import Evaluation, Progress, interval_numbers, worst_sheet
from glomspike.findings import RGB, Scores
from glomspike.metrics.roc import STATISTICS, ClassifierQuality, Labels, classifier_quality
from glomspike.models import Model
from glomspike.samples import Sample, names_of_tables
from glomspike.sheets import FOUND_COLOUR, lined
from glomspike.weights import Normalisation

CORNERS_PX = TILE_PX * np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Scored:
    """A glomerulus whose tiles, at least one, have spike probabilities (n,)."""

    bag: Bag
    tiles: Scores

    @property
    def probability(self) -> float:
        """The glomerulus's: that of its highest tile (any-window rule)."""
        return float(self.tiles.max())

    @property
    def badness(self) -> float:
        return abs(self.probability - self.bag.spiked)

    @property
    def caption(self) -> str:
        return f"{'spiked' if self.bag.spiked else 'normal'} {self.probability:.2f}: {self.bag.source}"

    def drawn(self) -> RGB:
        """The glomerulus with its highest tile framed."""
        corner_px = self.bag.grid.corners_px[self.tiles.argmax()]
        return lined(self.bag.grid.pixels, corner_px + CORNERS_PX, FOUND_COLOUR)


def evaluate_classifier(
    samples: Sequence[Sample], classifier: Model, threshold: float | None, progress: Progress
) -> Evaluation:
    """Quality over all labelled glomeruli at a threshold, None being the classifier's own.

    Glomeruli without a single tile cannot be judged; they are counted and left out. Raises SamplesError
    where not both spiked and normal ones can be.
    """
    card = classifier.card
    bags = load_bags(samples, card.mpp)
    scored: list[Scored] = []
    for done, bag in enumerate(bags):
        progress(done, len(bags))
        scored += score(classifier.network, [bag], card.normalisation)
    progress(len(bags), len(bags))
    spiked = labels(scored)
    if len(np.unique(spiked)) < 2:
        cause = "not both spiked and normal glomeruli among these samples"
        raise SamplesError(names_of_tables(samples), cause, "label more patients, or take another split")
    patients = np.array([one.bag.patient for one in scored])
    own = card.thresholds["spiked"] if threshold is None else threshold
    quality = classifier_quality(probabilities(scored), spiked, patients, own)
    return Evaluation({**_numbers(quality), "n_unscored": len(bags) - len(scored)}, worst_sheet(scored))


def score(network: nn.Module, bags: Sequence[Bag], normalisation: Normalisation) -> list[Scored]:
    """The bags with their tiles' scores; those without a tile are left out."""
    tiles = score_grids(network, [bag.grid for bag in bags], normalisation)
    return [Scored(bag, own) for bag, own in zip(bags, tiles, strict=True) if len(own)]


def probabilities(scored: Sequence[Scored]) -> Scores:
    """The probability of each glomerulus, (n,)."""
    return np.array([one.probability for one in scored], dtype=np.float64)


def labels(scored: Sequence[Scored]) -> Labels:
    """Whether each glomerulus is spiked, (n,)."""
    return np.array([one.bag.spiked for one in scored], dtype=np.bool_)


def _numbers(quality: ClassifierQuality) -> dict[str, JsonValue]:
    numbers: dict[str, JsonValue] = {}
    for name in STATISTICS:
        estimate = getattr(quality, name)
        numbers |= {name: estimate.value, **interval_numbers([name], [estimate.ci95])}
    return numbers | {
        "ece": quality.ece,
        "n_positive": quality.n_positive,
        "n_negative": quality.n_negative,
        "n_patients": quality.n_patients,
        "threshold": quality.threshold,
    }
