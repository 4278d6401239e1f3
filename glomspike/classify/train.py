"""What every classifier's training shares: its bags, the numbers of a validation, and the card."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue
from sklearn.metrics import log_loss
from torch import Tensor, nn

from glomspike.classify.bags import load_bags
from glomspike.classify.calls import call_thresholds, held_out_calls
from glomspike.classify.evaluate import ScoredBag, labels, patients_of, probabilities, scored
from glomspike.classify.infer import METHODS
from glomspike.classify.method import BagClassifier
from glomspike.classify.model import NORMALISATION
from glomspike.classify.msa_mil import MsaMil
from glomspike.classify.tile_calibration import known_tiles, tile_calibration
from glomspike.classify.tiles import Tiling
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Scores
from glomspike.learn.samples import read_samples
from glomspike.learn.sheets import evenly, sheet
from glomspike.learn.training import LICENCE, training_data, validation_metrics
from glomspike.metrics.calibration import log_odds, platt
from glomspike.metrics.conformal import Patients, call_statistics
from glomspike.metrics.roc import Labels, best_threshold, statistics, threshold_of_sensitivity
from glomspike.networks.weights import Calibration, CallThresholds, CardDraft

MPP = 0.25
EXAMPLES = 24
THRESHOLD = 0.5
SENSITIVITIES = (90, 95, 99)  # per cent, of thresholds that are given beside 0.5
LOG_LIKELIHOOD = "log_likelihood"
FITTED_ON = "validation patients"
# In the numbers of a validation: what becomes no metric of the card, by name or by its beginning.
SCALE, OFFSET, THRESHOLDS, CALLS, TILES = "scale", "offset", "threshold_", "call_", "tile_calibration_"


class BagTask(ABC):
    """The part of a `Task` that is the same for all methods: a method adds its network, rounds and loss."""

    quality = LOG_LIKELIHOOD

    def __init__(
        self, tables: Sequence[Path], tiling: Tiling, begin: dict[str, Tensor] | None, seed: int
    ) -> None:
        """Loads the bags. Raises SamplesError where training or validation lacks a class."""
        self.tables, self.tiling, self.begin, self.seed = tables, tiling, begin, seed
        samples = read_samples(tables)
        self.bags = load_bags([s for s in samples if s.split == "train"], MPP, tiling)
        self.validation = load_bags([s for s in samples if s.split == "val"], MPP, tiling)
        for split, bags in (("train", self.bags), ("val", self.validation)):
            if len({bag.spiked for bag in bags}) < 2:
                cause = f"split {split} does not hold both spiked and normal glomeruli"
                cure = "label more patients, or set the splits"
                raise SamplesError(", ".join(map(str, tables)), cause, cure)

    @property
    @abstractmethod
    def architecture(self) -> str:
        """What the card calls the network."""

    @property
    @abstractmethod
    def arguments(self) -> dict[str, JsonValue]:
        """What the card keeps of the options."""

    @abstractmethod
    def classifier(self, network: nn.Module) -> BagClassifier:
        """The network as it is, not calibrated."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """What `measured` says of the validation glomeruli."""
        return self.measured(scored(self.classifier(network), self.validation))

    def measured(self, found: Sequence[ScoredBag]) -> dict[str, float]:
        """Statistics of calibrated probabilities, the calibrations, and thresholds of calls and others."""
        spiked, odds = labels(found), log_odds(probabilities(found))
        scale, offset = platt(odds, spiked)
        calibrated = calibration(scale, offset).probability(odds)
        return {
            **statistics(calibrated, spiked, THRESHOLD),
            # What an epoch is chosen by: one glomerulus with hidden spikes moves the AUC as it likes.
            LOG_LIKELIHOOD: -float(log_loss(spiked, calibrated)),
            SCALE: scale,
            OFFSET: offset,
            **{f"{THRESHOLDS}{name}": value for name, value in thresholds(calibrated, spiked).items()},
            **_call_numbers(calibrated, spiked, patients_of(found)),
            **(_tile_numbers(found) if issubclass(METHODS[self.architecture], MsaMil) else {}),
        }

    def examples(self, network: nn.Module) -> RGB:
        """A sheet of validation glomeruli with their highest tiles, their scores and labels."""
        found: list[ScoredBag] = scored(self.classifier(network), evenly(self.validation, EXAMPLES))
        return sheet([one.drawn() for one in found], [one.caption for one in found])

    def card(self, measured: dict[str, float]) -> CardDraft:
        cuts = {n.removeprefix(THRESHOLDS): v for n, v in measured.items() if n.startswith(THRESHOLDS)}
        metrics = {
            n: v
            for n, v in measured.items()
            if n not in (SCALE, OFFSET) and not n.startswith((THRESHOLDS, CALLS, TILES))
        }
        calls = {n.removeprefix(CALLS): v for n, v in measured.items() if n.startswith(CALLS)}
        tiles: dict[str, Any] = {n.removeprefix(TILES): v for n, v in measured.items() if n.startswith(TILES)}
        return CardDraft(
            kind="classifier",
            name="glomspike spike classifier",
            version="2",
            architecture=self.architecture,
            arguments=self.arguments,
            mpp=MPP,
            input_px=self.tiling.tile_px,
            normalisation=NORMALISATION,
            classes=("spiked",),
            thresholds={"spiked": THRESHOLD, **cuts},
            calibration=calibration(measured[SCALE], measured[OFFSET]),
            tile_calibration=tile_calibration(**tiles, whose=FITTED_ON) if tiles else None,
            call_thresholds=CallThresholds.model_validate({**calls, "data": FITTED_ON}) if calls else None,
            training_data=training_data(self.tables),
            metrics=validation_metrics(metrics, len(self.validation)),
            intended_use="research: scoring glomeruli of silver-stained slides for membranous spikes",
            licence=LICENCE,
        )


def calibration(scale: float, offset: float) -> Calibration:
    """Platt's, as the card has it."""
    return Calibration(method="platt", scale=scale, offset=offset, data=FITTED_ON)


def thresholds(probability: Scores, spiked: Labels) -> dict[str, float]:
    """Thresholds beside 0.5, as the card names them, from calibrated probabilities (n,) on validation."""
    sensitive = {
        f"sensitivity_{share}_on_validation": threshold_of_sensitivity(probability, spiked, share / 100)
        for share in SENSITIVITIES
    }
    return {"best_f1_on_validation": best_threshold(probability, spiked), **sensitive}


def _call_numbers(probability: Scores, spiked: Labels, patients: Patients) -> dict[str, float]:
    """The thresholds of three calls, and what those of other patients make of each patient's glomeruli."""
    fitted = call_thresholds(probability, spiked, patients, FITTED_ON)
    if fitted is None:
        return {}
    numbers = {f"{CALLS}{name}": value for name, value in fitted.model_dump(exclude={"data"}).items()}
    return {**numbers, **call_statistics(held_out_calls(probability, spiked, patients), spiked)}


def _tile_numbers(found: Sequence[ScoredBag]) -> dict[str, float]:
    """The calibration of tiles; nothing where not both kinds of them are known."""
    known, spiked = known_tiles([one.bag for one in found])
    if not len(spiked) or spiked.all() or not spiked.any():
        return {}
    scale, offset = platt(np.concatenate([log_odds(one.verdict.tiles) for one in found])[known], spiked)
    numbers = {"scale": scale, "offset": offset, "tiles": len(spiked), "spiked": float(spiked.mean())}
    return {f"{TILES}{name}": value for name, value in numbers.items()}
