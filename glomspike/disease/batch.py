"""Patients as the arrays that the network takes: filled up to one length, with what is there marked."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from glomspike.disease.augment import View
from glomspike.disease.bags import Patient
from glomspike.disease.binding import known_binding
from glomspike.disease.evidence import EVIDENCE
from glomspike.disease.form import Form
from glomspike.disease.model import marker_number
from glomspike.disease.places import known_cells
from glomspike.disease.prepare import Instance
from glomspike.learn.training import Batch, Example
from glomspike.modalities import MODALITIES, Modality

UNKNOWN = -1  # whether a micrograph shows deposits


def facts(instances: Sequence[Instance], modality: Modality, length: int) -> Example:
    """What is known of the images of one modality, up to a length: present, marker, number, deposits."""
    present = np.zeros(length, np.bool_)
    marker = np.zeros(length, np.int64)
    number = np.zeros(length, np.float32)
    present[: len(instances)] = True
    marker[: len(instances)] = [marker_number(modality, one.marker) for one in instances]
    number[: len(instances)] = [one.number for one in instances]
    known: Example = {
        f"{modality}_present": present,
        f"{modality}_marker": marker,
        f"{modality}_number": number,
    }
    if modality == "tem":
        known["tem_deposits"] = deposits_of([one.deposits for one in instances], length)
    if modality == "if":
        known["if_binding"] = known_binding([(one.grade, one.site) for one in instances], length)
    return known


def deposits_of(shown: Sequence[bool | None], length: int) -> NDArray[np.int64]:
    """Whether each micrograph shows deposits, up to a length."""
    deposits = np.full(length, UNKNOWN, np.int64)
    deposits[: len(shown)] = [UNKNOWN if one is None else one for one in shown]
    return deposits


def cells_of_views(views: Sequence[View], rows: int) -> NDArray[np.int8]:
    """What is known of each place (n, rows, rows) of micrographs as they are shown."""
    return np.stack([known_cells(view.places, view.deposits, rows) for view in views])


def stacked(pictures: Sequence[NDArray[np.uint8]], side_px: int, length: int) -> NDArray[np.uint8]:
    """Squares (length, side, side, 3), black where there are fewer."""
    images = np.zeros((length, side_px, side_px, 3), np.uint8)
    if pictures:
        images[: len(pictures)] = np.stack(pictures)
    return images


def evidence_of(patient: Patient, *, shown: bool = True) -> Example:
    """The spike evidence of a patient, absent where there is none or it is not shown."""
    scored = patient.evidence is not None and shown
    numbers = patient.evidence if scored else np.zeros(len(EVIDENCE), np.float32)
    return {"evidence": np.asarray(numbers, np.float32), "scored": np.array(scored)}


def whole_patient(patient: Patient, form: Form) -> Batch:
    """A batch of one patient with all images that a form looks at, as they are."""
    example: Example = evidence_of(patient)
    for m in MODALITIES:
        instances = patient.images.get(m, ())
        length = max(1, len(instances))
        example |= facts(instances, m, length)
        if m in form.looks_at:
            example[m] = stacked([one.rgb for one in instances], form.sides_px[m], length)
    return {name: torch.from_numpy(array[None]) for name, array in example.items()}


def only(batch: Batch, modalities: Collection[Modality]) -> Batch:
    """The same batch without what is of other modalities; spike evidence goes with light microscopy."""
    shown = dict(batch)
    for m in MODALITIES:
        if m not in modalities:
            shown[f"{m}_present"] = torch.zeros_like(batch[f"{m}_present"])
    if "om" not in modalities:
        shown["scored"] = torch.zeros_like(batch["scored"])
    return shown
