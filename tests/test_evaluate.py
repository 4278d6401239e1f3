"""`glomspike evaluate`: the numbers that the design names, the worst cases, and what is said of bad input."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from discs import (
    DarkDiscs,
    DarkPixels,
    DarkTiles,
    disc_mask,
    disc_picture,
    model,
    write_disc_samples,
    write_samples,
)
from torch import nn

from glomspike import cli
from glomspike.classify.evaluate import evaluate_classifier
from glomspike.detect.evaluate import evaluate_detector
from glomspike.errors import SamplesError
from glomspike.learn.samples import read_samples
from glomspike.metrics import bootstrap
from glomspike.networks import models
from glomspike.networks.models import Model
from glomspike.segment.evaluate import evaluate_segmenter


def estimates(*names: str) -> set[str]:
    return {key for name in names for key in (name, f"{name}_ci95")}


DETECTOR = {"n_truth", "n_images", "n_patients"} | estimates("ap", "ap50", "ap75", "recall50")
SEGMENTER = {"dice_sd", "n", "n_patients"} | estimates("dice_mean", "iou_mean")
CLASSIFIER = {"ece", "n_positive", "n_negative", "n_patients", "threshold"} | estimates(
    "precision", "recall", "f1", "accuracy", "auc"
)


def detector() -> Model:
    return model("detector", DarkDiscs(25, 160), 4.0, 160, {"score": 0.5})


def segmenter() -> Model:
    return model("segmenter", DarkPixels(), 1.0, 128, {"probability": 0.5})


def classifier() -> Model:
    return model("classifier", DarkTiles(), 0.25, 50, {"spiked": 0.5})


def silent(done: int, whole: int) -> None:
    assert 0 <= done <= whole


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 40)


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_disc_samples(tmp_path_factory.mktemp("discs"), splits=("train", "val", "test", "test"))


@pytest.fixture(scope="module")
def glomeruli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spiked glomeruli are dark and normal ones bright, but for one dark normal one."""
    mask = disc_mask(200, 200, [(100, 100, 70)])
    rows = []
    for number, (spiked, grey) in enumerate(
        [(True, 60), (False, 180), (True, 70), (False, 80), (False, 170)]
    ):
        label = "spiked" if spiked else "normal"
        shade = np.full((200, 200, 3), grey, np.uint8)
        rows.append(
            {
                "image": shade,
                "mpp": 0.25,
                "mask": mask,
                "label": label,
                "patient": f"p{number}",
                "split": "test",
            }
        )
    return write_samples(tmp_path_factory.mktemp("glomeruli"), rows)


def test_a_detector_that_finds_all_discs_is_said_to(discs: Path) -> None:
    found = evaluate_detector(read_samples([discs]), detector(), silent)
    assert set(found.numbers) > DETECTOR
    assert (found.numbers["ap50"], found.numbers["recall50"]) == (1, 1)
    assert (found.numbers["n_truth"], found.numbers["n_images"], found.numbers["n_patients"]) == (8, 4, 4)
    assert found.numbers["ap50_ci95"] == found.numbers["recall50_ci95"] == [1, 1]
    assert (found.numbers["recall_at_threshold"], found.numbers["false_per_image"]) == (1, 0)
    assert list(found.numbers["tables"]) == [str(discs)]
    assert set(found.numbers["tables"][str(discs)]) == DETECTOR


def test_where_patients_differ_the_detectors_intervals_reach_from_one_to_the_other(tmp_path: Path) -> None:
    true = [(40.0, 40.0, 25.0), (110.0, 110.0, 25.0)]
    rows = [
        {
            "image": disc_picture(160, 160, shown),
            "mpp": 4.0,
            "mask": disc_mask(160, 160, true),
            "patient": patient,
        }
        for patient, shown in (("whole", true), ("half", true[:1]), ("half", true[:1]))
    ]
    samples = read_samples([write_samples(tmp_path, rows)])
    found = evaluate_detector(samples, detector(), silent).numbers
    assert (found["n_images"], found["n_patients"]) == (3, 2)
    assert found["recall50_ci95"] == [0.5, 1]
    assert found["recall50"] == pytest.approx(2 / 3)
    alone = evaluate_detector([s for s in samples if s.patient == "half"], detector(), silent).numbers
    assert (alone["recall50"], alone["recall50_ci95"], alone["n_patients"]) == (0.5, None, 1)


def test_tissue_without_any_glomerulus_has_no_interval(tmp_path: Path) -> None:
    empty = disc_picture(160, 160, [])
    rows = [
        {"image": empty, "mpp": 4.0, "mask": np.zeros((160, 160), bool), "patient": patient}
        for patient in "ab"
    ]
    found = evaluate_detector(read_samples([write_samples(tmp_path, rows)]), detector(), silent).numbers
    assert (found["ap"], found["ap_ci95"], found["n_truth"], found["n_patients"]) == (0, None, 0, 2)


def test_what_a_detector_misses_and_invents_is_counted_and_is_its_worst_case(tmp_path: Path) -> None:
    good = [(40.0, 40.0, 25.0), (110.0, 110.0, 25.0)]
    rows = [
        {
            "image": disc_picture(160, 160, shown),
            "mpp": 4.0,
            "mask": disc_mask(160, 160, true),
            "patient": "p",
        }
        for shown, true in ((good, good), (good[:1], good), ([*good, (120.0, 30.0, 25.0)], good))
    ]
    samples = read_samples([write_samples(tmp_path, rows)])
    found = evaluate_detector(samples, detector(), silent)
    assert found.numbers["recall_at_threshold"] == pytest.approx(5 / 6)
    assert found.numbers["false_per_image"] == pytest.approx(1 / 3)
    assert found.worst.shape[1] == 4 * 320


def test_pictures_without_a_scale_are_not_the_detectors(discs: Path, tmp_path: Path) -> None:
    mask = disc_mask(80, 80, [(40, 40, 25)])
    row = {"image": disc_picture(80, 80, [(40, 40, 25)]), "mpp": "", "mask": mask, "patient": "crop"}
    crop = write_samples(tmp_path, [row])
    both = evaluate_detector(read_samples([discs, crop]), detector(), silent)
    assert both.numbers["n_images"] == 4
    with pytest.raises(SamplesError, match="no annotated picture of known µm/px"):
        evaluate_detector(read_samples([crop]), detector(), silent)


def test_a_segmenter_is_measured_on_each_glomerulus_with_or_without_a_scale(
    discs: Path, tmp_path: Path
) -> None:
    mask = disc_mask(150, 130, [(75, 65, 50)])
    row = {"image": disc_picture(150, 130, [(75, 65, 50)]), "mpp": "", "mask": mask, "patient": "crop"}
    crop = write_samples(tmp_path, [row])
    found = evaluate_segmenter(read_samples([discs, crop]), segmenter(), silent)
    assert set(found.numbers) > SEGMENTER
    assert found.numbers["n"] == 9
    assert found.numbers["dice_mean"] > 0.97
    assert found.numbers["tables"][str(crop)]["n"] == 1
    assert found.numbers["tables"][str(crop)]["dice_mean"] > 0.98
    assert found.numbers["tables"][str(crop)]["dice_mean_ci95"] is None
    low, high = found.numbers["dice_mean_ci95"]
    assert low < found.numbers["dice_mean"] < high
    assert (found.numbers["n_patients"], found.numbers["tables"][str(crop)]["n_patients"]) == (5, 1)


def test_an_outline_that_is_not_found_counts_as_nothing(tmp_path: Path) -> None:
    mask = disc_mask(150, 130, [(75, 65, 50)])
    blank = np.full((130, 150, 3), 220, np.uint8)
    path = write_samples(tmp_path, [{"image": blank, "mask": mask, "patient": "p"}])
    found = evaluate_segmenter(read_samples([path]), segmenter(), silent)
    assert (found.numbers["dice_mean"], found.numbers["iou_mean"]) == (0, 0)


def test_an_outline_beyond_the_pictures_border_is_cut_as_in_the_main_job(tmp_path: Path) -> None:
    halved = [(80.0, 0.0, 50.0)]
    mask = disc_mask(160, 160, halved)
    row = {"image": disc_picture(160, 160, halved), "mpp": 4.0, "mask": mask, "patient": "p"}
    samples = read_samples([write_samples(tmp_path, [row])])
    beyond = model("segmenter", nn.Sequential(WhiteIsDark(), DarkPixels()), 1.0, 128, {"probability": 0.5})
    assert evaluate_segmenter(samples, beyond, silent).numbers["dice_mean"] > 0.97


class WhiteIsDark(nn.Module):
    """Makes the pure white that lies beyond a picture as dark as a disc."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.where(images > 0.99, 0.2, images)


def test_a_classifier_is_measured_by_its_highest_tiles(glomeruli: Path) -> None:
    found = evaluate_classifier(read_samples([glomeruli]), classifier(), None, silent)
    assert set(found.numbers) > CLASSIFIER
    assert (found.numbers["n_positive"], found.numbers["n_negative"], found.numbers["n_patients"]) == (
        2,
        3,
        5,
    )
    assert found.numbers["threshold"] == 0.5
    assert found.numbers["n_unscored"] == 0
    assert found.numbers["auc"] == 1
    assert found.numbers["auc_ci95"] == [1, 1]
    # One dark normal glomerulus is taken for spiked.
    assert found.numbers["precision"] == pytest.approx(2 / 3)
    assert found.numbers["n_undetermined"] == 0
    strict = evaluate_classifier(read_samples([glomeruli]), classifier(), 1.0, silent)
    assert (strict.numbers["threshold"], strict.numbers["recall"]) == (1.0, 0)


def test_a_classifier_is_asked_where_spikes_are_if_that_is_known(tmp_path: Path) -> None:
    """A spiked glomerulus is dark on the left, where its spikes are said to be; the other half is bright."""
    mask = disc_mask(300, 300, [(150, 150, 130)])
    shade = np.full((300, 300, 3), 190, np.uint8)
    half = shade.copy()
    half[:, :140] = 60
    rows = [
        {"image": image, "mpp": 0.25, "mask": mask, "label": label, "patient": label, "split": "test"}
        for image, label in ((half, "spiked"), (shade, "normal"))
    ]
    samples = read_samples([write_samples(tmp_path, rows)])
    assert evaluate_classifier(samples, classifier(), None, silent).numbers["localisation_auc"] is None
    stretches = [[[60, y], [90, y]] for y in range(60, 240, 20)]
    truth = json.dumps({"glomeruli": [{"stretches0": stretches}]})
    (tmp_path / "image-0.json").write_text(truth)
    found = evaluate_classifier(samples, classifier(), None, silent).numbers
    assert found["localisation_auc"] > 0.9
    assert found["n_localised"] == 1
    assert sum(b["n"] for b in found["reliability"]) == 2
    mirrored = json.dumps({"glomeruli": [{"stretches0": [[[300 - x, y] for x, y in s] for s in stretches]}]})
    (tmp_path / "image-0.json").write_text(mirrored)
    elsewhere = evaluate_classifier(samples, classifier(), None, silent).numbers
    assert elsewhere["localisation_auc"] < 0.6


def test_a_classifier_needs_both_classes(glomeruli: Path) -> None:
    spiked = [sample for sample in read_samples([glomeruli]) if sample.label == "spiked"]
    with pytest.raises(SamplesError, match=r"samples\.csv: not both spiked and normal glomeruli"):
        evaluate_classifier(spiked, classifier(), None, silent)


def typed(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", *map(str, arguments)])
    return int(end.value.code or 0), *capsys.readouterr()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of these tests in the place of those that ship."""
    kinds = {"detector": detector, "segmenter": segmenter, "classifier": classifier}
    monkeypatch.setattr(models, "load_model", lambda kind, path, device: kinds[kind]())


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("kind", "keys"), [("detector", DETECTOR), ("segmenter", SEGMENTER), ("classifier", CLASSIFIER)]
)
def test_the_command_writes_the_numbers_and_the_worst_cases(
    kind: str,
    keys: set[str],
    discs: Path,
    glomeruli: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    samples = glomeruli if kind == "classifier" else discs
    file = tmp_path / "new" / "numbers.json"
    status, out, err = typed(kind, samples, "--json", file, "--device", "cpu", capsys=capsys)
    assert status == 0, err
    numbers = json.loads(file.read_text())
    assert set(numbers) > keys | {"model", "sha256", "split"}
    assert (numbers["model"], numbers["split"]) == (kind, "test")
    assert cv2.imread(str(tmp_path / "new" / "numbers-worst.png")).shape[1] == 4 * 320
    assert str(file) in out
    assert "Traceback" not in err


@pytest.mark.usefixtures("loaded")
def test_the_split_decides_what_is_measured(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {}
    for split in ("train", "val", "test", "all"):
        file, worst = tmp_path / f"{split}.json", tmp_path / "w" / f"{split}.png"
        status, _, _ = typed(
            "detector",
            discs,
            "--json",
            file,
            "--worst",
            worst,
            "--split",
            split,
            "--device",
            "cpu",
            capsys=capsys,
        )
        assert (status, worst.is_file()) == (0, True)
        counts[split] = json.loads(file.read_text())["n_images"]
    assert counts == {"train": 1, "val": 1, "test": 2, "all": 4}


@pytest.mark.usefixtures("loaded")
def test_bad_input_is_one_line_and_writes_nothing(
    discs: Path, glomeruli: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "numbers.json"
    for arguments, status, said in (
        (("detector", glomeruli, "--split", "val"), 1, "split val is empty"),
        (("detector", tmp_path / "none.csv"), 1, "none.csv: cannot be read"),
        (("detector", discs, "--threshold", "0.4"), 2, "--threshold is for the classifier, not the detector"),
        (("poet", discs), 2, "'poet' is not a kind of model; give one of detector"),
    ):
        got, out, err = typed(*arguments, "--json", file, "--device", "cpu", capsys=capsys)
        (line,) = [line for line in err.splitlines() if line]
        assert (got, out) == (status, "")
        assert said in line
    assert not file.exists()


@pytest.mark.usefixtures("loaded")
def test_files_that_no_evaluation_wrote_are_not_replaced(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(file: Path, *options: object) -> int:
        return typed("detector", discs, "--json", file, "--device", "cpu", *options, capsys=capsys)[0]

    mine = {name: tmp_path / name for name in ("field.json", "new-worst.png", "photo.png")}
    for path in mine.values():
        path.write_text('{"shapes": []}')
    assert [status(mine["field.json"]), status(tmp_path / "new.json"), status(discs)] == [1, 1, 1]
    assert status(tmp_path / "other.json", "--worst", mine["photo.png"]) == 1
    assert all(path.read_text() == '{"shapes": []}' for path in mine.values())
    assert [status(tmp_path / "numbers.json") for _ in range(2)] == [0, 0]
