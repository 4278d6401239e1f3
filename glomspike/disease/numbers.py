"""How good judgements of patients are: by subset of modalities, calibrated, staged, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from glomspike.disease.judge import EncodedPatient, logits_of
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.staging import stage_probabilities
from glomspike.disease.subsets import ALL, SUBSETS, Subset, subset_name
from glomspike.findings import Scores
from glomspike.learn.evaluation import interval_numbers
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.metrics.calibration import calibration_error, calibration_error_by_chance
from glomspike.metrics.classes import STATISTICS, Classes, class_quality
from glomspike.metrics.ordinal import ordinal_statistics, recall_by_grade
from glomspike.networks.weights import ClassCalibration

STAGE_STATISTICS = ("macro_recall", "mean_absolute_error", "quadratic_kappa")


@dataclass(frozen=True, eq=False)
class Judgements:
    """Patients judged on a subset: probabilities (n, diseases), true diseases (n,), names (n,)."""

    probabilities: Scores
    truth: Classes
    patients: np.ndarray[tuple[int], np.dtype[np.str_]]


def having(patients: Sequence[EncodedPatient], subset: Subset) -> list[EncodedPatient]:
    """The patients who have images of every modality of a subset."""
    return [one for one in patients if set(subset) <= set(one.patient.modalities)]


def truth_of(patients: Sequence[EncodedPatient], diseases: Sequence[str]) -> Classes:
    """The true disease of each patient (n,), as its place among `diseases`."""
    return np.array([diseases.index(one.patient.disease or "") for one in patients], dtype=np.intp)


def measurable_subsets(patients: Sequence[EncodedPatient]) -> tuple[Subset, ...]:
    """The subsets that patients of at least two diseases have."""
    return tuple(s for s in SUBSETS if len({one.patient.disease for one in having(patients, s)}) > 1)


def calibrated(logits: Scores, name: str, calibration: ClassCalibration | None) -> Scores:
    """Probabilities of logits that rest on the subset of this name; uncalibrated where nothing was fitted."""
    if calibration is None or name not in calibration.temperatures:
        calibration = ClassCalibration(method="temperature", temperatures={name: 1.0}, data="none")
    return calibration.probabilities(logits, name)


def judged(
    network: DiseaseNetwork,
    patients: Sequence[EncodedPatient],
    subset: Subset | None,
    diseases: Sequence[str],
    calibration: ClassCalibration | None,
) -> Judgements:
    """The patients judged on a subset, None being all that each of them has."""
    rows = []
    for one in patients:
        used = one.patient.modalities if subset is None else subset
        rows.append(calibrated(logits_of(network, [one], used)[0], subset_name(used), calibration))
    names = np.array([one.patient.name for one in patients])
    return Judgements(np.stack(rows), truth_of(patients, diseases), names)


def class_numbers(found: Judgements, diseases: Sequence[str]) -> dict[str, JsonValue]:
    """Balanced accuracy, macro F1 and AUC with their intervals, recalls, calibration error, confusion.

    `ece_by_chance` is the calibration error that perfectly calibrated probabilities have on so few patients.
    """
    quality = class_quality(found.probabilities, found.truth, found.patients)
    confusion = quality.confusion
    right = found.probabilities.argmax(axis=1) == found.truth
    surest = found.probabilities.max(axis=1)

    def of_draw(rows: Rows) -> list[float]:
        return [calibration_error(surest[rows], right[rows])]

    (ece,) = of_draw(np.arange(len(right)))
    ece_interval = intervals(found.patients, of_draw, lambda rows: len(rows) > 0)
    recall = {
        name: float(confusion[n, n] / confusion[n].sum())
        for n, name in enumerate(diseases)
        if confusion[n].sum()
    }
    return {
        **quality.values,
        **interval_numbers(STATISTICS, quality.ci95),
        "ece": ece,
        "ece_by_chance": calibration_error_by_chance(surest),
        **interval_numbers(("ece",), ece_interval),
        "recall": recall,
        "confusion": confusion.tolist(),
        "n_patients": len(found.truth),
    }


def stage_numbers(network: DiseaseNetwork, patients: Sequence[EncodedPatient]) -> dict[str, JsonValue] | None:
    """How well stages are named where they are known, whatever was called; None where none is known."""
    known = [one for one in patients if one.patient.stage is not None]
    if not known:
        return None
    truth = np.array([one.patient.stage for one in known], dtype=np.intp)
    named = np.array([named_stage(network, one, one.patient.modalities) for one in known], dtype=np.intp)
    names = np.array([one.patient.name for one in known])
    there = len(np.unique(truth))

    def of_draw(rows: Rows) -> list[float]:
        return list(ordinal_statistics(named[rows], truth[rows]).values())

    found = intervals(names, of_draw, lambda rows: len(np.unique(truth[rows])) == there)
    return {
        **ordinal_statistics(named, truth),
        **interval_numbers(STAGE_STATISTICS, found),
        "recall": {str(stage): value for stage, value in recall_by_grade(named, truth).items()},
        "n_patients": len(known),
    }


def named_stage(network: DiseaseNetwork, patient: EncodedPatient, subset: Subset) -> int:
    """The likeliest stage, 1 to 4."""
    chances = stage_probabilities(patient.answer(network, subset).stage)[0]
    return int(chances.argmax()) + 1


def subset_numbers(
    network: DiseaseNetwork,
    patients: Sequence[EncodedPatient],
    diseases: Sequence[str],
    calibration: ClassCalibration | None,
    allowed: Subset = ALL,
) -> dict[str, JsonValue]:
    """`class_numbers` for every subset of what is allowed, of the patients who have its modalities."""
    return {
        subset_name(subset): class_numbers(
            judged(network, having(patients, subset), subset, diseases, calibration), diseases
        )
        for subset in measurable_subsets(patients)
        if set(subset) <= set(allowed)
    }
