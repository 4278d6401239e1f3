"""Lesions: what is learnt from a table, how it is measured, and what the main job's files say of them."""

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from cards import DRAFT
from discs import disc_mask, disc_picture, write_samples
from results import glomerulus, slide_facts, slide_result, spike_score
from torch import nn

from glomspike import cli
from glomspike.annotate.imagescope import write_imagescope
from glomspike.annotate.meaning import read_meaning
from glomspike.errors import SamplesError
from glomspike.findings import NON_GLOMERULAR, Circle, Classification
from glomspike.learn.samples import read_samples
from glomspike.lesions import train as lesions_train
from glomspike.lesions.crops import load_lesions
from glomspike.lesions.evaluate import evaluate_lesions
from glomspike.lesions.model import LesionNetwork, focal_loss
from glomspike.lesions.probability import over_thresholds
from glomspike.lesions.stage import LesionStage
from glomspike.metrics import bootstrap
from glomspike.metrics.classes import class_quality, class_statistics
from glomspike.networks.models import Model, load_model
from glomspike.networks.weights import Card, Normalisation, load_card
from glomspike.results.table import write_table

CPU = torch.device("cpu")
CLASSES = ("bright", "dark")


class Darkness(nn.Module):
    """In the place of the lesion network: what is dark in the middle is dark."""

    def __init__(self) -> None:
        super().__init__()
        self.steepness = nn.Parameter(torch.tensor(10.0))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        side = crops.shape[-1]
        middle = crops[..., side // 3 : 2 * side // 3, side // 3 : 2 * side // 3].mean(dim=(1, 2, 3))
        return self.steepness * torch.stack([middle - 0.5, 0.5 - middle], dim=1)


def model(network: nn.Module | None = None) -> Model:
    plain = Normalisation(mean=(0, 0, 0), std=(1, 1, 1))
    said = {"kind": "lesions", "classes": CLASSES, "input_px": 32, "normalisation": plain, "thresholds": {}}
    card = Card(**(DRAFT.model_dump() | said), sha256="0" * 64)
    return Model((network or Darkness()).eval(), card, CPU)


def lesion_table(folder: Path, shades: dict[str, int], patients: int = 4, masks: bool = True) -> Path:
    """A glomerulus of each lesion for each patient, of a shade of its own; half of them are for training."""
    disc = [(30.0, 30.0, 22.0)]
    rows = []
    for patient in range(patients):
        for lesion, shade in shades.items():
            mask = disc_mask(60, 60, disc)
            picture = np.where(mask[..., None], shade, 220) + disc_picture(60, 60, [], patient) // 20
            row = {"image": picture.astype(np.uint8), "lesion": lesion, "patient": f"p{patient}"}
            rows.append(row | {"split": ("train", "val")[patient % 2]} | ({"mask": mask} if masks else {}))
    return write_samples(folder, rows)


def silent(done: int, whole: int) -> None:
    assert 0 <= done <= whole


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 40)


def test_focal_loss_is_cross_entropy_weighed_by_what_is_still_to_learn() -> None:
    scores = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    truth = torch.tensor([1, 0])
    p = scores.softmax(dim=1)[[0, 1], truth]
    assert float(focal_loss(scores, truth)) == pytest.approx(float((-((1 - p) ** 2.5) * p.log()).mean()))


def test_statistics_count_each_true_class_the_same() -> None:
    truth = np.array([0, 0, 0, 1, 2])
    told = np.eye(3)[[0, 0, 1, 1, 0]]
    found = class_statistics(told, truth)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert class_statistics(np.eye(3)[truth], truth) == {"balanced_accuracy": 1, "macro_f1": 1, "auc": 1}


def test_the_confusion_has_true_classes_in_rows_and_intervals_only_where_patients_differ() -> None:
    truth, told = np.array([0, 0, 1, 1]), np.eye(3)[[0, 1, 1, 2]]
    several = class_quality(told, truth, np.array(["a", "a", "b", "b"]))
    assert several.confusion.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert class_quality(told, truth, np.array(["a"] * 4)).ci95 == [None] * 3


@pytest.mark.parametrize("masks", [True, False])
def test_a_perfect_classifier_is_said_to_be_perfect_with_or_without_masks(
    masks: bool, tmp_path: Path
) -> None:
    table = lesion_table(tmp_path, {"dark": 40, "bright": 200}, masks=masks)
    found = evaluate_lesions(read_samples([table]), model(), silent)
    assert (found.numbers["balanced_accuracy"], found.numbers["auc"]) == (1, 1)
    assert found.numbers["confusion"] == [[4, 0], [0, 4]]
    assert (found.numbers["n"], found.numbers["n_patients"]) == (8, 4)
    assert found.pictures["confusion"].ndim == 3


def test_what_is_told_wrongly_is_the_worst_case(tmp_path: Path) -> None:
    table = lesion_table(tmp_path, {"dark": 190, "bright": 200})
    found = evaluate_lesions(read_samples([table]), model(), silent)
    assert found.numbers["confusion"] == [[4, 0], [4, 0]]


def test_a_lesion_that_was_not_learnt_and_a_table_without_any_are_errors(tmp_path: Path) -> None:
    table = lesion_table(tmp_path / "new", {"dark": 40, "bright": 200, "foamy": 120})
    with pytest.raises(SamplesError, match="lesion 'foamy' is not among those learnt \\(bright, dark\\)"):
        evaluate_lesions(read_samples([table]), model(), silent)
    table = lesion_table(tmp_path / "none", {"": 40})
    with pytest.raises(SamplesError, match="no glomerulus of known lesion"):
        evaluate_lesions(read_samples([table]), model(), silent)


def test_rows_without_a_lesion_are_left_out(tmp_path: Path) -> None:
    table = lesion_table(tmp_path, {"dark": 40, "": 200})
    assert {patch.lesion for patch in load_lesions(read_samples([table]), 32)} == {"dark"}


class Tiny(lesions_train.LesionOptions):
    def __init__(self, encoder: str = "resnet18-short", **more: bool) -> None:
        super().__init__(encoder, 32, 8, **more)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesions_train, "LesionOptions", Tiny)


def typed(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.mark.usefixtures("tiny")
def test_lesions_of_any_names_are_trained_and_evaluated_from_the_command_line(tmp_path: Path) -> None:
    table = lesion_table(tmp_path / "samples", {"crescent": 40, "mesangial": 120, "normal": 200})
    out, file = tmp_path / "lesions", tmp_path / "found.json"
    options = ["--epochs", 1, "--batch", 4, "--device", "cpu", "--encoder", "resnet18-short"]
    assert typed("train", "lesions", table, "--out", out, *options) == 0
    trained = load_model("lesions", out, CPU)
    assert trained.card.classes == ("crescent", "mesangial", "normal")
    assert typed(
        "evaluate", "lesions", table, "--weights", out, "--split", "val", "--json", file, "--device", "cpu"
    ) == 0  # fmt: skip
    assert set(json.loads(file.read_text())) >= {"balanced_accuracy", "macro_f1_ci95", "auc", "confusion"}
    assert cv2.imread(str(tmp_path / "found-confusion.png")) is not None
    assert cv2.imread(str(tmp_path / "found-worst.png")) is not None


@pytest.mark.usefixtures("tiny")
def test_validation_needs_lesions_that_are_learnt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = lesion_table(tmp_path / "samples", {"a": 40, "b": 120}, patients=1)
    assert typed("train", "lesions", table, "--out", tmp_path / "out", "--device", "cpu") == 1
    assert "split val is empty" in capsys.readouterr().err


def test_the_encoder_is_for_lesions_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = typed("train", "detector", "t.csv", "--out", tmp_path, "--from-scratch", "--linear-probe")
    assert status == 2
    assert "--linear-probe is for the lesions, not the detector" in capsys.readouterr().err


def test_a_linear_probe_changes_nothing_but_the_head() -> None:
    network = LesionNetwork("resnet18-short", 2)
    network.freeze_encoder()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    learning = torch.optim.AdamW(network.parameters(), lr=0.1)
    focal_loss(network(torch.randn(2, 3, 32, 32)), torch.tensor([0, 1])).backward()
    learning.step()
    changed = {n for n, tensor in network.state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed == {"head.weight", "head.bias"}


class TwoGlomeruli:
    """A slide of two glomeruli, a dark one at 100 and a bright one at 300, at 1 µm/px."""

    facts = slide_facts(mpp=replace(slide_facts().mpp, x=1.0, y=1.0))

    def read(self, x0: float, y0: float, width0: float, height0: float, mpp: float) -> np.ndarray:
        shade = 30 if x0 + width0 / 2 < 200 else 230
        return np.full((round(height0 / mpp), round(width0 / mpp), 3), shade, np.uint8)


def test_each_detected_glomerulus_is_told_by_its_own_crop() -> None:
    circles = [Circle(100, 100, 40, 0.9), Circle(300, 100, 50, 0.9)]
    stage = LesionStage(model())
    dark, bright = stage.apply([], [stage.region(TwoGlomeruli(), circle) for circle in circles])
    assert (dark.name, bright.name) == CLASSES[::-1]
    assert sum(dark.probabilities.values()) == pytest.approx(1)


PLATT = {"method": "platt", "scale": 1.0, "data": "tests"}


def test_a_stain_has_its_calibration_and_a_threshold_goes_before_the_likeliest() -> None:
    circles = [Circle(100, 100, 40, 0.9), Circle(300, 100, 50, 0.9)]
    fields = [LesionStage(model()).region(TwoGlomeruli(), circle) for circle in circles]
    (_, plain) = LesionStage(model()).apply([], fields)
    changes = {
        "calibration": {**PLATT, "offset": 0.0},
        "stain_calibrations": {"silver": {**PLATT, "offset": -3.0}},
        "thresholds": {"bright": 0.9999999},
    }
    card = Card.model_validate(model().card.model_dump() | changes)
    careful = replace(model(), card=card)
    (_, pas) = LesionStage(careful, "PAS").apply([], fields)
    (_, silver) = LesionStage(careful, "silver").apply([], fields)
    assert pas.probabilities["bright"] == pytest.approx(plain.probabilities["bright"], abs=1e-6)
    assert silver.probabilities["bright"] < pas.probabilities["bright"]
    assert sum(silver.probabilities.values()) == pytest.approx(1)
    assert (plain.name, pas.name) == ("bright", "dark")


def test_the_shipped_classifier_calls_scars_from_its_threshold() -> None:
    card, _ = load_card("lesions", None)
    assert set(card.stain_calibrations) == {"silver", "H&E", "trichrome"}
    threshold = card.thresholds["globally sclerosed"]
    for probability, called in ((threshold + 0.01, 0), (threshold - 0.01, 1)):
        assert over_thresholds(np.array([[probability, 1 - probability]]), card).argmax() == called


SCLEROSED = Classification("globally sclerosed", {"globally sclerosed": 0.9, "not sclerosed": 0.1})
NORMAL = Classification("not sclerosed", {"globally sclerosed": 0.2, "not sclerosed": 0.8})
NOTHING = Classification(NON_GLOMERULAR, {NON_GLOMERULAR: 1.0})


def told_result() -> object:
    found = [
        replace(glomerulus(1, spikes=spike_score(0.9)), classifications=(SCLEROSED,)),
        replace(glomerulus(3, x0=14_000.0, spikes=spike_score(0.2)), classifications=(NORMAL,)),
    ]
    other = replace(glomerulus(2, x0=12_000.0), classifications=(NOTHING,))
    return replace(slide_result(*found), others=(other,))


def test_the_table_has_lesions_and_what_is_no_glomerulus_in_order(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", told_result())
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["lesion"]) for row in rows] == [
        ("1", "globally sclerosed"), ("2", NON_GLOMERULAR), ("3", "not sclerosed"),
    ]  # fmt: skip
    assert rows[0]["lesion_probabilities"] == "globally sclerosed:0.9000;not sclerosed:0.1000"


def test_each_lesion_has_a_layer_and_a_sclerosed_score_says_so(tmp_path: Path) -> None:
    write_imagescope(tmp_path / "s.xml", told_result())
    layers = {one.get("Name"): one for one in ET.parse(tmp_path / "s.xml").getroot().iter("Annotation")}
    texts = {name: [r.get("Text") for r in one.iter("Region")] for name, one in layers.items()}
    assert texts["Lesion: globally sclerosed"] == ["1: globally sclerosed 0.90"]
    assert texts["Lesion: not sclerosed"] == ["3: not sclerosed 0.80"]
    assert texts["Spiked glomeruli"] == ["1: spike 0.90, globally sclerosed"]
    assert texts["Other glomeruli"] == ["3: spike 0.20"]
    assert not any(NON_GLOMERULAR in name for name in texts)


def test_lesion_layers_are_not_taken_for_glomeruli_when_read_back(tmp_path: Path) -> None:
    result = told_result()
    write_imagescope(tmp_path / "s.xml", result)
    meaning = read_meaning(tmp_path / "s.xml", result.slide)
    assert [(one.number, one.label) for one in meaning.glomeruli] == [(1, "spiked"), (3, "normal")]
    assert meaning.unclear0 == ()
