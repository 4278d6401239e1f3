"""How probable each lesion is, for crops of glomeruli."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import logit
from torch import nn

from glomspike.findings import RGB, Scores, StainName
from glomspike.networks.transfer import Delivery, sent
from glomspike.networks.weights import Card, Normalisation

CROPS_AT_ONCE = 32
_SURE = 1e-6  # nearer to 0 or 1 a network's probability has no log-odds worth calibrating


def lesion_probabilities(network: nn.Module, crops: Sequence[RGB], normalisation: Normalisation) -> Scores:
    """The probability of each class (n, classes) for crops of one size, computed where the network is."""
    device = next(network.parameters()).device
    parts = torch.split(sent(np.stack(crops), device), CROPS_AT_ONCE)
    with torch.inference_mode():
        scores = [network(normalisation.apply(part)).float().softmax(dim=1) for part in parts]
        return Delivery.of(torch.cat(scores)).array()


def calibrated(probabilities: Scores, card: Card, stain: StainName | None) -> Scores:
    """Probabilities (n, classes) as the card calibrates them for a stain, None being unknown.

    Only the log-odds of two classes can be calibrated; without a calibration all stay as they are.
    """
    calibration = card.calibration if stain is None else card.stain_calibrations.get(stain, card.calibration)
    if calibration is None or probabilities.shape[1] != 2:
        return probabilities
    first = calibration.probability(logit(np.clip(probabilities[:, 0], _SURE, 1 - _SURE)))
    return np.stack([first, 1 - first], axis=1)


def over_thresholds(probabilities: Scores, card: Card) -> Scores:
    """Probabilities (n, classes) over what each class needs to be called: the largest is called.

    Classes without a threshold share what the others leave of 1.
    """
    known = [card.thresholds.get(name) for name in card.classes]
    given = [threshold for threshold in known if threshold is not None]
    rest = (1 - sum(given)) / max(len(known) - len(given), 1)
    needed = [rest if threshold is None else threshold for threshold in known]
    return np.asarray(probabilities / np.array(needed), dtype=np.float64)
