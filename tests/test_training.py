"""The training loop: what it writes, that it learns, and that being killed changes nothing."""

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from cards import DRAFT
from discs import disc_mask, disc_picture, write_disc_samples, write_samples
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from glomspike import cli
from glomspike.classify import train_msa_mil
from glomspike.classify.train_attention import attention_settings
from glomspike.detect import train as detect_train
from glomspike.errors import OutputError
from glomspike.learn.training import Settings, fabric_on, learning_rate, train
from glomspike.networks.models import load_model
from glomspike.segment import train as segment_train

CPU = torch.device("cpu")
HERE = Path(__file__).parent
KINDS = ("detector", "segmenter", "classifier")


class Line:
    """A task of its own: to learn y = 2 x from noisy points, perhaps killed at an (epoch, sample)."""

    quality = "closeness"
    signature = "line"

    def __init__(self, dies_at: tuple[int, int] | None = None) -> None:
        self.dies_at, self.epoch = dies_at, 0

    def network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.2), nn.Linear(4, 1))

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        self.epoch = epoch
        return 12

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        if (self.epoch, index) == self.dies_at:
            signal.raise_signal(signal.SIGKILL)
        x = rng.uniform(-1, 1, 1).astype(np.float32)
        return {"x": x, "y": 2 * x + rng.normal(0, 0.1, 1).astype(np.float32)}

    def loss(self, network: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return nn.functional.mse_loss(network(batch["x"]), batch["y"])

    def validate(self, network: nn.Module) -> dict[str, float]:
        x = torch.linspace(-1, 1, 9)[:, None]
        return {"closeness": -float((network(x) - 2 * x).detach().abs().mean())}

    def examples(self, network: nn.Module) -> np.ndarray:
        return np.zeros((8, 8, 3), np.uint8)

    def card(self, measured: dict[str, float]) -> object:
        return DRAFT


def learnt(task: object, out: Path, **changes: object) -> Path:
    settings = Settings(**({"epochs": 4, "batch": 4, "learning_rate": 0.02, "examples_every": 2} | changes))
    return train(task, settings, fabric_on(CPU, 1), out, Console(quiet=True))


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


def assert_same(first: Path, second: Path) -> None:
    one, other = weights_of(first), weights_of(second)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def run_apart(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code with the names of this file in a process of its own, with one thread."""
    head = "import torch; torch.set_num_threads(1); from test_training import *\n"
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    return subprocess.run(
        [sys.executable, "-c", head + code], env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_training_writes_weights_card_numbers_curves_and_examples(tmp_path: Path) -> None:
    written = learnt(Line(), tmp_path / "out", epochs=5)
    assert written == tmp_path / "out" / "segmenter.safetensors"
    assert json.loads(written.with_suffix(".json").read_text())["kind"] == "segmenter"
    with (tmp_path / "out" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert set(rows[0]) == {"epoch", "loss", "samples_per_s", "closeness"}
    assert cv2.imread(str(tmp_path / "out" / "curves.png")) is not None
    examples = sorted(path.name for path in (tmp_path / "out" / "examples").iterdir())
    assert examples == ["epoch-002.png", "epoch-004.png", "epoch-005.png"]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_the_loop_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    learnt(Line(), tmp_path / "long", epochs=12, learning_rate=0.1)
    with (tmp_path / "long" / "metrics.csv").open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    network = Line().network()
    network.load_state_dict(
        {k: v.float() for k, v in weights_of(tmp_path / "long" / "segmenter.safetensors").items()}
    )
    best = max(row["closeness"] for row in rows)
    assert Line().validate(network.eval())["closeness"] == pytest.approx(best, abs=0.02)


def test_a_training_is_repeatable_and_another_seed_is_another_training(tmp_path: Path) -> None:
    first, second = learnt(Line(), tmp_path / "a"), learnt(Line(), tmp_path / "b")
    assert_same(first, second)
    other = weights_of(learnt(Line(), tmp_path / "c", seed=1))
    assert not all(torch.equal(other[name], tensor) for name, tensor in weights_of(first).items())


def test_a_training_killed_within_an_epoch_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    done = run_apart(f"learnt(Line(dies_at=(3, 6)), Path({str(tmp_path / 'killed')!r}))")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "killed" / "checkpoint.pt").is_file()
    assert not (tmp_path / "killed" / "segmenter.safetensors").exists()
    assert_same(learnt(Line(), tmp_path / "killed"), learnt(Line(), tmp_path / "whole"))
    metrics = [(tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("killed", "whole")]
    without_rate = [[row.split(",")[:2] + row.split(",")[3:] for row in rows] for rows in metrics]
    assert without_rate[0] == without_rate[1]


def test_fewer_samples_than_a_batch_holds_come_again(tmp_path: Path) -> None:
    seen: list[int] = []

    class FewSamples(Line):
        def sample(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
            seen.append(index)
            return super().sample(index, rng)

    learnt(FewSamples(), tmp_path, epochs=1, batch=30)
    assert sorted(set(seen)) == list(range(12))
    assert len(seen) == 30


@pytest.mark.slow
def test_a_batch_smaller_than_the_number_of_processes_gives_each_a_sample(tmp_path: Path) -> None:
    script = tmp_path / "two.py"  # a file, since the second process is started as the first was
    script.write_text(
        "from pathlib import Path\n"
        "from lightning_fabric import Fabric\n"
        "from rich.console import Console\n"
        "from test_training import Line\n"
        "from glomspike.learn.training import Settings, train\n"
        "fabric = Fabric(accelerator='cpu', devices=2, strategy='ddp', precision='32-true')\n"
        "fabric.launch()\n"
        "settings = Settings(epochs=2, batch=1)\n"
        f"train(Line(), settings, fabric, Path({str(tmp_path / 'out')!r}), Console(quiet=True))\n"
    )
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    subprocess.run([sys.executable, script], env={**os.environ, "PYTHONPATH": paths}, check=True)
    with (tmp_path / "out" / "metrics.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    written = learnt(Line(), tmp_path)
    again = learnt(Line(dies_at=(1, 0)), tmp_path)
    assert again == written


def test_a_folder_with_another_training_is_refused(tmp_path: Path) -> None:
    learnt(Line(), tmp_path)
    with pytest.raises(
        OutputError, match="holds a training of other samples or settings; give another --out"
    ):
        learnt(Line(), tmp_path, learning_rate=0.01)


def test_an_out_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/out: cannot be written"):
        learnt(Line(), tmp_path / "file" / "out")


def test_trainings_of_pooled_tiles_follow_the_schedule_that_is_given() -> None:
    assert attention_settings(5, None, 0).schedule == "onecycle"
    assert attention_settings(5, None, 0, "steps").schedule == "steps"


def test_the_learning_rate_rises_and_falls_or_falls_in_steps() -> None:
    once = [learning_rate(Settings(epochs=20, learning_rate=1.0), epoch) for epoch in range(21)]
    assert once[2] == pytest.approx(1)
    assert once[0] < 0.1
    assert once[20] == pytest.approx(0.001)
    assert all(np.diff(once[2:]) < 0)
    steps = [
        learning_rate(Settings(epochs=30, learning_rate=1.0, schedule="steps"), e) for e in (0, 9, 10, 25)
    ]
    assert steps == pytest.approx([1, 1, 0.3, 0.09])


def spike_table(folder: Path) -> Path:
    """Spiked glomeruli are dark and normal ones bright; two of each in training and in validation."""
    disc = [(85.0, 85.0, 60.0)]
    mask = disc_mask(170, 170, disc)
    rows = []
    for number, spiked in enumerate([True, False] * 4):
        picture = disc_picture(170, 170, disc, number)
        rows.append({
            "image": picture if spiked else 60 + picture // 2, "mpp": 0.25, "mask": mask,
            "label": "spiked" if spiked else "normal", "patient": f"p{number}",
            "split": "train" if number < 4 else "val",
        })  # fmt: skip
    return write_samples(folder, rows)


def table_for(kind: str, folder: Path) -> Path:
    return spike_table(folder) if kind == "classifier" else write_disc_samples(folder)


@dataclass(frozen=True)
class TinyDetector(detect_train.DetectorOptions):
    crop_px: int = 64
    samples_per_epoch: int = 4


@dataclass(frozen=True)
class TinySegmenter(segment_train.SegmenterOptions):
    input_px: int = 64
    samples_per_epoch: int = 4


@dataclass(frozen=True)
class TinyMil(train_msa_mil.MilOptions):
    k_pos: int = 1
    k_neg: int = 1


def train_from_command_line(kind: str, table: Path, out: Path, *more: str, epochs: int = 1) -> int:
    options = ["--out", out, "--epochs", epochs, "--batch", 2, "--device", "cpu", *more]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(detect_train, "DetectorOptions", TinyDetector)
        patched.setattr(segment_train, "SegmenterOptions", TinySegmenter)
        patched.setattr(train_msa_mil, "MilOptions", TinyMil)
        with pytest.raises(SystemExit) as end:
            cli.main(["train", kind, *map(str, [table, *options])])
    return int(end.value.code or 0)


@pytest.mark.parametrize("kind", KINDS)
def test_each_model_trains_from_a_table_to_weights_that_load_and_go_on_learning(
    kind: str, tmp_path: Path
) -> None:
    table = table_for(kind, tmp_path / "samples")
    assert train_from_command_line(kind, table, tmp_path / "first", "--from-scratch") == 0
    trained = load_model(kind, tmp_path / "first", CPU)  # type: ignore[arg-type]
    assert trained.card.training_data[0].name == "samples"
    assert {metric.data for metric in trained.card.metrics} == {"validation patients"}
    assert (tmp_path / "first" / "examples" / "epoch-001.png").is_file()
    assert (
        train_from_command_line(kind, table, tmp_path / "second", "--weights", str(tmp_path / "first")) == 0
    )
    finer = weights_of(tmp_path / "second" / f"{kind}.safetensors")
    distance = [
        float((finer[name].float() - tensor).abs().mean() / tensor.abs().mean())
        for name, tensor in trained.network.state_dict().items()
        if name.endswith("conv1.weight")
    ]
    assert 0 < max(distance) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killing_any_training_and_resuming_gives_the_same_weights(kind: str, tmp_path: Path) -> None:
    table = table_for(kind, tmp_path / "samples")
    task = {"detector": "detect_train.DetectorTask", "segmenter": "segment_train.SegmenterTask",
            "classifier": "train_msa_mil.MilTask"}[kind]  # fmt: skip
    dying = (
        f"task, seen = {task}, []\n"
        "whole = task.sample\n"
        "def sample(self, index, rng):\n"
        "    seen.append(index)\n"
        "    if len(seen) == 7: signal.raise_signal(signal.SIGKILL)\n"
        "    return whole(self, index, rng)\n"
        "task.sample = sample\n"
    )

    def command(out: str) -> str:
        paths = f"Path({str(table)!r}), Path({str(tmp_path / out)!r})"
        return f"train_from_command_line({kind!r}, {paths}, '--from-scratch', epochs=3)"

    assert run_apart(dying + command("killed")).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / f"{kind}.safetensors").exists()
    for name in ("killed", "whole"):
        done = run_apart(command(name))
        assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "killed" / f"{kind}.safetensors", tmp_path / "whole" / f"{kind}.safetensors")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("detector", "no annotated picture of known µm/px in split val"),
        ("segmenter", "no outlined glomerulus in split val"),
        ("classifier", "split val does not hold both spiked and normal glomeruli"),
    ],
)
def test_a_table_that_a_model_cannot_learn_from_is_one_line(
    kind: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "classifier":
        table = spike_table(tmp_path)
        table.write_text(table.read_text().replace(",val", ",train"))
    else:
        table = write_disc_samples(tmp_path, splits=("train", "train"))
    assert train_from_command_line(kind, table, tmp_path / "out", "--from-scratch") == 1
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_the_classifiers_encoder_is_not_to_be_downloaded(tmp_path: Path) -> None:
    assert train_from_command_line("classifier", tmp_path, tmp_path, "--encoder-weights", "imagenet") == 2


@pytest.mark.slow
def test_another_architecture_is_trained_and_goes_on_as_what_it_is(tmp_path: Path) -> None:
    table = write_disc_samples(tmp_path / "samples")
    first, second = tmp_path / "first", tmp_path / "second"
    fresh = ("--from-scratch", "--architecture", "DeepLabV3Plus")
    assert train_from_command_line("segmenter", table, first, *fresh) == 0
    assert train_from_command_line("segmenter", table, second, "--weights", str(first)) == 0
    assert load_model("segmenter", second, CPU).card.architecture == "DeepLabV3Plus"


@pytest.mark.parametrize(("kind", "more"), [("detector", ("--from-scratch",)), ("segmenter", ())])
def test_an_architecture_can_be_chosen_only_for_a_new_segmenter(
    kind: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    assert train_from_command_line(kind, tmp_path, tmp_path, "--architecture", "Unet", *more) == 2


@pytest.mark.parametrize("name", ["detector.safetensors", "metrics.csv", "curves.png"])
def test_files_that_a_training_would_replace_are_refused_before_any_work(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match="is there already and is not replaced; give another --out"):
        learnt(Line(), tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"mine", b"PK\x03\x04cut short"])
def test_a_checkpoint_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(OutputError, match="is damaged, or was not written by glomspike"):
        learnt(Line(), tmp_path)
    torch.save([1], tmp_path / "checkpoint.pt")
    with pytest.raises(OutputError, match="is damaged, or was not written by glomspike"):
        learnt(Line(), tmp_path)
