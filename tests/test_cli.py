"""The command line: quick, helpful, and one line with the right status for each failure."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cards import DRAFT, STATE

from glomspike import __version__, cli
from glomspike.errors import SlideError
from glomspike.networks import weights
from glomspike.typed import Number

HEAVY = ("torch", "numpy", "cv2", "matplotlib", "sklearn", "pydantic", "rich", "openslide")


def typed(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command, run within this process."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_help_shows_the_main_job_first_and_every_other_command(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = typed("--help", capsys=capsys)
    assert status == 0
    assert out.startswith("Usage: glomspike [OPTIONS] SLIDE OUT")
    assert out.index("--device") < out.index("Examples") < out.index("Other commands")
    assert all(f"\n  {name} " in out for name in cli.COMMANDS if name != "run")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from glomspike.cli import main\n"
        "try: main(['--help'])\n"
        f"except SystemExit: sys.exit(' '.join(set({HEAVY!r}) & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = typed(command, "--help", capsys=capsys)
    assert status == 0
    assert out.startswith(f"Usage: glomspike {command}")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("--version", capsys=capsys) == (0, f"glomspike {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "Missing argument 'SLIDE'; see `glomspike --help`"),
        (["slide.svs"], 2, "Missing argument 'OUT'; see `glomspike --help`"),
        (["slide.svs", "out", "--colour"], 2, "No such option"),
        (["slide.svs", "out", "--mpp", "nan"], 2, "'nan' is not a number"),
        (["slide.svs", "out", "--mpp", "25"], 2, "not in the range 0.05<=x<=5"),
        (["slide.svs", "out", "--threshold", "2"], 2, "not in the range 0<=x<=1"),
        (["weights", "--colour"], 2, "see `glomspike weights --help`"),
        ([".", "out"], 1, "holds no slide and no picture"),
        (["nosuch.svs", "out"], 1, "nosuch.svs: does not exist; check the path"),
        (["--device", "cpu", "nosuch.svs", "out"], 1, "nosuch.svs: does not exist"),
        (["run", "nosuch.svs", "out"], 1, "nosuch.svs: does not exist"),
    ],
)
def test_each_failure_is_one_line_and_leaves_no_output(
    arguments: list[str],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLOMSPIKE_CONTAINER", raising=False)
    got, out, err = typed(*arguments, capsys=capsys)
    assert (got, out) == (status, "")
    assert err.startswith("glomspike: ")
    assert err.count("\n") == 1
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_in_a_container_a_missing_slide_is_explained_by_its_mount(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOMSPIKE_CONTAINER", "1")
    status, _, err = typed("/data/slide.svs", "/out", capsys=capsys)
    assert status == 1
    assert "/data/slide.svs: is not mounted in the container; add -v /data:/data to docker run" in err


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (
            SlideError("a.svs", "breaks\nhere", "get another"),
            1,
            "glomspike: a.svs: breaks here; get another\n",
        ),
        (OSError(28, "No space left on device", "out/x.png"), 1, "out/x.png: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failures_within_a_command_become_one_line(
    failure: BaseException,
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise failure

    monkeypatch.setattr(weights, "installed", fail)
    got, _, err = typed("weights", capsys=capsys)
    assert got == status
    assert said in err
    assert len(err.strip().splitlines()) == 1  # an empty line ends the terminal's "^C"


def test_being_told_to_stop_ends_with_130() -> None:
    code = (
        "import time; import glomspike.networks.weights as w; from glomspike.cli import main\n"
        "w.installed = lambda: print('ready', flush=True) or time.sleep(60)\n"
        "main(['weights'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "glomspike: interrupted; run the same command again")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights in the place of the shipped ones."""
    weights.save_weights(STATE, DRAFT, tmp_path, "segmenter")
    monkeypatch.setattr(weights, "weights_folder", lambda: tmp_path)
    return tmp_path


def test_weights_lists_what_is_installed(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = typed("weights", capsys=capsys)
    assert status == 0
    assert all(word in out for word in ("segmenter", "intact", "phantoms", "0.900", "0.850"))


def test_weights_as_json_are_the_cards(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = typed("weights", "--json", capsys=capsys)
    (card,) = json.loads(out)
    assert status == 0
    assert card["intact"] is True
    assert card["path"] == str(installed / "segmenter.safetensors")
    assert card["metrics"][0]["ci95"] == [0.85, 0.95]


def test_damaged_weights_are_listed_as_such(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (installed / "segmenter.safetensors").write_bytes(b"")
    status, out, _ = typed("weights", capsys=capsys)
    assert status == 1
    assert "DAMAGED" in out


def test_doctor_fails_where_the_main_job_would(
    installed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = typed("doctor", str(installed), capsys=capsys)
    assert status == 1
    assert "BROKEN  detector" in out
    assert "works   segmenter" in out
    for kind in ("detector", "segmenter", "classifier"):
        weights.save_weights({"w": torch.zeros(1)}, DRAFT.model_copy(update={"kind": kind}), installed, kind)
    status, out, _ = typed("doctor", str(installed), capsys=capsys)
    assert status == 0
    assert "The main job can run here." in out


@pytest.mark.parametrize(
    "arguments", [["", "out"], ["slide.svs", ""], ["train", "detector", "", "--out", "out"]]
)
def test_an_empty_argument_is_refused_and_is_not_the_current_folder(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = typed(*arguments, capsys=capsys)
    assert status == 2
    assert "an argument is empty: check the variables of your script" in err


def test_numbers_may_have_a_decimal_comma_and_must_be_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.svs").touch()
    for option in ("--mpp", "--glomerulus-um", "--threshold"):
        status, _, err = typed(str(tmp_path / "a.svs"), "out", option, "nan", capsys=capsys)
        assert (status, "'nan' is not a number" in err) == (2, True)
    assert Number(0.05, 5).convert("0,25", None, None) == 0.25
