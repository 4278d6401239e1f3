"""Phantom patients with what a frozen encoder sees in their images, computed once and kept on the disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glomspike.disease.bags import Patient, load_patients
from glomspike.disease.encoder import BY_CARD
from glomspike.disease.form import SIDES_PX, Form
from glomspike.disease.frozen import FrozenMaps, Maps, frozen_maps
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.spikes import spike_evidences
from glomspike.disease.subsets import Subset
from glomspike.learn.pretrain.encoder import encoder_kind, encoder_name, load_encoder
from glomspike.learn.samples import Sample, read_samples
from glomspike.modalities import MODALITIES
from glomspike.networks.models import load_models
from glomspike.networks.weights import load_card, load_state


@dataclass(frozen=True, eq=False)
class KnownPatients:
    """The patients of a table by split, the maps of all, and which micrographs show deposits.

    `deposits` is by patient and image; `begin` are the tensors of the encoder, or of the whole network where
    that is what the encoder is taken from.
    """

    table: Path
    form: Form
    begin: dict[str, Tensor]
    training: Sequence[Patient]
    validation: Sequence[Patient]
    test: Sequence[Patient]
    maps: FrozenMaps
    deposits: Mapping[tuple[str, str], bool]

    @property
    def diseases(self) -> tuple[str, ...]:
        """Those of the training patients, sorted."""
        return tuple(sorted({one.disease or "" for one in self.training}))

    def stripped(self, subset: Subset) -> "KnownPatients":
        """The same with images of some modalities only; patients without any are gone."""

        def only(patients: Sequence[Patient]) -> list[Patient]:
            some = [
                replace(one, images={m: one.images[m] if m in subset else () for m in MODALITIES})
                for one in patients
            ]
            return [one for one in some if one.modalities]

        return replace(
            self, training=only(self.training), validation=only(self.validation), test=only(self.test)
        )


def known_patients(
    table: Path,
    folder: Path,
    encoder: Path,
    views: int,
    most: int | None,
    tem_px: int,
    device: torch.device,
) -> KnownPatients:
    """The patients of a table; their maps are taken from `folder`, or put there."""
    folder.mkdir(parents=True, exist_ok=True)
    form = Form(encoder=BY_CARD[encoder_name(encoder) or ""], sides_px={**SIDES_PX, "tem": tem_px})
    begin = beginning(encoder)
    network = DiseaseNetwork(replace(form, aggregate="place-attention"), 2)  # looks at every modality
    network.encoder.begin_with(begin)
    network.eval().to(device)
    samples = read_samples([table], MODALITIES)
    if most is not None:
        chosen = set(list(dict.fromkeys(one.patient for one in samples))[:most])
        samples = tuple(one for one in samples if one.patient in chosen)
    evidence = _evidence(folder / "evidence.npz", samples, device)
    splits: dict[str, list[Patient]] = {"train": [], "val": [], "test": []}
    plain: dict[str, Maps] = {}
    varied: dict[str, Maps] = {}
    cells: dict[str, NDArray[np.int8]] = {}
    by_patient: dict[str, list[Sample]] = {}
    for sample in samples:
        by_patient.setdefault(sample.patient, []).append(sample)
    for number, rows in enumerate(by_patient.values()):
        (patient,) = load_patients(rows, form, evidence)
        split = rows[0].split
        kept = folder / f"{patient.name}.npz"
        if not kept.is_file():
            _write(kept, network, patient, views if split == "train" else 0, number)
        stored = np.load(kept)
        own = {name: stored[name] for name in stored.files}
        plain[patient.name] = {m: own[f"plain-{m}"] for m in MODALITIES if f"plain-{m}" in own}
        if "cells" in own:
            cells[patient.name] = own["cells"]
        varied[patient.name] = {m: own[f"varied-{m}"] for m in MODALITIES if f"varied-{m}" in own}
        splits[split].append(patient)
    shapes = {m: network.map_shape(m) for m in MODALITIES}
    maps = FrozenMaps(plain, varied, shapes, cells)
    deposits = {(one.patient, one.image.name): one.deposits for one in samples if one.deposits is not None}
    return KnownPatients(table, form, begin, splits["train"], splits["val"], splits["test"], maps, deposits)


def beginning(encoder: Path) -> dict[str, Tensor]:
    """All tensors of a disease network, of other weights those of their encoder."""
    if encoder_kind(encoder) != "disease":
        return load_encoder(encoder)
    return load_state(*load_card("disease", encoder))


def _evidence(
    path: Path, samples: Sequence[Sample], device: torch.device
) -> Mapping[str, NDArray[np.float32]]:
    """What the installed spike classifier says of each patient's glomeruli in silver."""
    if not path.is_file():
        part = path.with_suffix(".part.npz")
        np.savez(part, allow_pickle=False, **spike_evidences(load_models(device=device), samples))
        part.rename(path)
    stored = np.load(path)
    return {name: stored[name] for name in stored.files}


def _write(path: Path, network: DiseaseNetwork, patient: Patient, views: int, seed: int) -> None:
    training, others = ([patient], []) if views else ([], [patient])
    found = frozen_maps(network, training, others, views, seed)
    arrays: dict[str, NDArray[np.float16] | NDArray[np.int8]] = {
        f"plain-{m}": maps for one in found.plain.values() for m, maps in one.items()
    }
    for maps in found.varied.values():
        arrays |= {f"varied-{m}": views_of for m, views_of in maps.items()}
    for of_patient in found.cells.values():
        arrays["cells"] = of_patient
    part = path.with_suffix(".part.npz")
    np.savez(part, allow_pickle=False, **arrays)
    part.rename(path)
