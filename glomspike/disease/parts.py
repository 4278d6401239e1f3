"""Parts of micrographs: how an encoder learns to see deposits, and how well it finds them.

A deposit fills a hundredth of a micrograph, so a part shows more of them for its size.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from glomspike.disease.augment import varied
from glomspike.disease.bags import Patient
from glomspike.disease.batch import cells_of_views, facts, stacked
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.places import SOMEWHERE
from glomspike.disease.prepare import Instance
from glomspike.metrics.classes import class_statistics
from glomspike.modalities import DEPOSIT_PLACES

PARTS, PART_STEP_PX = 3.5, 32  # a part's sides are about those of a micrograph, divided by this
AT_ONCE = 16
_KINDS = range(1, SOMEWHERE)


def part_px(side_px: int) -> int:
    """The side of a part of a micrograph with sides of `side_px`."""
    return PART_STEP_PX * round(side_px / PARTS / PART_STEP_PX)


def marked(patient: Patient) -> bool:
    """Whether a mask says where deposits lie on any of a patient's micrographs."""
    return any(one.places is not None for one in patient.images.get("tem", ()))


def finding_deposits(network: DiseaseNetwork, patients: Sequence[Patient], seed: int) -> dict[str, float]:
    """For each kind of deposit, how well the surest place tells parts that show one from others (AUC).

    Of each micrograph whose mask says where deposits lie, or which has none, one part is seen, always the
    same of a seed. Kinds that all parts show, or none, are left out.
    """
    known = list(_known(patients))
    truth, surest = [], []
    for first in range(0, len(known), AT_ONCE):
        cells, chances = _seen(network, known[first : first + AT_ONCE], seed)
        truth.append(np.stack([(cells == kind).any(axis=(1, 2)) for kind in _KINDS], axis=1))
        surest.append(chances)
    if not truth:
        return {}
    shows, scores = np.concatenate(truth), np.concatenate(surest)
    return {
        f"finds {place}": class_statistics(np.stack([1 - score, score], axis=1), kind.astype(np.intp))["auc"]
        for place, kind, score in zip(DEPOSIT_PLACES, shows.T, scores.T, strict=True)
        if 0 < kind.sum() < len(kind)
    }


def _known(patients: Sequence[Patient]) -> Iterator[Instance]:
    for patient in patients:
        for one in patient.images.get("tem", ()):
            if one.deposits is False or (one.places is not None and not (one.places == SOMEWHERE).any()):
                yield one


def _seen(
    network: DiseaseNetwork, instances: Sequence[Instance], seed: int
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """What cells (n, h, w) of a part of each micrograph show, how sure the surest of each kind is (n, 4)."""
    side_px = part_px(network.form.sides_px["tem"])
    views = [varied(one, np.random.default_rng([seed, *one.name.encode()]), side_px) for one in instances]
    known = facts(instances, "tem", len(views)) | {
        "tem": stacked([v.rgb for v in views], side_px, len(views))
    }
    device = next(network.parameters()).device
    batch = {name: torch.from_numpy(array[None]).to(device) for name, array in known.items()}
    with torch.inference_mode():
        logits = network.places_of(batch).kinds[0]
    chances = logits.softmax(dim=1)[:, 1:].amax(dim=(2, 3)).double().cpu().numpy()
    return cells_of_views(views, logits.shape[2]), chances
