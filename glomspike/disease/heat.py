"""Where in each electron micrograph the evidence for a disease lies.

Where the answer rests on counts, at the deposits of the kinds that speak for the disease, by the gradient of
its logit on what is counted of each kind. Where maps of the images count, wherever these speak for it
(LayerCAM, Jiang et al. 2021).
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glomspike.disease.batch import only
from glomspike.disease.judge import EncodedPatient
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.places import PER_PLACE
from glomspike.disease.subsets import Subset

Heats = NDArray[np.float32]  # (n, side, side), 0 to 1
LEAST = 1e-12


def micrograph_heats(network: DiseaseNetwork, patient: EncodedPatient, subset: Subset, disease: int) -> Heats:
    """How much each place of each micrograph speaks for a disease; what speaks against it is 0.

    Of a form that counts, the probability that the place shows deposits of the kind that speaks most for the
    disease, and less by as much as others speak less. Of other forms, relative to the highest of the patient.
    """
    each = {m: one.clone() for m, one in patient.seen.maps.items()}
    maps = each["tem"].requires_grad_(True)
    with torch.enable_grad():
        answer = network.answer(only(patient.batch, subset), network.read(each))
        weighed = answer.deposits if network.form.counts else maps
        (slopes,) = torch.autograd.grad(answer.fused[0, disease], weighed)
    seen = _of_kinds(answer.places[0], slopes[0]) if network.form.counts else _of_maps(maps[0], slopes[0])
    side_px = network.form.sides_px["tem"]
    shown = seen.detach().float().cpu().numpy()
    enlarged = [cv2.resize(one, (side_px, side_px), interpolation=cv2.INTER_CUBIC) for one in shown]
    heats: Heats = np.clip(np.stack(enlarged), 0, 1).astype(np.float32)
    return heats


def _of_kinds(logits: Tensor, slopes: Tensor) -> Tensor:
    """Heat (n, h, w) of what places show, logits (n, KINDS, h, w), and slopes (EVIDENCE,) of the counts."""
    weights = slopes.view(PER_PLACE, -1).sum(dim=0).relu()
    weights = weights / weights.amax().clamp(min=LEAST)
    return torch.einsum("k,nkhw->nhw", weights, logits.softmax(dim=1)[:, 1:])


def _of_maps(maps: Tensor, slopes: Tensor) -> Tensor:
    """Heat (n, h, w) of maps (n, channels, h, w): each channel counts at each place by its own slope."""
    seen = (slopes.relu() * maps).sum(dim=1).relu()
    return seen / seen.amax().clamp(min=LEAST)
