"""A new kind of model is one folder and one line: a toy that is registered is seen everywhere."""

import csv
import json
import sys
from pathlib import Path

import pytest
import toy
from click.testing import CliRunner
from test_cli import typed

from glomspike.cli import find
from glomspike.networks.kinds import KINDS, all_kinds

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "phantom.svs"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "fibrosis", "toy")


def test_each_kind_declares_itself_under_its_name() -> None:
    assert [kind.name for kind in all_kinds()] == list(KINDS)
    assert [kind.name for kind in all_kinds() if kind.required] == ["detector", "segmenter", "classifier"]


@pytest.mark.usefixtures("registered")
def test_a_registered_toy_is_in_record_table_report_and_annotations(tmp_path: Path) -> None:
    from PIL import Image

    from glomspike.networks.models import load_models
    from glomspike.pipeline import run_slide
    from glomspike.results.options import Options
    from glomspike.slide.reader import open_slide

    with open_slide(EXAMPLE) as slide:  # one glomerulus is enough
        pixels = slide.read(0, 0, slide.facts.width0, slide.facts.height0, 0.5)
    Image.fromarray(pixels).save(tmp_path / "slide.png")
    weights = {"fibrosis": toy.write_weights(tmp_path / "weights")}
    models = load_models(weights, "cpu")
    run = run_slide(tmp_path / "slide.png", tmp_path / "out", models, Options(mpp=0.5), lambda *_: None)
    record = json.loads((run.folder / "run.json").read_text())
    assert set(record["weights"]) == {"detector", "segmenter", "classifier", "lesions", "fibrosis"}
    assert sum(record["counts"]["classes"]["fibrosis"].values()) == record["counts"]["glomeruli"] > 0
    assert "fibrosis was graded by a toy" in record["warnings"]
    assert "fibrosis" in record["seconds"]
    with (run.folder / "glomeruli.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-6:-4] == ["fibrosis", "fibrosis_probabilities"]
    assert {row["fibrosis"] for row in rows} <= set(toy.GRADES)
    report = (run.folder / "report.html").read_text()
    assert "<dt>Fibrosis</dt>" in report
    assert "Fibrosis: " in (run.folder / "slide.xml").read_text()


@pytest.mark.usefixtures("registered")
def test_the_command_line_has_a_toy_s_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "glomspike.cli.run", raising=False)  # made before the toy was there
    runner = CliRunner()
    assert "--fibrosis WEIGHTS" in runner.invoke(find("run"), ["--help"]).output
    for command in ("train", "evaluate"):
        assert "fibrosis" in runner.invoke(find(command), ["--help"]).output


def test_a_kind_s_help_shows_its_options_and_no_others() -> None:
    runner = CliRunner()
    classifier = runner.invoke(find("train"), ["classifier", "--help"]).output
    assert "--k-pos" in classifier
    assert "--architecture" not in classifier
    assert "--mirrored" not in runner.invoke(find("evaluate"), ["detector", "--help"]).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "detector", "t.csv", "--out", "o", "--k-pos", "2"), "--k-pos is for the classifier"),
        (("evaluate", "detector", "t.csv", "--json", "o", "--mirrored"), "--mirrored is for the segmenter"),
        (("train", "poet", "t.csv", "--out", "o"), "'poet' is not a kind of model"),
        (("train", "--out", "o", "detector", "nowhere.csv", "--from-scratch"), "nowhere.csv"),
        (("train", "--out", "detector", "detector", "nowhere.csv", "--from-scratch"), "nowhere.csv"),
    ],
)
def test_options_of_other_kinds_are_refused_and_may_come_before_the_kind(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    status, _, err = typed(*arguments, capsys=capsys)
    assert status in (1, 2)
    assert said in err
