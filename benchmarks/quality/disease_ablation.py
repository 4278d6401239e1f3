"""What each part of the disease network is worth, on phantom patients, with controls that must be at chance.

    python -m benchmarks.quality.disease_ablation PATIENTS WORK --encoder WEIGHTS [--seeds 3] [--epochs 30]
                                  [--views 2] [--most N] [--only VARIANT ...] [--page docs/disease.md]
                                  [--device auto|cuda|cpu]

PATIENTS is a folder of `glomspike phantom --patients`. The encoder does not learn: what it sees is computed
once for each patient and kept in WORK, as is the result of each training, so that what is done is not done
again. Where WEIGHTS are a disease network's, variants begin with what they have in common with it. The
tables are printed, and written into the page between its marks.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from benchmarks.quality.disease_controls import (
    binding_unknown,
    counts_alone,
    deposits_unknown,
    permuted,
    places_unknown,
    without_deposits,
)
from benchmarks.quality.disease_maps import KnownPatients, known_patients
from benchmarks.quality.measured_page import write_measured
from glomspike.disease.form import SIDES_PX, Form
from glomspike.disease.judge import EncodedPatient, logits_of, patient_of_maps, plain
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.numbers import calibrated, having, measurable_subsets, named_stage, truth_of
from glomspike.disease.patients import Patients
from glomspike.disease.subsets import SUBSETS, Subset, subset_name
from glomspike.disease.train import DiseaseOptions, DiseaseTask
from glomspike.findings import Scores
from glomspike.learn.pretrain.encoder import PREFIX
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.metrics.calibration import calibration_error, calibration_error_by_chance
from glomspike.metrics.classes import Classes, class_statistics
from glomspike.metrics.ordinal import ordinal_statistics
from glomspike.networks.device import choose_device
from glomspike.networks.models import load_model

BATCH, RATE = 4, 2e-3
WHOLE = subset_name(SUBSETS[0])
STATISTICS = ("auc", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class Variant:
    """A row of the table: how the default is changed, and which modalities its patients have.

    `anew` is whether only the encoder begins as it was given.
    """

    name: str
    form: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    subset: Subset = SUBSETS[0]
    control: str = ""
    anew: bool = False

    @property
    def folder(self) -> str:
        """Where it is trained."""
        return self.name.replace(" ", "-").replace(":", "")


# What is not stated of the training patients, by the control of a variant.
WITHHELD = {"unknown": deposits_unknown, "places": places_unknown, "binding": binding_unknown}
NO_BRANCHES = (0.0, 0.0, 0.0)
DEFAULT = Variant("default: what is counted")
MAPS = {"aggregate": "place-attention"}
VARIANTS = (
    DEFAULT,
    Variant("places of deposits unknown", control="places"),
    Variant("deposits unknown", control="unknown"),
    Variant("binding unknown", control="binding"),
    Variant("only the encoder as learnt", anew=True),
    Variant("branch losses off", options={"branches": NO_BRANCHES}),
    Variant("modality dropout off", options={"modality_dropout": 0.0}),
    Variant("modality dropout 0.5", options={"modality_dropout": 0.5}),
    Variant("maps: attention to places", MAPS),
    Variant("maps: CMSA off", MAPS | {"cmsa": "off"}),
    Variant("maps: CMSA public", MAPS | {"cmsa": "public"}),
    Variant("maps: attention to images", {"aggregate": "gated-attention"}),
    Variant("maps: mean", {"aggregate": "mean"}),
    Variant("maps: medoid", {"aggregate": "medoid"}),
    Variant("maps: sum", {"aggregate": "sum"}),
    Variant("maps: all public", {"aggregate": "public", "cmsa": "public", "branch_relu": True},
            {"modality_dropout": 0.0}),
)  # fmt: skip
SINGLE = tuple(
    Variant(f"trained on {subset_name(subset)}", options={"modality_dropout": 0.0}, subset=subset)
    for subset in SUBSETS[1:]
)
CONTROLS = (
    # Weights given may have learnt which disease counts deposits mean.
    Variant("labels permuted", control="labels", anew=True),
    Variant("micrographs without deposits", {}, {"modality_dropout": 0.0}, ("tem",), control="nuisances"),
)
EVERY = (*VARIANTS, *CONTROLS, *SINGLE)


@click.command()
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--encoder", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True)
@click.option("--views", type=click.IntRange(1), default=2, show_default=True)
@click.option("--most", type=click.IntRange(6), help="No more patients than these.")
@click.option("--only", "names", multiple=True, metavar="VARIANT", help="Train these variants alone.")
@click.option("--tem-px", type=click.IntRange(64), default=SIDES_PX["tem"], show_default=True)
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the tables into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(
    phantoms: Path,
    work: Path,
    encoder: Path,
    seeds: int,
    epochs: int,
    views: int,
    most: int | None,
    names: tuple[str, ...],
    tem_px: int,
    page: Path | None,
    device: str,
) -> None:
    """Train and measure every variant and control on phantom patients."""
    where = choose_device(device).device
    known = known_patients(phantoms / "samples.csv", work / "maps", encoder, views, most, tem_px, where)
    chosen = [one for one in EVERY if not names or one.name in names]
    for seed in range(seeds):  # a whole table of fewer seeds stands early
        for variant in chosen:
            result = work / variant.folder / f"seed-{seed}.json"
            if not result.is_file():
                numbers = measured(variant, known, seed, epochs, where, result.with_suffix(""))
                result.write_text(json.dumps(numbers) + "\n")
                print(f"seed {seed}, {variant.name}: AUC {auc_of(numbers):.3f}", flush=True)
    text = "\n".join(tables(work, known, seeds))
    print(text)
    if page is not None and text:
        write_measured(page, "disease ablation", text)


def measured(
    variant: Variant, known: KnownPatients, seed: int, epochs: int, device: torch.device, folder: Path
) -> dict[str, Any]:
    """The probabilities of the test patients by subset of modalities, after a training in `folder`."""
    shown = known.stripped(variant.subset)
    if variant.control == "nuisances":
        shown = without_deposits(shown)
    training, validation = shown.training, shown.validation
    if variant.control == "labels":
        training, validation = permuted(training, seed), permuted(validation, seed)
    if variant.control in WITHHELD:
        training = WITHHELD[variant.control](training)
    form = replace(known.form, **variant.form)
    options = replace(DiseaseOptions(form=form, frozen=True, spikes=True), **variant.options)
    torch.manual_seed(seed)
    begin = begins_with(variant, form, known)
    task = DiseaseTask(
        [known.table], options, begin, Patients(training, validation), seed=seed, maps=shown.maps
    )
    settings = Settings(epochs, BATCH, RATE, seed=seed, examples_every=epochs)
    weights = train(task, settings, fabric_on(device, 1), folder, Console(quiet=True))
    (folder / "checkpoint.pt").unlink()
    model = load_model("disease", weights, device)
    network = plain(model.network)
    patients = [patient_of_maps(network, one, shown.maps.plain[one.name]) for one in shown.test]
    found: dict[str, Any] = {"subsets": {}}
    for subset in measurable_subsets(patients):
        those, name = having(patients, subset), subset_name(subset)
        rows = [
            calibrated(logits, name, model.card.class_calibration)
            for logits in logits_of(network, those, subset)
        ]
        found["subsets"][name] = {
            "patients": [one.patient.name for one in those],
            "truth": truth_of(those, task.diseases).tolist(),
            "probabilities": np.stack(rows).tolist(),
        }
    staged = [one for one in patients if one.patient.stage is not None]
    found["stages"] = [
        (one.patient.stage, named_stage(network, one, one.patient.modalities)) for one in staged
    ]
    found["weights"] = [pair for one in patients for pair in weight_auc(network, one, shown)]
    return found


def begins_with(variant: Variant, form: Form, known: KnownPatients) -> dict[str, Tensor]:
    """What a variant begins with: all that its form shares with the weights given, or the encoder alone."""
    given = known.begin
    encoder = {name: one for name, one in given.items() if name.startswith(PREFIX)}
    if variant.anew or encoder.keys() == given.keys():
        return encoder
    untrained = DiseaseNetwork(form, len(known.diseases)).state_dict()
    common = {n: one for n, one in given.items() if n in untrained and one.shape == untrained[n].shape}
    return untrained | common


def weight_auc(network: Any, one: EncodedPatient, known: KnownPatients) -> list[float]:
    """How well weights tell a patient's micrographs with deposits from the others; [] where all are alike."""
    shows = np.array([known.deposits[one.patient.name, i.name] for i in one.patient.images["tem"]], np.intp)
    if len(np.unique(shows)) < 2:
        return []
    weights = one.answer(network, one.patient.modalities).weighing.weights[0].cpu().numpy()
    scores = np.stack([1 - weights, weights], axis=1).astype(np.float64)
    return [class_statistics(scores, shows)["auc"]]


def arrays(numbers: Mapping[str, Any], subset: str) -> tuple[Scores, Classes, np.ndarray[Any, Any]]:
    """Probabilities, true diseases and names of the test patients of a subset."""
    found = numbers["subsets"][subset]
    return np.array(found["probabilities"]), np.array(found["truth"], np.intp), np.array(found["patients"])


def auc_of(numbers: Mapping[str, Any]) -> float:
    """The AUC on the largest subset that there is."""
    probabilities, truth, _ = arrays(numbers, next(iter(numbers["subsets"])))
    return class_statistics(probabilities, truth)["auc"]


def tables(work: Path, known: KnownPatients, seeds: int) -> Iterator[str]:
    """The tables in Markdown of all variants that are done; the default must be among them."""
    done = [one for one in EVERY if (work / one.folder / f"seed-{seeds - 1}.json").is_file()]
    if DEFAULT not in done:
        return
    counts = f"{len(known.training)} patients to learn from, {len(known.validation)} to choose by"
    yield f"{counts}, {len(known.test)} of other laboratories to measure on; seeds: {seeds}."
    yield ""
    yield (
        "| variant | AUC | balanced accuracy | macro F1 | calibration error | of it by chance "
        "| weights find deposits, AUC |"
    )
    yield "|---|---|---|---|---|---|---|"
    for variant in [one for one in (*VARIANTS, *CONTROLS) if one in done]:
        runs = read(work, variant, seeds)
        subset = next(iter(runs[0]["subsets"]))
        cells = [statistic(runs, subset, name) for name in (*STATISTICS, "ece")]
        cells.append(f"{np.mean([chance_of_error(run, subset) for run in runs]):.3f}")
        yield f"| {variant.name} | {' | '.join(cells)} | {deposits_cell(runs)} |"
    counts_auc = counts_alone(known)
    yield f"| control: numbers of images and scales alone | {counts_auc:.3f} | | | | | |"
    yield ""
    yield "| judged on | by the default | trained on these alone |"
    yield "|---|---|---|"
    default = read(work, DEFAULT, seeds)
    alone = {subset_name(variant.subset): variant for variant in SINGLE if variant in done}
    for subset in default[0]["subsets"]:
        own = statistic(read(work, alone[subset], seeds), subset, "auc") if subset in alone else ""
        yield f"| {subset} | {statistic(default, subset, 'auc')} | {own} |"
    yield ""
    yield from stage_rows(default)


def read(work: Path, variant: Variant, seeds: int) -> list[dict[str, Any]]:
    """The results of a variant by seed."""
    return [json.loads((work / variant.folder / f"seed-{n}.json").read_text()) for n in range(seeds)]


def statistic(runs: Sequence[Mapping[str, Any]], subset: str, name: str) -> str:
    """A statistic's mean over seeds with its 95 % interval over patients."""
    made = [arrays(run, subset) for run in runs]
    truth, patients = made[0][1], made[0][2]

    def of_draw(rows: Rows) -> list[float]:
        return [float(np.mean([_value(one[0][rows], truth[rows], name) for one in made]))]

    there = len(np.unique(truth))
    (interval,) = intervals(patients, of_draw, lambda rows: len(np.unique(truth[rows])) == there)
    (value,) = of_draw(np.arange(len(truth)))
    return f"{value:.3f}" if interval is None else f"{value:.3f} ({interval[0]:.2f}–{interval[1]:.2f})"


def _value(probabilities: Scores, truth: Classes, name: str) -> float:
    if name == "ece":
        right = probabilities.argmax(axis=1) == truth
        return calibration_error(probabilities.max(axis=1), right)
    return class_statistics(probabilities, truth)[name]


def chance_of_error(numbers: Mapping[str, Any], subset: str) -> float:
    """The calibration error that perfectly calibrated probabilities would have on these patients."""
    return calibration_error_by_chance(arrays(numbers, subset)[0].max(axis=1))


def deposits_cell(runs: Sequence[Mapping[str, Any]]) -> str:
    """The mean over patients and seeds of how well weights find micrographs with deposits."""
    found = [auc for run in runs for auc in run["weights"]]
    return f"{np.mean(found):.3f}" if found else ""


def stage_rows(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How well stages are named, over all seeds; nothing where none is known."""
    pairs = np.array([pair for run in runs for pair in run["stages"]], dtype=np.intp).reshape(-1, 2)
    if not len(pairs):
        return
    found = ordinal_statistics(pairs[:, 1], pairs[:, 0])
    error, kappa = found["mean_absolute_error"], found["quadratic_kappa"]
    yield (
        f"Stages of {len(runs[0]['stages'])} test patients with membranous nephropathy: macro recall "
        f"{found['macro_recall']:.2f}, mean absolute error {error:.2f}, quadratic kappa {kappa:.2f}."
    )


if __name__ == "__main__":
    main()
