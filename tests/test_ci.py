""".ci/run installs the programs that tests need, and runs the tests whether it could or not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).parents[1] / ".ci" / "run"


@pytest.fixture
def machine(tmp_path):
    """A checkout whose tests print their arguments, and programs that write down how they are called."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "run.sh").write_text('#!/usr/bin/env bash\necho tests "$@"\n')
    (tmp_path / "tests" / "run.sh").chmod(0o755)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "env"):
        (programs / name).symlink_to(shutil.which(name))
    return tmp_path


def program(machine, name, script):
    path = machine / "bin" / name
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


def run(machine):
    done = subprocess.run(
        [CI, "-k", "word"],
        cwd=machine,
        env={"PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "tests -k word\n"
    calls = machine / "calls"
    return calls.read_text().splitlines() if calls.exists() else [], done.stderr


@pytest.mark.parametrize("user", ["0", "1000"])
def test_what_is_missing_is_installed(machine, user):
    program(machine, "id", f"echo {user}")
    program(machine, "apt-get", f'echo "$@" >>"{machine}/calls"')
    program(machine, "sudo", f'echo sudo >>"{machine}/calls"; shift; exec "$@"')
    calls, said = run(machine)
    assert calls[-1].endswith(" --no-install-recommends chromium dicom3tools")
    assert ("sudo" in calls) == (user != "0")
    assert said == ""


def test_where_it_cannot_be_installed_it_is_said_and_the_tests_run(machine):
    program(machine, "id", "echo 1000")
    program(machine, "apt-get", "exit 100")
    _, said = run(machine)
    assert said.endswith("chromium dicom3tools could not be installed; the tests that need it are skipped\n")


def test_nothing_is_installed_where_nothing_is_missing(machine):
    program(machine, "chromium", "")
    program(machine, "dciodvfy", "")
    program(machine, "apt-get", f'echo "$@" >>"{machine}/calls"')
    assert run(machine) == ([], "")


def test_it_can_be_run():
    assert os.access(CI, os.X_OK)
