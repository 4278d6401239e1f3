"""The disease network's training and evaluation, from a table of patients to a card."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from patients import DISEASES, SMALL, scored, write_patients
from rich.console import Console
from safetensors.torch import load_file
from test_cli import typed

from glomspike.disease.bags import Patient, load_patients
from glomspike.disease.batch import whole_patient
from glomspike.disease.evaluate import evaluate_disease
from glomspike.disease.form import Form
from glomspike.disease.infer import judge_case, measured_subsets
from glomspike.disease.judge import plain
from glomspike.disease.kind import KIND
from glomspike.disease.parts import finding_deposits
from glomspike.disease.patients import Patients
from glomspike.disease.prepare import fluorescence_square, micrograph_square, rows_without_bar
from glomspike.disease.train import DiseaseOptions, DiseaseTask
from glomspike.errors import SamplesError
from glomspike.learn.samples import in_split, read_samples
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.metrics import bootstrap
from glomspike.modalities import MODALITIES
from glomspike.networks.kinds import Beginning
from glomspike.networks.models import load_model

CPU = torch.device("cpu")
OPTIONS = DiseaseOptions(form=SMALL, instances=2)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patients(tmp_path_factory.mktemp("patients"))


@pytest.fixture(scope="module")
def patients(table: Path) -> Patients:
    return Patients.of([table], SMALL, lambda *_: scored())


def task(table: Path, patients: Patients, **changes: object) -> DiseaseTask:
    return DiseaseTask([table], replace(OPTIONS, **changes), None, patients)


def learnt(one: DiseaseTask, out: Path, epochs: int) -> Path:
    settings = Settings(epochs, batch=4, learning_rate=1e-3, examples_every=99)
    return train(one, settings, fabric_on(CPU, 1), out, Console(quiet=True))


def test_images_are_grouped_by_patient_whatever_the_order_of_rows(table: Path, tmp_path: Path) -> None:
    with table.open() as file:
        head, *rows = list(csv.reader(file))
    np.random.default_rng(0).shuffle(rows)
    extra = next(row for row in rows if row[4] == "patient 0" and row[2] == "om")
    shuffled = table.parent / "shuffled.csv"
    with shuffled.open("w", newline="") as file:
        csv.writer(file).writerows(
            [head, *rows, [*extra[:5], "", "", extra[7], ""]]
        )  # two OM rows of one patient
    first = {p.name: p for p in load_patients(read_samples([table], MODALITIES), SMALL, scored())}
    second = {p.name: p for p in load_patients(read_samples([shuffled], MODALITIES), SMALL, scored())}
    assert first.keys() == second.keys()
    for name, patient in second.items():
        assert {i.name for i in patient.images["tem"]} == {i.name for i in first[name].images["tem"]}
        assert patient.disease == first[name].disease
        assert len(patient.images["om"]) == (2 if name == "patient 0" else 1)


def test_all_images_count_in_evaluation_and_a_random_few_in_training(table: Path, patients: Patients) -> None:
    one = task(table, patients, modality_dropout=0.0)
    one.begin_epoch(one.network(), 1)
    example = one.sample(0, np.random.default_rng(0))
    assert example["tem"].shape == (2, 96, 96, 3)
    assert example["tem_present"].all()
    choices = {one.sample(0, np.random.default_rng(seed))["tem"].tobytes() for seed in range(4)}
    assert len(choices) == 4
    assert whole_patient(patients.training[0], SMALL)["tem"].shape[1] == 3
    again = whole_patient(patients.training[0], SMALL)
    assert torch.equal(again["tem"], whole_patient(patients.training[0], SMALL)["tem"])


def test_a_card_counts_images_of_all_modalities_and_light_may_be_missing(
    table: Path, patients: Patients
) -> None:
    with table.open() as file:
        head, *rows = list(csv.reader(file))
    micrographs = [row for row in rows if row[2] == "tem" and row[7] == "train"]
    without_light = table.parent / "without-light.csv"
    with without_light.open("w", newline="") as file:
        csv.writer(file).writerows([head, *micrographs])
    (data,) = task(without_light, patients).card({}).training_data
    assert data.images == len(micrographs)


def test_what_is_known_of_deposits_goes_with_each_micrograph(table: Path, patients: Patients) -> None:
    assert [one.deposits for one in patients.training[0].images["tem"]] == [True, False, None]
    one = task(table, patients, modality_dropout=0.5)
    one.begin_epoch(one.network(), 1)
    for seed in range(9):
        example = one.sample(0, np.random.default_rng(seed))
        there = example["tem_present"]
        assert (example["tem_deposits"][~there] == -1).all()
        assert len(set(example["tem_deposits"][there])) == there.sum()


def test_parts_of_micrographs_show_what_their_own_mask_shows(table: Path, patients: Patients) -> None:
    one = task(table, patients, parts=True, instances=3, modality_dropout=0.0)
    one.begin_epoch(one.network(), 1)
    known = set()
    for seed in range(12):
        example = one.sample(0, np.random.default_rng(seed))
        assert example["tem"].shape == (3, 32, 32, 3)
        for cells, deposits in zip(example["tem_places"], example["tem_deposits"], strict=True):
            assert cells.shape == (2, 2)
            assert (cells > 0).any() <= (deposits == 1)
            known.add((int(deposits), bool((cells == -1).all())))
    assert known == {(1, False), (0, False), (-1, True)}  # marked, known to show none, not known


def test_two_epochs_of_three_on_parts_are_about_marked_deposits_alone(
    table: Path, patients: Patients
) -> None:
    unseen = replace(patients.training[0], images={**patients.training[0].images, "tem": ()})
    some = Patients([unseen, *patients.training[1:]], patients.validation)
    one = task(table, some, parts=True, modality_dropout=0.0)
    for epoch in range(1, 7):
        count = one.begin_epoch(one.network(), epoch)
        alone = epoch % 3 > 0
        assert count == len(some.training) - alone
        for number in range(count):
            example = one.sample(number, np.random.default_rng(number))
            assert (example["disease"] == -1) == alone
            assert example["om_present"].any() != alone
            assert example["if_present"].any() != alone
            assert example["tem_present"].any() or not alone


def test_an_encoder_of_parts_is_chosen_by_how_well_it_finds_deposits_and_judges_nobody(
    table: Path, patients: Patients, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    weights = learnt(task(table, patients, parts=True), tmp_path / "parts", epochs=9)
    model = load_model("disease", weights, CPU)
    found = {metric.name: metric.value for metric in model.card.metrics}
    assert {"finds subepithelial", "finds mesangial"} <= found.keys()
    assert found["finds mesangial"] > 0.9
    again = finding_deposits(plain(model.network), patients.validation, 0)
    assert {name: pytest.approx(value, abs=1e-6) for name, value in again.items()} == found
    assert not measured_subsets(model.card)
    judgement = judge_case(model, patients.validation[0])
    assert judgement.record.called is None
    assert "never measured on patients" in (judgement.record.fused.reason or "")


def test_what_parts_have_taught_goes_on_with_what_is_said_of_spikes(
    table: Path, patients: Patients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glomspike.disease.spikes.spike_evidences", lambda *_: {})
    draft = task(table, patients, parts=True).card({})
    network = task(table, patients).network()
    model = SimpleNamespace(card=draft, network=network)
    beginning = Beginning((table,), model, dict(network.state_dict()), photographs=False, seed=0)
    going_on = KIND.training.task(beginning, {"spikes": True, "frozen_encoder": True})
    options = going_on.options
    assert options.spikes
    assert options.frozen
    assert not options.parts
    assert options.form == SMALL
    on = going_on.network().state_dict()
    assert all(torch.equal(on[name], tensor) for name, tensor in network.state_dict().items())


def test_silver_says_nothing_where_no_spikes_were_scored(table: Path) -> None:
    def modalities(form: Form, evidence: dict[str, np.ndarray]) -> set[tuple[str, ...]]:
        return {p.modalities for p in Patients.of([table], form, lambda *_: evidence).training}

    assert modalities(SMALL, scored()) == {("om", "if", "tem")}
    assert modalities(SMALL, scored(1)) == {("om", "if", "tem"), ("if", "tem")}
    assert modalities(replace(SMALL, aggregate="mean"), {}) == {("om", "if", "tem")}
    with table.open() as file:
        head, *rows = list(csv.reader(file))
    silver_alone = table.parent / "silver-alone.csv"
    with silver_alone.open("w", newline="") as file:
        csv.writer(file).writerows([head, *(row for row in rows if row[4] != "patient 0" or row[2] == "om")])
    known = load_patients(read_samples([silver_alone], MODALITIES), SMALL)
    assert "patient 0" not in {p.name for p in known}


@pytest.mark.parametrize(("aggregate", "scores"), [("counts", True), ("place-attention", False)])
def test_spikes_are_scored_without_being_asked_for_where_nothing_else_counts_in_silver(
    table: Path, monkeypatch: pytest.MonkeyPatch, aggregate: str, scores: bool
) -> None:
    monkeypatch.setattr("glomspike.disease.spikes.spike_evidences", lambda *_: scored())
    beginning = Beginning((table,), None, None, photographs=False, seed=0)
    assert KIND.training.task(beginning, {"aggregate": aggregate}).options.spikes == scores
    parts = KIND.training.task(beginning, {"aggregate": aggregate, "micrograph_parts": True})
    assert not parts.options.spikes


def test_without_masks_parts_teach_what_patients_have(table: Path, patients: Patients) -> None:
    unmarked = [
        replace(one, images={**one.images, "tem": tuple(replace(i, places=None) for i in one.images["tem"])})
        for one in patients.training
    ]
    one = task(table, Patients(unmarked, patients.validation), parts=True, modality_dropout=0.0)
    one.begin_epoch(one.network(), 1)
    assert one.sample(0, np.random.default_rng(0))["disease"] >= 0
    assert one.quality == "subset_log_likelihood"


def test_modalities_are_left_out_in_training_but_never_all(table: Path, patients: Patients) -> None:
    one = task(table, patients, modality_dropout=0.8)
    one.begin_epoch(one.network(), 1)
    shown = [one.sample(n % 6, np.random.default_rng(n)) for n in range(40)]
    counts = [sum(bool(example[f"{m}_present"].any()) for m in MODALITIES) for example in shown]
    assert min(counts) == 1
    assert max(counts) > 1


def test_patients_come_in_another_order_each_epoch_which_the_seed_decides(
    table: Path, patients: Patients
) -> None:
    orders = []
    for one in (task(table, patients), task(table, patients)):
        for epoch in (1, 2):
            one.begin_epoch(one.network(), epoch)
            orders.append(one.order)
    assert orders[0] == orders[2] != orders[1] == orders[3]
    assert sorted(orders[0]) == list(range(len(patients.training)))


def test_a_training_says_what_it_rests_on_and_is_measured_by_every_subset(
    table: Path, patients: Patients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 10)
    monkeypatch.setattr("glomspike.disease.evaluate.spike_evidences", lambda *_: scored())
    weights = learnt(task(table, patients, spikes=True), tmp_path, epochs=1)
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["classes"] == sorted(DISEASES)
    measured = {metric["name"] for metric in card["metrics"]}
    assert {"auc om", "auc if", "auc tem", "auc om+if+tem", "stage_quadratic_kappa"} <= measured
    subsets = {name.removeprefix("auc ") for name in measured if name.startswith("auc ")}
    assert set(card["class_calibration"]["temperatures"]) == subsets
    assert len(subsets) == 7

    model = load_model("disease", tmp_path, CPU)
    samples = in_split(read_samples([table], MODALITIES), "test")
    numbers = evaluate_disease(samples, model, lambda *_: None).numbers
    assert {"balanced_accuracy", "macro_f1", "auc", "ece", "auc_ci95", "stage", "recall"} <= numbers.keys()
    assert numbers["n_patients"] == 3
    assert set(numbers["subsets"]) == subsets
    without = evaluate_disease(samples, model, lambda *_: None, ("tem",)).numbers
    assert set(without["subsets"]) == {"om", "if", "om+if"}


@pytest.mark.slow
def test_a_training_beats_chance_and_goes_on_to_the_same_weights(
    table: Path, patients: Patients, tmp_path: Path
) -> None:
    class KilledTask(DiseaseTask):
        def validate(self, network: torch.nn.Module) -> dict[str, float]:
            if self.epoch == 3:
                raise KeyboardInterrupt
            return super().validate(network)

        def begin_epoch(self, network: torch.nn.Module, epoch: int) -> int:
            self.epoch = epoch
            return super().begin_epoch(network, epoch)

    whole = learnt(task(table, patients), tmp_path / "whole", epochs=6)
    with pytest.raises(KeyboardInterrupt):
        learnt(KilledTask([table], OPTIONS, None, patients), tmp_path / "killed", epochs=6)
    again = load_file(learnt(task(table, patients), tmp_path / "killed", epochs=6))
    for name, tensor in load_file(whole).items():
        assert torch.equal(again[name], tensor)
    card = json.loads(whole.with_suffix(".json").read_text())
    named = {metric["name"]: metric["value"] for metric in card["metrics"]}
    assert named["auc om+if+tem"] > 0.8


def test_an_encoder_that_stays_is_asked_once_and_does_not_change(
    table: Path, patients: Patients, tmp_path: Path
) -> None:
    one = task(table, patients, frozen=True)
    before = one.network().encoder.state_dict()
    torch.manual_seed(0)
    weights = learnt(one, tmp_path / "frozen", epochs=1)
    assert one.maps is not None
    assert one.maps.varied["patient 0"]["tem"].shape == (4, 3, 448, 6, 6)
    state = load_model("disease", weights, CPU).network.encoder.state_dict()
    assert state.keys() == before.keys()
    assert all(name.endswith("num_batches_tracked") or not state[name].isnan().any() for name in state)
    assert float(state["body.bn1.norms.tem.running_mean"].abs().sum()) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row | {"disease": "MN"}, "fewer than two diseases"),
        (
            lambda row: row | {"disease": "FSGS"} if row["patient"] == "patient 7" else row,
            "FSGS, which is not among",
        ),
    ],
)
def test_what_cannot_be_learnt_from_is_one_line(table: Path, change: object, said: str) -> None:
    with table.open() as file:
        rows = [change(row) if row["disease"] else row for row in csv.DictReader(file)]
    changed = table.parent / "changed.csv"
    with changed.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "stage": row["stage"] if row["disease"] == "MN" else ""} for row in rows)
    with pytest.raises(SamplesError) as failure:
        Patients.of([changed], SMALL, lambda *_: pytest.fail("spikes were scored first"))
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


def test_exposure_is_in_the_number_and_not_in_the_picture() -> None:
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[30:50, 30:50, 1] = 200
    picture[36:40, 36:40, 1] = 100
    bright = fluorescence_square("a", "IgG", picture, 1.0, 64)
    dim = fluorescence_square("a", "IgG", picture // 4, 1.0, 64)
    assert np.abs(bright.pixels.astype(int) - dim.pixels).max() <= 2
    assert bright.number - dim.number == pytest.approx(np.log(4), abs=0.05)
    assert bright.pixels.max() > 250


def test_a_bar_of_information_is_cut_off_and_tissue_is_not() -> None:
    rng = np.random.default_rng(0)
    tissue = rng.normal(140, 12, (200, 160)).clip(0, 255).astype(np.uint8)
    bar = np.zeros((20, 160), np.uint8)
    bar[8:12, 20:60] = 255
    assert rows_without_bar(np.concatenate([tissue, bar])) == slice(0, 200)
    assert rows_without_bar(np.concatenate([bar, tissue])) == slice(20, 220)
    assert rows_without_bar(tissue) == slice(0, 200)


def test_a_micrograph_is_shown_at_one_scale_where_it_fits_and_says_how_much_coarser_else() -> None:
    pixels = np.random.default_rng(0).integers(90, 200, (100, 200, 3)).astype(np.uint8)
    fits = micrograph_square("a", pixels, 0.25, 96)
    assert fits.number == 0
    wide = micrograph_square("a", pixels, 0.96, 96)
    assert wide.number == pytest.approx(np.log(2))
    assert wide.pixels.shape == (96, 96)
    assert micrograph_square("a", pixels, None, 96).number == 0


def test_a_patient_knows_the_modalities_there_are() -> None:
    assert Patient("a", {"om": (), "if": (), "tem": ()}).modalities == ()


def test_a_frozen_encoder_that_knows_nothing_is_refused(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("train", "disease", str(table), "--out", str(tmp_path), "--frozen-encoder")
    status, _, err = typed(*arguments, capsys=capsys)
    assert status == 2
    assert "give --encoder-weights as well" in err


def test_parts_are_for_an_encoder_that_learns(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--frozen-encoder", "--encoder-weights", str(tmp_path), "--micrograph-parts")
    status, _, err = typed("train", "disease", str(table), "--out", str(tmp_path), *options, capsys=capsys)
    assert status == 2
    assert "train with --frozen-encoder afterwards" in err


def test_attention_across_modalities_is_for_maps(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--out", str(tmp_path), "--cmsa", "off")
    status, _, err = typed("train", "disease", str(table), *options, capsys=capsys)
    assert status == 2
    assert "give --aggregate place-attention as well" in err


@pytest.mark.parametrize("branches", ["1,2", "a,b,c", "1,-1,0"])
def test_branches_are_three_numbers(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], branches: str
) -> None:
    arguments = ("train", "disease", str(table), "--out", str(tmp_path), "--branches", branches)
    status, _, err = typed(*arguments, capsys=capsys)
    assert status == 2
    assert "--branches" in err
