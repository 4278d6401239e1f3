"""Patients on one sheet: of each the image that counts most, what was predicted and what is true."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glomspike.disease.judge import EncodedPatient, logits_of
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.prepare import Instance
from glomspike.findings import RGB
from glomspike.learn.sheets import sheet

EXAMPLES = 24


@dataclass(frozen=True, eq=False)
class PatientExample:
    """A patient with one image, as a case of an evaluation's worst."""

    pixels: RGB
    truth: str
    predicted: str
    probability: float
    of_truth: float
    name: str

    @property
    def badness(self) -> float:
        """How improbable the truth was."""
        return 1 - self.of_truth

    @property
    def caption(self) -> str:
        """True disease and predicted one."""
        return f"{self.truth}, predicted {self.predicted} {self.probability:.2f}: {self.name}"

    def drawn(self) -> RGB:
        """The image."""
        return self.pixels


def shown(network: DiseaseNetwork, patient: EncodedPatient, diseases: Sequence[str]) -> PatientExample:
    """A patient with the most telling image: the micrograph that counts most, or the first there is."""
    subject, used = patient.patient, patient.patient.modalities
    logits = logits_of(network, [patient], used)[0]
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    best = int(chances.argmax())
    truth = subject.disease or ""
    pixels = _telling(network, patient).rgb
    return PatientExample(
        pixels,
        truth,
        diseases[best],
        float(chances[best]),
        float(chances[diseases.index(truth)]),
        subject.name,
    )


def _telling(network: DiseaseNetwork, patient: EncodedPatient) -> Instance:
    used = patient.patient.modalities
    micrographs = patient.patient.images.get("tem", ())
    if not micrographs:
        return patient.patient.images[used[0]][0]
    weights = patient.answer(network, used).weighing.weights[0]
    return micrographs[int(weights.argmax())]


def example_sheet(
    network: DiseaseNetwork, patients: Sequence[EncodedPatient], diseases: Sequence[str]
) -> RGB:
    """Patients on a sheet."""
    cases = [shown(network, one, diseases) for one in patients]
    return sheet([case.drawn() for case in cases], [case.caption for case in cases])
