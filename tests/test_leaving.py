"""A process that leaves quickly ends as any other: its status, its output, what it promised to do."""

import subprocess
import sys

import pytest


def ended(ending: str) -> subprocess.CompletedProcess[str]:
    code = f"""
import atexit, sys
from glomspike.cli.leaving import leaving_quickly
class Slow:
    def __del__(self): print("taken apart")
with leaving_quickly():
    kept = Slow()
    atexit.register(print, "promised")
    print("done", end="")
    {ending}
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("ending", "status"),
    [("pass", 0), ("sys.exit()", 0), ("sys.exit(2)", 2), ("sys.exit('no')", 1), ("1 / 0", 1)],
)
def test_status_and_promises_are_kept_and_nothing_is_taken_apart(ending: str, status: int) -> None:
    process = ended(ending)
    assert (process.returncode, process.stdout) == (status, "donepromised\n")


def test_an_error_that_nobody_caught_is_told() -> None:
    assert "ZeroDivisionError" in ended("1 / 0").stderr
