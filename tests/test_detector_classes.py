"""A detector of several classes: what it learns from, what it says of a circle, what a run makes of it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from discs import disc_mask, disc_picture, model, write_samples
from edits import Annotations, ellipse, pen
from pyramids import write_aperio
from test_training import train_from_command_line
from torch import nn

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.marks import OTHER, OUTLINES
from glomspike.detect.decode import decode
from glomspike.detect.evaluate import evaluate_detector
from glomspike.detect.infer import detect
from glomspike.detect.model import STRIDE, CircleNet, Maps, for_classes
from glomspike.detect.targets import UNCERTAIN, circle_loss, targets_of
from glomspike.detect.train import DetectorOptions, DetectorTask
from glomspike.errors import SamplesError
from glomspike.findings import Mpp
from glomspike.learn.samples import read_samples
from glomspike.learn.truth import load_picture
from glomspike.lesions.crops import load_lesions
from glomspike.networks.models import load_model
from glomspike.networks.weights import CardDraft, save_weights
from glomspike.phantom.slides import write_phantoms
from glomspike.slide.reader import open_slide
from glomspike.slide.tissue import find_tissue

CPU = torch.device("cpu")
CLASSES = ("bright", "dark")
SIDE_PX = 160
PLACES = [(45.0, 45.0, 26.0), (110.0, 110.0, 26.0)]


def picture_of_both() -> np.ndarray:
    """A bright disc at the first place, a dark one at the second."""
    grey = disc_picture(SIDE_PX, SIDE_PX, [], 1) - np.uint8(60)
    grey[disc_mask(SIDE_PX, SIDE_PX, PLACES[:1])] = 230
    grey[disc_mask(SIDE_PX, SIDE_PX, PLACES[1:])] = 30
    return grey


def table_of_both(folder: Path, patients: int = 4, lesions: bool = True) -> Path:
    """Fields with a glomerulus of each class, which layers tell, drawn as glomspike draws them or by hand."""
    rows = []
    for number in range(patients):
        drawn = Annotations([])
        for place, lesion in zip(PLACES, CLASSES, strict=True):
            drawn.add(OTHER, ellipse(*place, "not scored"))
            drawn.add(OUTLINES, pen(*place))
            if lesions:
                drawn.add(f"Lesion: {lesion}", pen(*place, "1: 0.80" if number % 2 else ""))
        folder.mkdir(parents=True, exist_ok=True)
        write_layers(folder / f"{number}.xml", drawn.layers, Mpp(4.0, 4.0))
        split = ("train", "train", "val", "test")[number % 4]
        rows.append({
            "image": picture_of_both(), "mpp": 4.0, "xml": f"{number}.xml", "patient": f"p{number}",
            "split": split,
        })  # fmt: skip
    return write_samples(folder, rows)


class Shades(nn.Module):
    """In the place of CircleNet: bright and dark discs of one radius, told by their middle."""

    def __init__(self) -> None:
        super().__init__()
        self.steepness = nn.Parameter(torch.tensor(30.0))

    def forward(self, windows: torch.Tensor) -> Maps:
        zoom = windows.shape[-1] / SIDE_PX
        side = 2 * int(26 * zoom / 8) + 1
        grey = windows.mean(dim=1, keepdim=True)
        of_class = [
            nn.functional.avg_pool2d(match.float(), 4) for match in ((grey > 0.8) & (grey < 0.95), grey < 0.2)
        ]
        inside = torch.cat([nn.functional.avg_pool2d(m, side, 1, side // 2) for m in of_class], dim=1)
        centre = self.steepness * (inside - 0.8)
        ones = torch.ones_like(centre[:, :1])
        return Maps(centre, 26 / 4 * zoom * ones, 0.5 * ones.repeat(1, 2, 1, 1))


def several(threshold: float = 0.5) -> object:
    found = model("detector", Shades(), 4.0, SIDE_PX, {"score": threshold})
    card = found.card.model_copy(update={"classes": CLASSES})
    return type(found)(found.network, card, found.device)


def test_each_circle_is_asked_for_in_the_map_of_its_class_only() -> None:
    targets = targets_of(np.array(PLACES), np.array([0, 1]), SIDE_PX, SIDE_PX, classes=2)
    assert targets.is_centre.sum(axis=(1, 2)).tolist() == [1, 1]
    assert targets.centre[0, 11, 11] == targets.centre[1, 27, 27] == 1
    assert targets.centre[1, 11, 11] < 0.01
    unknown = targets_of(np.array(PLACES), np.array([UNCERTAIN, 1]), SIDE_PX, SIDE_PX, classes=2)
    assert unknown.counts[11, 11] == 0
    assert unknown.is_centre[0].sum() == 0


def test_the_right_place_in_the_wrong_class_costs() -> None:
    targets = targets_of(np.array(PLACES[:1]), np.array([0]), SIDE_PX, SIDE_PX, classes=2)
    batch = {name: torch.from_numpy(values)[None] for name, values in vars(targets).items()}
    logits = torch.logit(torch.from_numpy(targets.centre).clamp(1e-6, 1 - 1e-6))[None]
    right = Maps(logits, batch["radius"][:, None], batch["offset"])
    assert circle_loss(right, batch) < 0.01 < circle_loss(right._replace(centre=logits.flip(1)), batch)


def test_a_circle_comes_with_what_each_class_says_of_its_place() -> None:
    centre = torch.full((1, 3, 8, 8), -9.0)
    centre[0, :, 2, 5] = torch.logit(torch.tensor([0.1, 0.6, 0.1]))
    ones = torch.ones(1, 1, 8, 8)
    best = decode(Maps(centre, 3 * ones, 0.5 * ones.repeat(1, 2, 1, 1)))[0, 0]
    assert best.tolist() == pytest.approx([22, 10, 12, 0.6, 0.125, 0.75, 0.125], abs=1e-4)


def test_glomeruli_on_a_slide_are_found_once_each_with_their_class(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", picture_of_both(), mpp=4.0)
    with open_slide(tmp_path / "s.svs") as slide:
        tissue = find_tissue(slide)
        circles = detect(slide, tissue, several(), lambda *_: None).circles
    assert np.abs(np.array([(c.x0, c.y0) for c in circles]) - [(45, 45), (110, 110)]).max() <= 2 * STRIDE
    assert [c.lesion.name for c in circles] == list(CLASSES)
    assert all(sum(c.lesion.probabilities.values()) == pytest.approx(1) for c in circles)


def test_lesions_are_those_of_the_layers_and_of_the_row_first(tmp_path: Path) -> None:
    table = table_of_both(tmp_path)
    for sample in read_samples([table]):
        assert sorted(str(g.lesion) for g in load_picture(sample).truth.glomeruli) == sorted(CLASSES)
    patches = load_lesions(read_samples([table]), 32)
    assert {(patch.lesion, bool(patch.patch.glomerulus.x_px < 80)) for patch in patches} >= {("bright", True)}
    text = table.read_text().replace("split\n", "split,lesion\n").replace("train\n", "train,scar\n")
    table.write_text(text.replace("val\n", "val,\n").replace("test\n", "test,\n"))
    (first, *_) = read_samples([table])
    assert {g.lesion for g in load_picture(first).truth.glomeruli} == {"scar"}


def test_evaluation_tells_each_class(tmp_path: Path) -> None:
    samples = read_samples([table_of_both(tmp_path)])
    numbers = evaluate_detector(samples, several(), lambda *_: None).numbers
    assert numbers["recall50"] == 1
    assert {name: own["ap50"] for name, own in numbers["classes"].items()} == dict.fromkeys(CLASSES, 1.0)
    assert "classes" not in evaluate_detector(
        samples, model("detector", OneShade(), 4.0, SIDE_PX, {"score": 0.5}), lambda *_: None
    ).numbers  # fmt: skip


class OneShade(Shades):
    """The same with one class for both."""

    def forward(self, windows: torch.Tensor) -> Maps:
        maps = super().forward(windows)
        return maps._replace(centre=maps.centre.amax(dim=1, keepdim=True))


def test_training_by_lesion_begins_with_one_class_and_says_its_classes(
    tmp_path: Path,
) -> None:
    table = table_of_both(tmp_path / "samples")
    assert train_from_command_line("detector", table, tmp_path / "out", "--by-lesion") == 0
    trained = load_model("detector", tmp_path / "out", CPU)
    assert trained.card.classes == CLASSES
    assert {"ap_of_classes", "ap"} <= {metric.name for metric in trained.card.metrics}
    again = train_from_command_line("detector", table, tmp_path / "on", "--weights", str(tmp_path / "out"))
    assert again == 0
    assert load_model("detector", tmp_path / "on", CPU).card.classes == CLASSES


def test_classes_that_begin_alike_answer_alike() -> None:
    one, two = (CircleNet("resnet18", 32, 32, classes=classes).eval() for classes in (1, 2))
    two.load_state_dict(for_classes(one.state_dict(), 2))
    window = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        both, alone = two(window), one(window)
    assert torch.equal(both.radius, alone.radius)
    assert torch.allclose(both.centre, alone.centre.repeat(1, 2, 1, 1))


def test_by_lesion_needs_lesions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = table_of_both(tmp_path, lesions=False)
    with pytest.raises(SamplesError, match="name 0 lesions"):
        DetectorTask([table], DetectorOptions(classes=None), None, None)
    assert train_from_command_line("segmenter", table, tmp_path / "out", "--by-lesion") == 2
    assert "--by-lesion is for the detector, not the segmenter" in capsys.readouterr().err


def test_a_run_tells_what_a_detector_of_several_classes_says(tmp_path: Path) -> None:
    list(write_phantoms(tmp_path, 1, 1, 3, 0.0, 1))
    shipped = load_model("detector", None, CPU)
    said = {"classes": ("not sclerosed", "globally sclerosed"), "thresholds": {"score": 0.1}}
    draft = CardDraft.model_validate(
        shipped.card.model_dump(exclude={"sha256"})
        | {"arguments": shipped.card.arguments | {"classes": 2}, **said}
    )
    state = for_classes(shipped.network.state_dict(), 2)
    state["centre.2.bias"][1] -= 1.0
    save_weights(state, draft, tmp_path / "detector", "detector")
    command = [sys.executable, "-m", "glomspike", "--device", "cpu", tmp_path / "phantom-0001.svs"]
    done = subprocess.run(
        [*map(str, command), str(tmp_path / "out"), "--detector", str(tmp_path / "detector")],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "phantom-0001" / "glomeruli.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row["lesion"] for row in rows} == {"not sclerosed"}
    record = json.loads((tmp_path / "out" / "phantom-0001" / "run.json").read_text())
    assert "lesions" not in record["weights"]
