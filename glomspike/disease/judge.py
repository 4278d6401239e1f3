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
from glomspike.disease.model import Answer, DiseaseNetwork, SeenImages
from glomspike.disease.subsets import Subset
from glomspike.findings import Scores
from glomspike.learn.training import Batch
from glomspike.modalities import MODALITIES


@dataclass(frozen=True, eq=False)
class EncodedPatient:
    """A patient with what a network has seen in the images, and what is known of them but their pixels."""

    patient: Patient
    batch: Batch
    seen: SeenImages

    def answer(self, network: DiseaseNetwork, subset: Subset) -> Answer:
        """What the network says of the modalities of a subset."""
        with torch.inference_mode():
            return network.answer(only(self.batch, subset), self.seen)


def plain(network: nn.Module) -> DiseaseNetwork:
    """The network itself, which the training loop wraps."""
    return cast(DiseaseNetwork, getattr(network, "module", network))


def encoded_patient(network: DiseaseNetwork, patient: Patient) -> EncodedPatient:
    """A patient whose images are encoded now."""
    return _seen(network, patient, whole_patient(patient, network.form))


def patient_of_maps(network: DiseaseNetwork, patient: Patient, maps: Maps) -> EncodedPatient:
    """A patient whose images were encoded before."""
    example = evidence_of(patient)
    for m in MODALITIES:
        instances = patient.images.get(m, ())
        length = max(1, len(instances))
        example |= facts(instances, m, length)
        if m in network.form.looks_at:
            there = maps[m][0] if instances else np.zeros((1, *network.map_shape(m)))
            example[f"{m}_maps"] = there.astype(np.float32)
    return _seen(network, patient, {name: torch.from_numpy(array[None]) for name, array in example.items()})


def _seen(network: DiseaseNetwork, patient: Patient, batch: Batch) -> EncodedPatient:
    """The patient of a batch of one, without the pixels or maps that take most of its memory."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        seen = network.see({name: tensor.to(device) for name, tensor in batch.items()})
    shown = {*MODALITIES, *(f"{m}_maps" for m in MODALITIES)}
    known = {name: tensor.to(device) for name, tensor in batch.items() if name not in shown}
    return EncodedPatient(patient, known, seen)


def logits_of(network: DiseaseNetwork, patients: Sequence[EncodedPatient], subset: Subset) -> Scores:
    """The fused logits (n, diseases) of patients on a subset of modalities."""
    found = [one.answer(network, subset).fused[0].double().cpu().numpy() for one in patients]
    return np.stack(found)
