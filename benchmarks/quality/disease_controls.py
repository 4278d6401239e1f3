"""Controls of the disease ablation: what must be at chance, since it holds nothing of the disease."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.disease_maps import KnownPatients
from glomspike.disease.bags import Patient
from glomspike.disease.frozen import FrozenMaps, Maps
from glomspike.disease.prepare import Instance
from glomspike.metrics.classes import class_statistics
from glomspike.modalities import MODALITIES, Modality


def permuted(patients: Sequence[Patient], seed: int) -> list[Patient]:
    """The patients with each other's diseases and stages, each disease's patients with all in proportion.

    Of a permutation by chance some would keep their disease more often than not, and that can be learnt.
    """
    rng = np.random.default_rng([seed, len(patients)])
    sizes = Counter(one.disease for one in patients)
    seen: Counter[str | None] = Counter()
    ranks: list[float] = []
    shuffled = [patients[n] for n in rng.permutation(len(patients))]
    for one in shuffled:
        ranks.append((seen[one.disease] + 0.5) / sizes[one.disease])
        seen[one.disease] += 1
    mixed = [shuffled[n] for n in np.argsort(ranks, kind="stable")]
    by_disease = sorted(range(len(patients)), key=lambda n: patients[n].disease or "")
    given = dict(zip(by_disease, mixed, strict=True))
    return [replace(one, disease=given[n].disease, stage=given[n].stage) for n, one in enumerate(patients)]


def deposits_unknown(patients: Sequence[Patient]) -> list[Patient]:
    """The patients, of whose micrographs nobody says which show deposits."""
    return _changed(patients, "tem", lambda one: replace(one, deposits=None, places=None))


def places_unknown(patients: Sequence[Patient]) -> list[Patient]:
    """The patients, of whose micrographs nobody says where deposits lie."""
    return _changed(patients, "tem", lambda one: replace(one, places=None))


def binding_unknown(patients: Sequence[Patient]) -> list[Patient]:
    """The patients, of whose fluorescence nobody says how antibodies bind."""
    return _changed(patients, "if", lambda one: replace(one, grade=None, site=None))


def _changed(
    patients: Sequence[Patient], modality: Modality, change: Callable[[Instance], Instance]
) -> list[Patient]:
    return [
        replace(one, images={**one.images, modality: tuple(map(change, one.images[modality]))})
        for one in patients
    ]


def without_deposits(known: KnownPatients) -> KnownPatients:
    """The patients with one micrograph that shows no deposits; those who have none are gone.

    One, because patients without a disease have more of them, and how sure the surest place of a patient is
    grows with the number of micrographs.
    """
    plain: dict[str, Maps] = {}
    varied: dict[str, Maps] = {}
    cells: dict[str, NDArray[np.int8]] = {}

    def stripped(patients: Sequence[Patient]) -> list[Patient]:
        left = []
        for one in patients:
            images = one.images["tem"]
            places = [n for n, i in enumerate(images) if not known.deposits[one.name, i.name]][:1]
            if not places:
                continue
            left.append(replace(one, images={"om": (), "if": (), "tem": tuple(images[n] for n in places)}))
            for kept, maps in ((plain, known.maps.plain), (varied, known.maps.varied)):
                if maps[one.name]:
                    kept[one.name] = {"tem": maps[one.name]["tem"][:, places]}
            if one.name in known.maps.cells:
                cells[one.name] = known.maps.cells[one.name][:, places]
        return left

    splits = [stripped(patients) for patients in (known.training, known.validation, known.test)]
    maps = FrozenMaps(plain, varied, known.maps.shapes, cells)
    return replace(known, training=splits[0], validation=splits[1], test=splits[2], maps=maps)


def counts_alone(known: KnownPatients) -> float:
    """The AUC on test patients of how many images there are, and at which scale micrographs are shown."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    diseases = known.diseases
    model.fit(
        [_counts(one) for one in known.training],
        [diseases.index(one.disease or "") for one in known.training],
    )
    truth = np.array([diseases.index(one.disease or "") for one in known.test], np.intp)
    return class_statistics(model.predict_proba([_counts(one) for one in known.test]), truth)["auc"]


def _counts(patient: Patient) -> list[float]:
    micrographs = patient.images["tem"]
    scale = float(np.mean([one.number for one in micrographs])) if micrographs else 0.0
    return [*(float(len(patient.images[m])) for m in MODALITIES), scale]
