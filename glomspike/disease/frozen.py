"""What an encoder that does not learn sees, computed once: trainings then cost a hundredth of the time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from glomspike.disease.augment import varied
from glomspike.disease.bags import Patient
from glomspike.disease.batch import cells_of_views, stacked
from glomspike.disease.model import DiseaseNetwork
from glomspike.findings import RGB
from glomspike.learn.evaluation import Progress, unseen
from glomspike.modalities import Modality

AT_ONCE = 8
Maps = Mapping[Modality, NDArray[np.float16]]  # of a patient's images (views, n, channels, h, w)


@dataclass(frozen=True, eq=False)
class FrozenMaps:
    """The maps of patients by name: `plain` of images as they are, `varied` of several views in training.

    `shapes` are those of one map of each modality (channels, h, w). `cells` (views, n, h, w) are what is
    known of the places on the varied micrographs (`places.py`).
    """

    plain: Mapping[str, Maps]
    varied: Mapping[str, Maps]
    shapes: Mapping[Modality, tuple[int, ...]]
    cells: Mapping[str, NDArray[np.int8]]


def frozen_maps(
    network: DiseaseNetwork,
    training: Sequence[Patient],
    validation: Sequence[Patient],
    views: int,
    seed: int,
    progress: Progress = unseen,
) -> FrozenMaps:
    """What the encoder sees of validation patients, and of `views` variations of training patients."""
    network.eval()
    shapes = {m: network.map_shape(m) for m in network.form.looks_at}
    shown: dict[str, Maps] = {}
    cells: dict[str, NDArray[np.int8]] = {}
    whole = views * len(training) + len(validation)
    for number, patient in enumerate(training):
        progress(views * number, whole)
        rng = np.random.default_rng([seed, number])
        shown[patient.name], cells[patient.name] = _of_patient(network, patient, views, rng)
    as_they_are: dict[str, Maps] = {}
    for number, patient in enumerate(validation):
        progress(views * len(training) + number, whole)
        as_they_are[patient.name] = plain_maps(network, patient)
    progress(whole, whole)
    return FrozenMaps(as_they_are, shown, shapes, cells)


def plain_maps(network: DiseaseNetwork, patient: Patient) -> Maps:
    """The maps of a patient's images as they are, as one view."""
    return {
        m: _encoded(network, [one.rgb for one in patient.images[m]], m)[None]
        for m in network.form.looks_at
        if m in patient.modalities
    }


def _of_patient(
    network: DiseaseNetwork, patient: Patient, views: int, rng: np.random.Generator
) -> tuple[Maps, NDArray[np.int8]]:
    """The maps of views of a patient's images, and the cells of those of the micrographs."""
    rows = network.map_shape("tem")[1]
    maps: dict[Modality, NDArray[np.float16]] = {}
    cells = np.zeros((views, 0, rows, rows), np.int8)
    for m in network.form.looks_at:
        images = patient.images.get(m)
        if not images:
            continue
        seen = [[varied(one, rng) for one in images] for _ in range(views)]
        maps[m] = np.stack([_encoded(network, [one.rgb for one in view], m) for view in seen])
        if m == "tem":
            cells = np.stack([cells_of_views(view, rows) for view in seen])
    return maps, cells


def _encoded(network: DiseaseNetwork, pictures: Sequence[RGB], modality: Modality) -> NDArray[np.float16]:
    device = next(network.parameters()).device
    side_px = network.form.sides_px[modality]
    parts = []
    with torch.inference_mode():
        for few in _groups(pictures):
            images = torch.from_numpy(stacked(few, side_px, len(few))).to(device)
            parts.append(network.encode(images, modality).half().cpu().numpy())
    return np.concatenate(parts)


def _groups(pictures: Sequence[RGB]) -> Iterator[Sequence[RGB]]:
    for first in range(0, len(pictures), AT_ONCE):
        yield pictures[first : first + AT_ONCE]
