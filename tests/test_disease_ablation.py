"""The disease ablation: maps that are kept, controls, and tables of its results."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from patients import write_patients
from torchvision.models import resnet18

from benchmarks.quality import disease_ablation as ablation
from benchmarks.quality import disease_maps
from benchmarks.quality.disease_controls import counts_alone, deposits_unknown, permuted, without_deposits
from benchmarks.quality.disease_maps import KnownPatients, known_patients
from glomspike.disease.model import DiseaseNetwork
from glomspike.disease.patients import Patients
from glomspike.disease.subsets import SUBSETS, subset_name
from glomspike.disease.train import DiseaseOptions, DiseaseTask
from glomspike.learn.training import NORMALISATION
from glomspike.networks.weights import CardDraft, TrainingData, save_weights

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = {f"encoder.{name}": tensor for name, tensor in resnet18(weights=None).state_dict().items()}
    draft = CardDraft(
        kind="encoder", name="random", version="1", architecture="resnet18",
        arguments={"encoder": "resnet18"},
        mpp=1, input_px=64, normalisation=NORMALISATION, classes=("none",), thresholds={},
        training_data=(TrainingData(name="none", licence="none", images=1),), metrics=(),
        intended_use="tests", licence="none",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("encoder")
    save_weights(state, draft, folder, "encoder")
    return folder


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> KnownPatients:
    folder = tmp_path_factory.mktemp("phantoms")
    table = write_patients(folder, patients=9, micrographs=2)
    small = {"om": 64, "if": 64, "tem": 96}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disease_maps, "SIDES_PX", small)
        return known_patients(table, folder / "maps", encoder, 1, None, 96, CPU)


def test_maps_are_computed_once_and_kept(known: KnownPatients, encoder: Path) -> None:
    kept = sorted((known.table.parent / "maps").iterdir())
    assert len(kept) == 9 + 1  # and what the classifier says of spikes
    written = [path.stat().st_mtime_ns for path in kept]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disease_maps, "SIDES_PX", {"om": 64, "if": 64, "tem": 96})
        again = known_patients(known.table, known.table.parent / "maps", encoder, 1, None, 96, CPU)
    assert [path.stat().st_mtime_ns for path in kept] == written
    name = known.training[0].name
    assert np.array_equal(again.maps.varied[name]["tem"], known.maps.varied[name]["tem"])


def test_controls_hold_nothing_of_the_disease(known: KnownPatients) -> None:
    others = permuted(known.training, 3)
    assert sorted(one.disease for one in others) == sorted(one.disease for one in known.training)
    assert {i.deposits for one in known.training for i in one.images["tem"]} == {True, False}
    unsaid = deposits_unknown(known.training)
    assert {i.deposits for one in unsaid for i in one.images["tem"]} == {None}
    left = without_deposits(known)
    for one in left.training:
        assert [known.deposits[one.name, image.name] for image in one.images["tem"]] == [False]
        assert left.maps.varied[one.name]["tem"].shape[1] == 1
    both = without_deposits(replace(known, deposits=dict.fromkeys(known.deposits, False)))
    assert {len(one.images["tem"]) for one in both.training} == {1}, "how many are left tells nothing"
    assert counts_alone(known) == pytest.approx(0.5, abs=0.5)


def test_patients_keep_only_the_modalities_of_a_subset(known: KnownPatients) -> None:
    assert {one.modalities for one in known.stripped(("tem",)).training} == {("tem",)}


def test_tables_have_a_row_for_each_variant_and_each_subset(known: KnownPatients, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = [0, 1, 2] * 3
    for variant in ablation.EVERY:
        subsets = {}
        for subset in SUBSETS:
            if set(subset) <= set(variant.subset):
                odds = rng.random((9, 3)) + 2 * np.eye(3)[truth]
                subsets[subset_name(subset)] = {
                    "patients": [f"p{n}" for n in range(9)],
                    "truth": truth,
                    "probabilities": (odds / odds.sum(axis=1, keepdims=True)).tolist(),
                }
        (tmp_path / variant.folder).mkdir()
        found = {"subsets": subsets, "stages": [[1, 1], [2, 3]], "weights": [0.75, 1.0]}
        (tmp_path / variant.folder / "seed-0.json").write_text(json.dumps(found))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glomspike.metrics.bootstrap.DRAWS", 5)
        text = list(ablation.tables(tmp_path, known, 1))
        (tmp_path / ablation.VARIANTS[-1].folder / "seed-0.json").unlink()
        fewer = list(ablation.tables(tmp_path, known, 1))
        (tmp_path / ablation.DEFAULT.folder / "seed-0.json").unlink()
        assert not list(ablation.tables(tmp_path, known, 1))
    assert sum(line.startswith("| ") for line in text) == (
        1 + len(ablation.VARIANTS) + len(ablation.CONTROLS) + 1 + 1 + len(SUBSETS)
    )
    assert len(fewer) == len(text) - 1
    assert "| maps: medoid | 1.000 (1.00–1.00)" in "\n".join(text)
    assert "0.875 |" in text[4]
    assert text[-1].startswith("Stages of 2 test patients")


def test_what_a_disease_network_has_learnt_is_where_variants_of_its_form_begin(
    known: KnownPatients, encoder: Path, tmp_path: Path
) -> None:
    assert all(name.startswith("encoder.") for name in disease_maps.beginning(encoder))
    task = DiseaseTask(
        [known.table],
        DiseaseOptions(form=known.form),
        None,
        Patients(known.training, known.validation),
    )
    network = task.network()
    save_weights(network.state_dict(), task.card({}), tmp_path, "disease")
    begin = disease_maps.beginning(tmp_path)
    assert begin.keys() == network.state_dict().keys()
    by_name = {one.name: one for one in ablation.EVERY}
    given = replace(known, begin=begin)
    same = ablation.begins_with(ablation.DEFAULT, known.form, given)
    assert all(torch.equal(same[name], tensor) for name, tensor in begin.items())
    other = replace(known.form, aggregate="place-attention")
    some = ablation.begins_with(by_name["maps: attention to places"], other, given)
    assert torch.equal(some["places.kind.weight"], begin["places.kind.weight"])
    assert some["fusion.0.weight"].shape != begin["fusion.0.weight"].shape
    DiseaseNetwork(other, len(known.diseases)).load_state_dict(some)
    anew = ablation.begins_with(by_name["only the encoder as learnt"], known.form, given)
    assert {n.partition(".")[0] for n in anew} == {"encoder"}


@pytest.mark.slow
def test_a_variant_is_trained_and_measured_by_subset(known: KnownPatients, tmp_path: Path) -> None:
    numbers = ablation.measured(ablation.DEFAULT, known, 0, 2, CPU, tmp_path / "run")
    assert len(numbers["subsets"]) == 7
    assert numbers["weights"]
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
