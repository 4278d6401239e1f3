"""What the main job says of spikes, as the numbers that join light microscopy in the disease network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EVIDENCE = (
    "share spiked",
    "highest probability",
    "median probability",
    "spike fraction",
    "log scored",
    "share sclerosed",
)


@dataclass(frozen=True)
class ScoredGlomerulus:
    """A scored glomerulus: its spike probability, whether that is a call, its share of positive tiles.

    `sclerosed` is None where no weights name lesions.
    """

    probability: float
    spiked: bool
    fraction: float
    sclerosed: bool | None = None


def spike_evidence(scored: Sequence[ScoredGlomerulus]) -> NDArray[np.float32] | None:
    """The numbers EVIDENCE (6,) of the scored glomeruli of a case; None where there is none."""
    if not scored:
        return None
    probabilities = np.array([one.probability for one in scored])
    return np.array(
        [
            _share(one.spiked for one in scored),
            probabilities.max(),
            np.median(probabilities),
            np.mean([one.fraction for one in scored]),
            np.log1p(len(scored)),
            _share(bool(one.sclerosed) for one in scored),
        ],
        dtype=np.float32,
    )


def _share(flags: Iterable[bool]) -> float:
    return float(np.mean(list(flags)))
