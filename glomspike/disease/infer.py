"""What a disease model says of one case: fused, by each modality, without each, by each image, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from glomspike.disease.bags import Patient
from glomspike.disease.binding import binding_seen
from glomspike.disease.evidence import EVIDENCE
from glomspike.disease.heat import Heats, micrograph_heats
from glomspike.disease.judge import EncodedPatient, encoded_patient, logits_of, plain
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.numbers import calibrated
from glomspike.disease.places import place_chances
from glomspike.disease.prepare import Instance
from glomspike.disease.staging import stage_probabilities
from glomspike.disease.subsets import Subset, subset_name
from glomspike.learn.samples import STAGED
from glomspike.modalities import MODALITIES, NAMES, Modality
from glomspike.networks.models import Model
from glomspike.networks.weights import Card, Metric
from glomspike.results.disease_record import DiseaseImage, DiseaseRecord, Opinion

FEW = 2  # electron micrographs, below which nothing says whether one is typical


@dataclass(frozen=True, eq=False)
class Judgement:
    """The record of a case without its pictures; its images in the record's order, heats of micrographs."""

    record: DiseaseRecord
    shown: tuple[Instance, ...]
    heats: Heats = field(default_factory=lambda: np.zeros((0, 1, 1), np.float32))


def measured_subsets(card: Card) -> dict[str, Metric]:
    """The AUC of each subset of modalities that a card has one of, by the subset's name."""
    prefix = "auc "
    return {m.name.removeprefix(prefix): m for m in card.metrics if m.name.startswith(prefix)}


def judge_case(model: Model, patient: Patient) -> Judgement:
    """What the model says of a case with at least one image, and where on its micrographs that lies."""
    network, card = plain(model.network), model.card
    known = encoded_patient(network, patient)
    used = patient.modalities
    fused = _opinion(network, known, used, card)
    called: str | None = None
    margin: float | None = None
    stage: int | None = None
    chances: list[float] | None = None
    heats = np.zeros((0, 1, 1), np.float32)
    if fused.probabilities is not None:
        (called, first), (_, second) = _ranked(fused.probabilities)[:2]
        margin = first - second
        if called == STAGED and card.arguments["stages"]:
            chances = stage_probabilities(known.answer(network, used).stage)[0].tolist()
            stage = int(np.argmax(chances)) + 1
        if "tem" in used:
            heats = micrograph_heats(network, known, used, card.classes.index(called))
    images, shown = _images(network, known, card)
    record = DiseaseRecord(
        fused=fused,
        called=called,
        margin=None if margin is None else round(margin, 4),
        stage=stage,
        stage_probabilities=None if chances is None else tuple(round(p, 4) for p in chances),
        by_modality=tuple(_opinion(network, known, (m,), card) for m in used) if len(used) > 1 else (),
        without=tuple(_opinion(network, known, _but(used, m), card) for m in used) if len(used) > 1 else (),
        images=images,
        evidence=_evidence(patient),
        trained_on=", ".join(data.name for data in card.training_data),
        limits=card.limits,
        warnings=tuple(_warnings(patient)),
    )
    return Judgement(record, shown, heats)


def no_judgement(card: Card) -> Judgement:
    """Of a case of which no image could be used."""
    reason = "none of its images could be used"
    record = DiseaseRecord(
        fused=Opinion(modalities="", probabilities=None, reason=reason),
        called=None,
        margin=None,
        stage=None,
        stage_probabilities=None,
        by_modality=(),
        without=(),
        images=(),
        evidence=None,
        trained_on=", ".join(data.name for data in card.training_data),
        limits=card.limits,
        warnings=(f"no disease was predicted: {reason}",),
    )
    return Judgement(record, ())


def _but(used: Subset, modality: Modality) -> Subset:
    return tuple(m for m in used if m != modality)


def modality_words(modalities: Sequence[Modality]) -> str:
    """Modalities in words: "light and electron microscopy"."""
    names = [NAMES[m] for m in modalities]
    *before, last = names
    return f"{', '.join(before)} and {last} microscopy" if before else f"{last} microscopy"


def _opinion(network: DiseaseNetwork, known: EncodedPatient, subset: Subset, card: Card) -> Opinion:
    """The calibrated probabilities on a subset, or why there are none."""
    name, measured = subset_name(subset), measured_subsets(card)
    metric = measured.get(name)
    if metric is None:
        on = f"{modality_words(subset)} alone" if measured else "patients, only on parts of micrographs"
        reason = f"these weights were never measured on {on}"
        return Opinion(modalities=name, probabilities=None, reason=reason)
    found = calibrated(logits_of(network, [known], subset)[0], name, card.class_calibration)
    return Opinion(
        modalities=name,
        probabilities=_by_name(card, found),
        auc=round(metric.value, 4),
        patients=metric.n,
    )


def _ranked(probabilities: Mapping[str, float]) -> list[tuple[str, float]]:
    """Diseases and their probabilities, the likeliest first."""
    return sorted(probabilities.items(), key=lambda item: -item[1])


def _by_name(card: Card, probabilities: np.ndarray) -> dict[str, float]:
    return {name: round(float(p), 4) for name, p in zip(card.classes, probabilities, strict=True)}


def _images(
    network: DiseaseNetwork, known: EncodedPatient, card: Card
) -> tuple[tuple[DiseaseImage, ...], tuple[Instance, ...]]:
    """Every image with what it counts and says alone, micrographs by what they count."""
    used = known.patient.modalities
    answer = known.answer(network, used)
    weighing = answer.weighing
    measured = measured_subsets(card)
    by_place, graded = bool(card.arguments.get("places")), bool(card.arguments.get("binding"))
    found, shown = [], []
    for m in MODALITIES:
        for n, instance in enumerate(known.patient.images.get(m, ())):
            alone = None
            if m in measured and m in network.form.looks_at:
                logits = logits_of(network, [_alone(known, m, n)], (m,))[0]
                alone = _by_name(card, calibrated(logits, m, card.class_calibration))
            is_weighed = m == "tem"
            stained = m == "if" and graded
            grades, sites = binding_seen(answer.binding[0, n]) if stained else (None, None)
            image = DiseaseImage(
                image=instance.name,
                modality=m,
                marker=instance.marker or "",
                weight=round(float(weighing.weights[0, n]), 4) if is_weighed else None,
                kept=bool(weighing.kept[0, n]) if is_weighed else None,
                distance=round(float(weighing.distance[0, n]), 4) if is_weighed else None,
                deposits=place_chances(answer.places[0, n]) if is_weighed and by_place else None,
                grades=grades,
                sites=sites,
                probabilities=alone,
            )
            found.append(image)
            shown.append(instance)
    return tuple(found), tuple(shown)


def _alone(known: EncodedPatient, modality: Modality, place: int) -> EncodedPatient:
    """The patient with a single image."""
    present = torch.zeros_like(known.batch[f"{modality}_present"])
    present[0, place] = True
    batch: Mapping[str, torch.Tensor] = {**known.batch, f"{modality}_present": present}
    return EncodedPatient(known.patient, dict(batch), known.seen)


def _evidence(patient: Patient) -> dict[str, float] | None:
    if patient.evidence is None:
        return None
    return {name: round(float(x), 4) for name, x in zip(EVIDENCE, patient.evidence, strict=True)}


def _warnings(patient: Patient) -> list[str]:
    """What of a case is missing or scarce, a sentence each."""
    missing = tuple(m for m in MODALITIES if m not in patient.modalities)
    said = []
    if missing:
        rest = modality_words(patient.modalities)
        said.append(f"{modality_words(missing)} is missing: the disease was predicted from {rest}")
    if 0 < len(patient.images.get("tem", ())) < FEW:
        said.append("a single electron micrograph: whether it is typical of the case cannot be seen")
    unknown = sum(not one.marker for one in patient.images.get("if", ()))
    if unknown:
        said.append(f"the antibody of {unknown} fluorescence images is not stated")
    return said
