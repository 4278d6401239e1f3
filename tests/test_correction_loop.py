"""The loop closes: what is corrected on some slides of a new stain makes the models better on others."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_correcting_and_learning_finds_what_was_missed_on_other_slides(tmp_path: Path) -> None:
    options = ("--corrected", "5", "--tests", "2", "--epochs", "1")
    command = [sys.executable, "-m", "benchmarks.quality.correction_loop", str(tmp_path / "work"), *options]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    counts = re.findall(r"^(before|after): found (\d+) of", told, re.MULTILINE)
    found = {when: int(count) for when, count in counts}
    assert found["after"] > found["before"]
