"""The patients of a training and of its validation, checked before anything long begins."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glomspike.disease.bags import Patient, load_patients
from glomspike.disease.form import Form
from glomspike.errors import SamplesError
from glomspike.learn.evaluation import Progress
from glomspike.learn.samples import Sample, Split, in_split, read_samples
from glomspike.modalities import MODALITIES
from glomspike.networks.kinds import ProgressDisplay, unshown

_LEARNT_FROM: tuple[Split, ...] = ("train", "val")
SpikeScores = Callable[[Sequence[Sample], Progress], Mapping[str, NDArray[np.float32]]]
DiseaseByPatient = Mapping[str, str | None]  # the disease of each patient, by name


@dataclass(frozen=True, eq=False)
class Patients:
    """The patients of a training, and of its validation."""

    training: Sequence[Patient]
    validation: Sequence[Patient]

    @classmethod
    def of(
        cls,
        tables: Sequence[Path],
        form: Form,
        scored: SpikeScores | None = None,
        shown: ProgressDisplay = unshown,
    ) -> "Patients":
        """Those of tables, with what `scored` says of spikes: it takes time, and comes after the checks.

        Raises SamplesError where a split has too few diseases, or one not learnt.
        """
        samples = read_samples(tables, MODALITIES)
        where = ", ".join(map(str, tables))
        rows = {split: in_split(samples, split) for split in _LEARNT_FROM}
        _check_splits({split: stated_in(some) for split, some in rows.items()}, where)
        evidence = None
        with shown() as progress:
            if scored is not None:
                every = [one for some in rows.values() for one in some]
                evidence = scored(every, partial(progress, "spikes"))
            patients = {
                split: load_patients(some, form, evidence, partial(progress, f"images of split {split}"))
                for split, some in rows.items()
            }
        _check_splits({split: stated_of(some) for split, some in patients.items()}, where)
        return cls(patients["train"], patients["val"])


def stated_of(patients: Sequence[Patient]) -> DiseaseByPatient:
    """The disease of each patient by name."""
    return {one.name: one.disease for one in patients}


def stated_in(samples: Sequence[Sample]) -> DiseaseByPatient:
    """The disease of each patient of a table by name, where it is known."""
    return {one.patient: one.disease for one in samples if one.disease is not None}


def _check_splits(splits: Mapping[Split, DiseaseByPatient], where: str) -> None:
    for split, stated in splits.items():
        check_enough(stated, f"{where}, split {split}", "has patients of fewer than two diseases")
    check_diseases(splits["val"], set(splits["train"].values()), where)


def check_enough(stated: DiseaseByPatient, subject: str, cause: str) -> None:
    """Raises SamplesError where patients have fewer than two diseases."""
    if len(set(stated.values())) < 2:
        raise SamplesError(subject, cause, "state the diseases of more patients in the column disease")


def check_diseases(stated: DiseaseByPatient, known: Collection[str | None], subject: str) -> None:
    """Raises SamplesError for a patient whose disease is not among those known."""
    for name, disease in stated.items():
        if disease not in known:
            among = ", ".join(sorted(one for one in known if one))
            cause = f"patient {name} has {disease}, which is not among those learnt ({among})"
            raise SamplesError(subject, cause, "correct the column disease, or add training patients of it")
