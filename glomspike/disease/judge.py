"""The network on one patient: encoded once, judged on any subset of modalities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from glomspike.disease.bags import Patient
from glomspike.disease.batch import evidence_of, facts, only, whole_patient
from glomspike.disease.frozen import Maps
from glomspike.disease.model import Answer, DiseaseNetwork
from glomspike.disease.subsets import Subset
from glomspike.findings import Scores
from glomspike.learn.training import Batch
from glomspike.modalities import MODALITIES


@dataclass(frozen=True, eq=False)
class EncodedPatient:
    """A patient with what the encoder saw of the images."""

    patient: Patient
    batch: Batch

    def answer(self, network: DiseaseNetwork, subset: Subset) -> Answer:
        """What the network says of the modalities of a subset."""
        with torch.inference_mode():
            return Answer(*network(only(self.batch, subset)))


def plain(network: nn.Module) -> DiseaseNetwork:
    """The network itself, which the training loop wraps."""
    return cast(DiseaseNetwork, getattr(network, "module", network))


def encoded_patient(network: DiseaseNetwork, patient: Patient) -> EncodedPatient:
    """A patient whose images are encoded now."""
    device = next(network.parameters()).device
    batch = {name: tensor.to(device) for name, tensor in whole_patient(patient, network.form).items()}
    with torch.inference_mode():
        for m in network.form.looks_at:
            encoded = network.encode(batch[m][0][batch[f"{m}_present"][0]], m)
            maps = encoded.new_zeros(batch[m].shape[1], *encoded.shape[1:])
            maps[batch[f"{m}_present"][0]] = encoded
            batch[f"{m}_maps"] = maps[None]
            del batch[m]
    return EncodedPatient(patient, batch)


def patient_of_maps(network: DiseaseNetwork, patient: Patient, maps: Maps) -> EncodedPatient:
    """A patient whose images were encoded before."""
    example = evidence_of(patient)
    for m in MODALITIES:
        instances = patient.images.get(m, ())
        length = max(1, len(instances))
        example |= facts(instances, m, length)
        if m not in network.form.looks_at:
            continue
        seen = maps[m][0] if instances else np.zeros((1, *network.map_shape(m)))
        example[f"{m}_maps"] = seen.astype(np.float32)
    device = next(network.parameters()).device
    return EncodedPatient(
        patient, {name: torch.from_numpy(array[None]).to(device) for name, array in example.items()}
    )


def logits_of(network: DiseaseNetwork, patients: Sequence[EncodedPatient], subset: Subset) -> Scores:
    """The fused logits (n, diseases) of patients on a subset of modalities."""
    found = [one.answer(network, subset).fused[0].double().cpu().numpy() for one in patients]
    return np.stack(found)
