"""The doctor tries things out and says which work."""

from pathlib import Path

import pytest

from glomspike.doctor import Finding, examine
from glomspike.networks import weights


def about(subject: str, folder: Path) -> Finding:
    return next(finding for finding in examine(folder) if finding.subject == subject)


def test_openslide_and_memory_work_where_the_tests_run(tmp_path: Path) -> None:
    assert about("OpenSlide", tmp_path).verdict == "works"
    assert about("memory", tmp_path).verdict in {"works", "note"}


def test_a_folder_that_takes_files_works_and_stays_empty(tmp_path: Path) -> None:
    assert about("writing", tmp_path).verdict == "works"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_broken(tmp_path: Path) -> None:
    finding = about("writing", tmp_path / "nowhere")
    assert finding.verdict == "broken"
    assert "No such file or directory" in finding.text


def test_missing_weights_are_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "weights_folder", lambda: tmp_path)
    finding = about("classifier", tmp_path)
    assert finding.verdict == "broken"
    assert "holds no classifier weights" in finding.text


def test_a_machine_without_a_gpu_can_still_do_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glomspike.networks.device.cuda_trouble", lambda _: "it is absent")
    finding = about("GPU", tmp_path)
    assert finding.verdict == "note"
    assert "it is absent" in finding.text
