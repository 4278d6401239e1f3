"""The extent of spikes where the truth is known, and how an uncertain glomerulus best gets its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from glomspike.classify.evaluate import ScoredBag
from glomspike.classify.membrane import crosses_membrane
from glomspike.classify.scores import POSITIVE, spiked_membrane
from glomspike.findings import GLOBAL_FROM, CallRule, Extent
from glomspike.metrics.localisation import LEAST_PX

ORDER: tuple[Extent, ...] = ("none", "segmental", "global")
TRIED = np.linspace(0, 0.3, 61)  # shares
ALIKE = 0.02  # kappas that differ by less


@dataclass(frozen=True, eq=False)
class Membrane:
    """A glomerulus's tiles that cross membrane: which are positive (k,), and which truly show spikes (k,).

    Tiles of which nobody could tell are left out.
    """

    spiked: bool
    patient: str
    probability: float
    positive: NDArray[np.bool_]
    true: NDArray[np.bool_]

    @classmethod
    def of(cls, scored: ScoredBag) -> "Membrane | None":
        """That of a scored glomerulus; None where it is not known along which membranes spikes stand."""
        bag = scored.bag
        if bag.spiked and not bag.stretches_px:
            return None
        counts = crosses_membrane(bag.grid) & np.isfinite(bag.spiked_px)
        positive, true = scored.verdict.tiles >= POSITIVE, bag.spiked_px >= LEAST_PX
        return cls(bag.spiked, bag.patient, scored.verdict.probability, positive[counts], true[counts])

    @property
    def true_share(self) -> float:
        """The share of the membrane that is spiked."""
        return float(self.true.mean()) if len(self.true) else 0.0

    @property
    def true_extent(self) -> Extent:
        """The extent of spikes: none only in glomeruli without any."""
        if not self.spiked:
            return "none"
        return "global" if self.true_share >= GLOBAL_FROM else "segmental"

    def extent(self, rule: CallRule) -> Extent:
        """The extent by a classifier's tiles and a rule."""
        whole = np.ones(len(self.positive), dtype=np.bool_)
        return spiked_membrane(whole, self.positive, rule.call(self.probability), rule).extent


def extent_kappa(found: Sequence[Extent], true: Sequence[Extent]) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968); NaN where all are of one class in both."""
    return float(cohen_kappa_score(found, true, labels=ORDER, weights="quadratic"))


def fitted_no_extent(membranes: Sequence[Membrane], rule: CallRule) -> float:
    """The share below which uncertain glomeruli have the extent none: the least with nearly the best kappa.

    A few spikes that are said to be none cost more than none said to be a few.
    """
    true = [one.true_extent for one in membranes]
    kappas = np.array(
        [
            extent_kappa([one.extent(replace(rule, no_extent_below=share)) for one in membranes], true)
            for share in TRIED.tolist()
        ]
    )
    known = np.nan_to_num(kappas, nan=-1)
    return float(TRIED[np.flatnonzero(known >= known.max() - ALIKE)[0]])
