"""How good a disease network is on patients of known disease, by every subset of modalities."""

from collections.abc import Sequence

from pydantic import JsonValue

from glomspike.disease.bags import load_patients
from glomspike.disease.examples import shown
from glomspike.disease.form import Form
from glomspike.disease.judge import EncodedPatient, encoded_patient, plain
from glomspike.disease.numbers import class_numbers, judged, stage_numbers, subset_numbers
from glomspike.disease.patients import check_diseases, check_enough, stated_in, stated_of
from glomspike.disease.spikes import spike_evidences
from glomspike.learn.evaluation import Evaluation, Progress, worst_sheet
from glomspike.learn.samples import Sample, names_of_tables
from glomspike.lesions.confusion import confusion_picture
from glomspike.metrics.classes import confusion_of
from glomspike.modalities import MODALITIES, Modality
from glomspike.networks.models import Model, load_models


def evaluate_disease(
    samples: Sequence[Sample], model: Model, progress: Progress, without: Sequence[Modality] = ()
) -> Evaluation:
    """Numbers over all patients of known disease, and for each subset of modalities over those who have it.

    Modalities in `without` are taken away. Raises SamplesError where there are not at least two diseases, or
    one that the network does not know.
    """
    network, card = plain(model.network), model.card
    allowed = tuple(m for m in MODALITIES if m not in without)
    left = [sample for sample in samples if sample.modality in allowed]
    subject, few = names_of_tables(samples), "has such images of patients with fewer than two diseases"
    stated = stated_in(left)
    check_diseases(stated, card.classes, subject)
    check_enough(stated, subject, few)
    models = load_models(device=model.device) if card.arguments["spikes"] else None
    known: list[EncodedPatient] = []
    for done, name in enumerate(stated):
        progress(done, len(stated))
        rows = [sample for sample in left if sample.patient == name]
        evidence = None if models is None else spike_evidences(models, rows)
        patients = load_patients(rows, Form.of(card.arguments), evidence)
        known += [encoded_patient(network, patient) for patient in patients]
    progress(len(stated), len(stated))
    check_enough(stated_of([one.patient for one in known]), subject, few)
    whole = judged(network, known, None, card.classes, card.class_calibration)
    numbers: dict[str, JsonValue] = {
        **class_numbers(whole, card.classes),
        "classes": list(card.classes),
        "without": list(without),
    }
    if card.arguments["stages"] and (staged := stage_numbers(network, known)) is not None:
        numbers["stage"] = staged
    numbers["subsets"] = subset_numbers(network, known, card.classes, card.class_calibration, allowed)
    worst = worst_sheet([shown(network, one, card.classes) for one in known])
    counts = confusion_of(whole.probabilities, whole.truth)
    return Evaluation(numbers, worst, {"confusion": confusion_picture(counts, card.classes)})
