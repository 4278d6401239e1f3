"""The disease network's training: patients of known disease, with the modalities that each of them has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from torch import Tensor, nn
from torch.nn import functional

from glomspike.disease.augment import View, varied
from glomspike.disease.bags import Patient
from glomspike.disease.batch import cells_of_views, deposits_of, evidence_of, facts, stacked
from glomspike.disease.binding import binding_loss
from glomspike.disease.encoder import map_side
from glomspike.disease.examples import EXAMPLES, example_sheet
from glomspike.disease.form import BRANCHES, Branches, Form
from glomspike.disease.frozen import FrozenMaps, frozen_maps
from glomspike.disease.judge import EncodedPatient, encoded_patient, logits_of, patient_of_maps, plain
from glomspike.disease.model import Answer, DiseaseNetwork
from glomspike.disease.numbers import having, judged, measurable_subsets, named_stage, truth_of
from glomspike.disease.parts import finding_deposits, marked, part_px
from glomspike.disease.patients import Patients, check_diseases, stated_of
from glomspike.disease.places import UNKNOWN, known_cells, place_loss
from glomspike.disease.staging import stage_loss, stage_weights
from glomspike.disease.subsets import subset_name
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng
from glomspike.learn.sheets import evenly
from glomspike.learn.training import (
    LICENCE,
    NORMALISATION,
    Batch,
    Example,
    task_signature,
    training_data,
)
from glomspike.metrics.calibration import temperature
from glomspike.metrics.classes import class_statistics
from glomspike.metrics.ordinal import ordinal_statistics
from glomspike.modalities import MODALITIES, Modality
from glomspike.networks.kinds import ProgressDisplay, unshown
from glomspike.networks.weights import Card, CardDraft, ClassCalibration, Metric

LIGHT, FLUORESCENCE = 4, 8  # images a patient that are learnt from at once
WHOLE_EVERY = 3  # of so many epochs on parts of micrographs, one shows the other modalities as well
VIEWS = 4  # of each image that an encoder which does not learn sees
EVIDENCE_SHOWN = 0.5
QUALITY, QUALITY_OF_PARTS = "subset_log_likelihood", "finds_deposits"
LIMITS = "can name only the diseases of its training patients, and names one of them for any patient"


@dataclass(frozen=True)
class DiseaseOptions:
    """What learns, and from what.

    `instances` is how many micrographs of a patient are seen at once, `modality_dropout` how often a modality
    is left out, `branches` what the losses of the three branches count, `frozen` whether the encoder stays as
    it begins, `parts` whether it learns from parts of micrographs: where masks mark deposits, most epochs are
    about those alone, and the best is the one that finds them best.
    """

    form: Form = field(default_factory=Form)
    instances: int = 10
    modality_dropout: float = 0.3
    branches: Branches = BRANCHES
    frozen: bool = False
    parts: bool = False
    spikes: bool = False


class DiseaseTask:
    """Brings the disease network to the training loop.

    `diseases` are those of a network that goes on learning, else the training patients'. `maps` is what a
    frozen encoder sees, where that was computed before.
    """

    def __init__(
        self,
        tables: Sequence[Path],
        options: DiseaseOptions,
        begin: dict[str, Tensor] | None,
        patients: Patients,
        *,
        seed: int = 0,
        diseases: tuple[str, ...] | None = None,
        photographs: bool = False,
        maps: FrozenMaps | None = None,
        shown: ProgressDisplay = unshown,
    ) -> None:
        self.tables, self.options, self.begin = tables, options, begin
        self.photographs, self.seed, self.maps, self.shown = photographs, seed, maps, shown
        self.diseases = diseases or tuple(sorted({one.disease or "" for one in patients.training}))
        check_diseases(stated_of(patients.training), self.diseases, ", ".join(map(str, tables)))
        self.training, self.validation = list(patients.training), list(patients.validation)
        self.order = list(range(len(self.training)))
        self.stage_weights = stage_weights(one.stage for one in self.training)
        by_parts = options.parts and options.form.by_place
        self.by_marks = by_parts and any(map(marked, self.training)) and any(map(marked, self.validation))
        self.marks_alone = False  # whether this epoch is about marked deposits and nothing else

    @property
    def quality(self) -> str:
        return QUALITY_OF_PARTS if self.by_marks else QUALITY

    @property
    def signature(self) -> str:
        beginning = ["photographs"] if self.photographs else []
        return task_signature(self.tables, self.options, self.begin, *beginning)

    def network(self) -> nn.Module:
        network = DiseaseNetwork(self.options.form, len(self.diseases), photographs=self.photographs)
        if self.begin is not None:
            if "fusion.0.weight" in self.begin:
                network.load_state_dict(self.begin)
            else:
                network.encoder.begin_with(self.begin)
        if self.options.frozen:
            network.freeze_encoder()
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        """All training patients once, or those with micrographs, in an order of this epoch's."""
        if self.options.frozen and self.maps is None:
            with self.shown() as progress:
                seen = partial(progress, "views encoded")
                self.maps = frozen_maps(
                    plain(network), self.training, self.validation, VIEWS, self.seed, seen
                )
        self.marks_alone = self.by_marks and epoch % WHOLE_EVERY != 0
        shown = [n for n, one in enumerate(self.training) if not self.marks_alone or "tem" in one.modalities]
        self.order = np.random.default_rng([self.seed, epoch]).permutation(shown).tolist()
        return len(self.order)

    def sample(self, index: int, rng: Rng) -> Example:
        patient = self.training[self.order[index]]
        shown = self._shown(patient, rng)
        example = evidence_of(patient, shown="om" in shown and rng.random() < EVIDENCE_SHOWN)
        for m in MODALITIES:
            example |= self._images(patient, m, self._length(m), m in shown, rng)
        disease = UNKNOWN if self.marks_alone else self.diseases.index(patient.disease or "")
        example["disease"] = np.array(disease)
        example["stage"] = np.array(patient.stage or 0)
        return example

    def _shown(self, patient: Patient, rng: Rng) -> tuple[Modality, ...]:
        """The modalities shown of a patient: each is left out at times, but never all."""
        if self.marks_alone:
            return ("tem",)
        there = patient.modalities
        kept = [m for m in there if rng.random() >= self.options.modality_dropout]
        return tuple(kept) if kept else (there[rng.integers(len(there))],)

    def _length(self, modality: Modality) -> int:
        return {"om": LIGHT, "if": FLUORESCENCE, "tem": self.options.instances}[modality]

    def _images(self, patient: Patient, m: Modality, length: int, shown: bool, rng: Rng) -> Example:
        """A random choice of a patient's images of a modality, varied."""
        there = patient.images.get(m, ()) if shown else ()
        chosen = rng.permutation(len(there))[:length].tolist()
        instances = [there[n] for n in chosen]
        example = facts(instances, m, length)
        if m not in self.options.form.looks_at:
            return example
        if self.maps is not None:
            return example | self._maps(patient, m, chosen, length, rng)
        side_px = self.options.form.sides_px[m]
        if m != "tem":
            views = [varied(one, rng) for one in instances]
            return example | {m: stacked([one.rgb for one in views], side_px, length)}
        of_part_px = part_px(side_px) if self.options.parts else None
        views = [varied(one, rng, of_part_px) for one in instances]
        return example | self._micrographs(views, of_part_px or side_px, length)

    def _micrographs(self, views: list[View], side_px: int, length: int) -> Example:
        """Micrographs as they are shown, with what is known of the deposits on them."""
        rows = map_side(self.options.form.encoder, "tem", side_px)
        cells = np.full((length, rows, rows), UNKNOWN, np.int8)
        if views:
            cells[: len(views)] = cells_of_views(views, rows)
        pictures = stacked([one.rgb for one in views], side_px, length)
        deposits = deposits_of([one.deposits for one in views], length)
        return {"tem": pictures, "tem_places": cells, "tem_deposits": deposits}

    def _maps(self, patient: Patient, m: Modality, chosen: list[int], length: int, rng: Rng) -> Example:
        """What a frozen encoder saw of the chosen images, each in one of its views."""
        assert self.maps is not None
        maps = np.zeros((length, *self.maps.shapes[m]), np.float16)
        cells = np.full((length, *self.maps.shapes[m][1:]), UNKNOWN, np.int8)
        for place, n in enumerate(chosen):
            views = self.maps.varied[patient.name][m]
            view = rng.integers(len(views))
            maps[place] = views[view, n]
            one = patient.images[m][n]
            if one.places is not None:
                cells[place] = self.maps.cells[patient.name][view, n]
            else:
                cells[place] = known_cells(None, one.deposits, len(cells[place]))
        seen: Example = {f"{m}_maps": maps}
        return seen | {"tem_places": cells} if m == "tem" else seen

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return disease_loss(Answer(*network(batch)), batch, self.options.branches, self.stage_weights)

    def _encoded(self, network: DiseaseNetwork, patients: Sequence[Patient]) -> list[EncodedPatient]:
        if self.maps is not None:
            return [patient_of_maps(network, one, self.maps.plain[one.name]) for one in patients]
        return [encoded_patient(network, one) for one in patients]

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Numbers of all that each patient has; AUC and temperature of each subset of modalities.

        How good they are is the log-likelihood of the diseases by calibrated probabilities, the mean over
        patients and subsets: an AUC does not mind on which side of the border between two diseases patients
        lie, and 90 patients tell it coarsely.

        Where parts of micrographs are learnt from, how well each kind of deposit is found on such parts.
        """
        inner = plain(network)
        if self.by_marks:
            found = finding_deposits(inner, self.validation, self.seed)
            return found | {QUALITY_OF_PARTS: float(np.mean(list(found.values())))}
        patients = self._encoded(inner, self.validation)
        whole = judged(inner, patients, None, self.diseases, None)
        measured = class_statistics(whole.probabilities, whole.truth)
        likelihoods: list[float] = []
        fitted: dict[str, float] = {}
        for subset in measurable_subsets(patients):
            those = having(patients, subset)
            logits, truth = logits_of(inner, those, subset), truth_of(those, self.diseases)
            name, scale = subset_name(subset), temperature(logits, truth)
            auc = class_statistics(logits_softmax(logits), truth)["auc"]
            fitted |= {f"auc {name}": auc, f"temperature {name}": scale}
            calibrated = logits_softmax(logits / scale)
            likelihoods.append(-float(log_loss(truth, calibrated, labels=np.arange(len(self.diseases)))))
        staged = [one for one in patients if one.patient.stage is not None]
        if staged:
            named = [named_stage(inner, one, one.patient.modalities) for one in staged]
            stages = [one.patient.stage for one in staged]
            found = ordinal_statistics(np.array(named, np.intp), np.array(stages, np.intp))
            measured |= {f"stage_{name}": value for name, value in found.items()}
        return measured | {QUALITY: float(np.mean(likelihoods))} | fitted

    def examples(self, network: nn.Module) -> RGB:
        """Validation patients: the image that counts most, with what was predicted and what is true."""
        inner = plain(network)
        some = evenly(self.validation, EXAMPLES)
        return example_sheet(inner, self._encoded(inner, some), self.diseases)

    def card(self, measured: dict[str, float]) -> CardDraft:
        options, form = self.options, self.options.form
        temperatures = {
            name.removeprefix("temperature "): value
            for name, value in measured.items()
            if name.startswith("temperature ")
        }
        return CardDraft(
            kind="disease",
            name="glomspike disease classifier",
            version="1",
            architecture=form.encoder,
            arguments=form.arguments
            | {
                "spikes": options.spikes,
                "stages": any(one.stage for one in self.training),
                "places": any(map(marked, self.training)),
                "binding": any(map(_graded, self.training)),
            },
            mpp=form.mpps["om"],
            input_px=form.sides_px["om"],
            normalisation=NORMALISATION,
            classes=self.diseases,
            thresholds={},
            class_calibration=ClassCalibration(
                method="temperature", temperatures=temperatures, data="validation patients"
            ),
            training_data=training_data(self.tables, MODALITIES),
            metrics=tuple(self._metrics(measured)),
            intended_use="research: naming the trained disease that images of a kidney biopsy resemble most",
            limits=LIMITS,
            licence=LICENCE,
        )

    def _metrics(self, measured: Mapping[str, float]) -> list[Metric]:
        """The best epoch's numbers, each of the patients that it was measured on."""
        metrics = []
        for name, value in measured.items():
            if name.startswith("temperature ") or name == self.quality:
                continue
            if name.startswith("stage_"):
                n = sum(one.stage is not None for one in self.validation)
            elif name.startswith("auc "):
                subset = set(name.removeprefix("auc ").split("+"))
                n = sum(subset <= set(one.modalities) for one in self.validation)
            else:
                n = len(self.validation)
            metrics.append(Metric(name=name, value=value, data="validation patients", n=n))
        return metrics


def _graded(patient: Patient) -> bool:
    """Whether it is stated how strongly any antibody of a patient binds."""
    return any(one.grade is not None for one in patient.images.get("if", ()))


def logits_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, classes) of logits."""
    return np.asarray(torch.from_numpy(logits).softmax(dim=1).numpy())


def disease_loss(answer: Answer, batch: Batch, branches: Branches, of_stages: Tensor) -> Tensor:
    """The mean cross-entropy of the fused answer, those of its branches, of the stage, of the patient and of
    marked places, of the deposits, of micrographs and of their places, and of how antibodies bind.

    A branch without images has no loss, and the others of that patient count more, so that their weights add
    up to the same. `of_stages` (4,) is how much a patient of each stage counts.
    """
    of_images = deposit_loss(answer.weighing.showing, batch["tem_deposits"])
    of_places = place_loss(answer.places, batch["tem_places"])
    of_stage = stage_loss(answer.stage, batch["stage"], of_stages)
    marked = batch["tem_places"] > 0
    staged = batch["stage"][:, None, None, None].expand_as(marked)[marked]
    of_stage = of_stage + stage_loss(answer.place_stages[marked], staged, of_stages)
    of_binding = binding_loss(answer.binding, batch["if_binding"])
    return _loss_of_patients(answer, batch, branches) + of_stage + of_images + of_places + of_binding


def _loss_of_patients(answer: Answer, batch: Batch, branches: Branches) -> Tensor:
    """The mean over patients of known disease; 0 where there is none."""
    truth = batch["disease"]
    if bool((truth == UNKNOWN).all()):
        return answer.fused.sum() * 0
    there = torch.stack([batch[f"{m}_present"].any(dim=1) for m in MODALITIES], dim=1)
    weights = torch.tensor(branches, device=truth.device) * there
    weights = weights * (sum(branches) / weights.sum(dim=1, keepdim=True).clamp(min=1e-6))
    of_branches = torch.stack(
        [functional.cross_entropy(answer.branches[:, n], truth, reduction="none") for n in range(3)], dim=1
    )
    return functional.cross_entropy(answer.fused, truth) + (weights * of_branches).sum(dim=1).mean()


def deposit_loss(showing: Tensor, deposits: Tensor) -> Tensor:
    """The mean cross-entropy of logits (b, n) that micrographs show deposits, where `deposits` says 0 or 1.

    0 where nothing is known. It teaches attention where to look, which a disease alone, stated for all
    micrographs of a patient of which few may show it, hardly does.
    """
    known = deposits >= 0
    if not bool(known.any()):
        return showing.sum() * 0
    return functional.binary_cross_entropy_with_logits(showing[known], deposits[known].to(showing.dtype))


def options_of(card: Card) -> DiseaseOptions:
    """Those of a trained network that is to go on learning."""
    return DiseaseOptions(form=Form.of(card.arguments), spikes=bool(card.arguments["spikes"]))
