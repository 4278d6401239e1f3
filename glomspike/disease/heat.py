"""Where in each electron micrograph the evidence for a disease lies (LayerCAM, Jiang et al. 2021)."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from glomspike.disease.batch import only
from glomspike.disease.judge import EncodedPatient
from glomspike.disease.model import Answer, DiseaseNetwork
from glomspike.disease.subsets import Subset

Heats = NDArray[np.float32]  # (n, side, side), 0 to 1


def micrograph_heats(network: DiseaseNetwork, patient: EncodedPatient, subset: Subset, disease: int) -> Heats:
    """How much each place of each micrograph speaks for a disease, of the highest of the patient.

    The gradient of the disease's fused logit weighs what the encoder saw, each channel at each place, since
    places do not count alike; what speaks against the disease is 0.
    """
    maps = patient.batch["tem_maps"].detach().clone().requires_grad_(True)
    with torch.enable_grad():
        answer = Answer(*network(only({**patient.batch, "tem_maps": maps}, subset)))
        (slopes,) = torch.autograd.grad(answer.fused[0, disease], maps)
    seen = (slopes.relu() * maps).sum(dim=2).relu()[0].detach().float().cpu().numpy()
    seen /= max(float(seen.max()), 1e-12)
    side_px = network.form.sides_px["tem"]
    enlarged = [cv2.resize(one, (side_px, side_px), interpolation=cv2.INTER_CUBIC) for one in seen]
    heats: Heats = np.clip(np.stack(enlarged), 0, 1).astype(np.float32)
    return heats
