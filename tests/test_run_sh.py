"""run.sh, with stand-ins for docker, nvidia-smi and python that record what they are asked for."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import click
import pytest

from glomspike import __version__, cli

SOURCE = Path(__file__).parents[1]
ENGINE = '["name=seccomp,profile=builtin"] {"runc":{}}'
ENGINE_WITH_GPU = '["name=seccomp,profile=builtin"] {"nvidia":{},"runc":{}}'
ROOTLESS = '["name=rootless"] {"runc":{}}'

DOCKER = """#!/bin/bash
case $1 in
    info) [ -n "$ENGINE" ] && echo "$ENGINE" ;;
    image) [ -n "$IMAGE_IS_THERE" ] ;;
    build) printf '%s\\0' "$@" >"$RECORDS/build" ;;
    run) printf '%s\\0' "$@" >"$RECORDS/run" && exit "${STATUS:-0}" ;;
esac
"""
PYTHON = """#!/bin/bash
case "$1 $2" in
    "-c import ensurepip, venv") [ -z "$NO_ENSUREPIP" ] ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >>"$RECORDS/python" ;;
    "-m pip")
        echo "$*" >>"$RECORDS/python"
        sleep "${SECONDS_TO_INSTALL:-0}"
        [ -z "$PIP_FAILS" ] || exit 1
        cp "$RECORDS/../bin/glomspike" "${0%python}"
        ;;
esac
"""
GLOMSPIKE = """#!/bin/bash
printf '%s\\0' "$@" >"$RECORDS/run"
exit "${STATUS:-0}"
"""


class Desk:
    """A checkout in a folder with an awkward name, a folder to work in, and the stand-ins' records."""

    def __init__(self, root: Path) -> None:
        self.checkout = root / "check out"
        self.work = root / "sl,ides µm"
        self.records = root / "records"
        self.programs = root / "bin"
        folders = (self.checkout / "weights", self.checkout / "docker", self.work)
        for folder in (*folders, self.records, self.programs):
            folder.mkdir(parents=True)
        shutil.copytree(SOURCE / "setup", self.checkout / "setup")
        shutil.copy(SOURCE / "run.sh", self.checkout)
        for name in (
            "Dockerfile",
            ".dockerignore",
            "README.md",
            "LICENSE",
            "pyproject.toml",
            "requirements.lock",
            "docker/libraries.sh",
            "glomspike",
        ):
            (self.checkout / name).write_text(name)
        self.install("docker", DOCKER)
        self.install("python3.11", PYTHON)
        self.install("glomspike", GLOMSPIKE)
        self.install("nvidia-smi", '#!/bin/bash\n[ -n "$GPU" ]\n')

    def install(self, name: str, script: str) -> None:
        (self.programs / name).write_text(script)
        (self.programs / name).chmod(0o755)

    def run(
        self, *arguments: object, program: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            "RECORDS": str(self.records),
            **variables,
        }
        command = [str(program or self.checkout / "run.sh"), *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.work, env=environment, capture_output=True, text=True, check=False
        )

    def recorded(self, name: str) -> list[str]:
        """The arguments that a stand-in was called with."""
        return (self.records / name).read_text().split("\0")[:-1]

    def mounts(self, *arguments: object) -> dict[Path, str]:
        """What run.sh mounts for these arguments: the path, by the same name inside, and how."""
        done = self.run(*arguments, ENGINE=ENGINE, IMAGE_IS_THERE="1")
        assert done.returncode == 0, done.stderr
        recorded = self.recorded("run")
        found = {}
        for option, value in pairwise(recorded):
            if option == "--mount":
                match = re.fullmatch(r'type=bind,"source=(.*)","target=(.*)"(,readonly)?', value)
                assert match is not None
                assert match[1] == match[2]
                found[Path(match[1].replace('""', '"'))] = "readonly" if match[3] else "writable"
        return found

    def set_ups(self) -> int:
        """How often an environment was made anew."""
        record = self.records / "python"
        return record.read_text().splitlines().count("venv") if record.exists() else 0


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# In a container


def test_the_arguments_reach_glomspike_as_they_were_typed(desk: Desk) -> None:
    arguments = ["--mpp", "0.25", "a slide µ.svs", "out", "--overwrite"]
    desk.run(*arguments, ENGINE=ENGINE, IMAGE_IS_THERE="1")
    recorded = desk.recorded("run")
    assert recorded[-5:] == arguments
    assert recorded[recorded.index("--workdir") + 1] == str(desk.work)
    assert recorded[recorded.index("--network") + 1] == "none"


def test_the_slides_folder_is_read_only_and_out_is_made_and_writable(desk: Desk) -> None:
    slide = desk.work / "deep er" / 'a "slide".svs'
    slide.parent.mkdir()
    slide.touch()
    assert desk.mounts("--device", "cpu", f"deep er/{slide.name}", "out") == {
        slide.parent: "readonly",
        desk.work / "out": "writable",
    }
    assert (desk.work / "out").is_dir()


def test_paths_outside_the_folder_one_is_in_are_mounted(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    slide = tmp_path / "elsewhere" / "s.svs"
    slide.touch()
    mounts = desk.mounts(slide, "../results")
    assert mounts == {slide.parent: "readonly", tmp_path / "results": "writable"}


def test_a_slide_behind_a_link_is_mounted_with_what_it_points_to(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "real.svs").touch()
    (desk.work / "link.svs").symlink_to(tmp_path / "archive" / "real.svs")
    mounts = desk.mounts("link.svs", "../results")
    assert mounts == {
        desk.work: "readonly",
        tmp_path / "archive": "readonly",
        tmp_path / "results": "writable",
    }


def test_weights_of_ones_own_are_mounted_with_their_cards(desk: Desk) -> None:
    for kind in ("detector", "segmenter", "classifier"):
        (desk.work / kind).mkdir()
        (desk.work / kind / "w.safetensors").touch()
    (desk.work / "slides").mkdir()
    (desk.work / "slides" / "s.svs").touch()
    mounts = desk.mounts(
        "--detector", "detector/w.safetensors", "slides/s.svs", "--segmenter=segmenter", "out", "--overwrite",
        "--classifier", "classifier/w.safetensors",
    )  # fmt: skip
    readonly = {desk.work / name: "readonly" for name in ("slides", "detector", "segmenter", "classifier")}
    assert mounts == {**readonly, desk.work / "out": "writable"}


def test_a_folder_of_slides_is_mounted_and_scratch_is_writable(desk: Desk) -> None:
    (desk.work / "slides" / "below").mkdir(parents=True)
    (desk.work / "scratch").mkdir()
    mounts = desk.mounts("--workers", "2", "slides", "out", "--stage", "scratch")
    assert mounts == {
        desk.work / "slides": "readonly",
        desk.work / "out": "writable",
        desk.work / "scratch": "writable",
    }


def test_results_beside_the_slide_make_its_folder_writable(desk: Desk) -> None:
    (desk.work / "s.svs").touch()
    assert desk.mounts("s.svs", ".") == {desk.work: "writable"}


@pytest.mark.parametrize(
    ("arguments", "writable"),
    [
        (["phantom", "--out", "made"], ["made"]),
        (["train", "detector", "samples/samples.csv", "--out=made", "--epochs", "3"], ["made"]),
        (["evaluate", "detector", "samples", "--json", "figures/e.json"], ["figures"]),
        (["evaluate", "detector", "samples", "--json=a/e.json", "--worst", "b/w.png"], ["a", "b"]),
        (["samples", "samples/s.svs", "samples/s.xml", "--out", "made"], ["made"]),
        (["crops", "samples", "made"], ["made"]),
        (["run", "samples", "made"], ["made"]),
        (["doctor", "samples"], ["samples"]),
        (["doctor"], ["."]),
        (["weights", "--json"], []),
        (["--help"], []),
    ],
)
def test_each_command_may_write_where_it_is_told_and_nowhere_else(
    desk: Desk, arguments: list[str], writable: list[str]
) -> None:
    (desk.work / "samples").mkdir()
    (desk.work / "samples" / "samples.csv").touch()
    mounts = desk.mounts(*arguments)
    assert sorted(path for path, mode in mounts.items() if mode == "writable") == [
        desk.work / path for path in writable
    ]
    assert set(mounts) <= {desk.work / "samples", *(desk.work / path for path in writable)}


def test_a_slide_that_is_not_there_makes_no_output_folder(desk: Desk) -> None:
    assert desk.mounts("nosuch.svs", "out") == {}
    assert not (desk.work / "out").exists()


def test_an_output_that_cannot_be_made_is_one_line(desk: Desk) -> None:
    (desk.work / "s.svs").touch()
    done = desk.run("s.svs", "s.svs/out", ENGINE=ENGINE, IMAGE_IS_THERE="1")
    assert done.returncode == 1
    assert re.fullmatch(r"glomspike: s\.svs/out: this folder cannot be created; .*\n", done.stderr)


def test_files_belong_to_the_caller(desk: Desk) -> None:
    desk.run("weights", ENGINE=ENGINE, IMAGE_IS_THERE="1")
    recorded = desk.recorded("run")
    assert recorded[recorded.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"
    desk.run("weights", ENGINE=ROOTLESS, IMAGE_IS_THERE="1")
    assert "--user" not in desk.recorded("run")


@pytest.mark.parametrize(
    ("engine", "gpu", "used"),
    [(ENGINE_WITH_GPU, "1", True), (ENGINE_WITH_GPU, "", False), (ENGINE, "1", False)],
)
def test_the_gpu_is_given_where_there_is_one_that_docker_can_use(
    desk: Desk, engine: str, gpu: str, used: bool
) -> None:
    done = desk.run("weights", ENGINE=engine, IMAGE_IS_THERE="1", GPU=gpu)
    assert ("--gpus" in desk.recorded("run")) == used
    assert ("NVIDIA Container Toolkit" in done.stderr) == (bool(gpu) and not used)


def test_the_image_is_built_only_where_it_is_missing(desk: Desk) -> None:
    desk.run("weights", ENGINE=ENGINE, IMAGE_IS_THERE="1")
    assert not (desk.records / "build").exists()
    desk.run("weights", ENGINE=ENGINE)
    build = desk.recorded("build")
    assert build[-1] == str(desk.checkout)
    assert build[build.index("--tag") + 1] in desk.recorded("run")


def test_a_changed_checkout_gets_an_image_of_its_own(desk: Desk) -> None:
    desk.run("weights", ENGINE=ENGINE, IMAGE_IS_THERE="1")
    before = desk.recorded("run")
    desk.run("weights", ENGINE=ENGINE, IMAGE_IS_THERE="1")
    assert desk.recorded("run") == before
    (desk.checkout / "weights" / "detector.safetensors").touch()
    desk.run("weights", ENGINE=ENGINE, IMAGE_IS_THERE="1")
    assert desk.recorded("run") != before


def test_run_sh_knows_every_command_and_every_option_without_a_value() -> None:
    script = (SOURCE / "setup" / "container.sh").read_text()
    names = re.search(r'^commands="(.*?)"', script, re.MULTILINE)
    flags = re.search(r'^flags="(.*?)"', script, re.MULTILINE)
    assert names is not None
    assert flags is not None
    assert set(cli.COMMANDS) <= set(names[1].split())
    for name in cli.COMMANDS:
        command = cli.find(name)
        parts = [command, *command.commands.values()] if isinstance(command, click.Group) else [command]
        options = [option for part in parts for option in part.params if isinstance(option, click.Option)]
        own = {spelling for option in options if option.is_flag for spelling in option.opts}
        assert own <= {*flags[1].split(), *(["--json"] if name == "weights" else [])}


def test_the_review_page_is_published_to_this_machine_only(desk: Desk) -> None:
    out, slides = desk.work / "out", desk.work / "slides"
    out.mkdir()
    slides.mkdir()
    assert desk.mounts("review", "out", "--no-browser", "--slide", "slides") == {
        out: "writable",
        slides: "readonly",
    }
    recorded = desk.recorded("run")
    assert recorded[recorded.index("--publish") + 1] == "127.0.0.1:8765:8765"
    assert "--network" not in recorded
    desk.mounts("review", "out", "--port", "9000")
    recorded = desk.recorded("run")
    assert recorded[recorded.index("--publish") + 1] == "127.0.0.1:9000:9000"


@pytest.mark.parametrize("variables", [{"ENGINE": ENGINE, "IMAGE_IS_THERE": "1"}, {"ENGINE": ""}])
def test_the_exit_status_is_glomspikes(desk: Desk, variables: dict[str, str]) -> None:
    assert [desk.run("weights", STATUS=s, **variables).returncode for s in ("0", "1", "2", "130")] == [
        0,
        1,
        2,
        130,
    ]


# In an environment of its own


def test_without_an_engine_the_environment_is_made_once_and_from_hashes(desk: Desk) -> None:
    assert desk.run("a slide.svs", "out").returncode == 0
    assert desk.recorded("run") == ["a slide.svs", "out"]
    asked = (desk.records / "python").read_text().splitlines()
    assert asked[0] == "venv"
    assert "--require-hashes" in asked[1]
    assert f"--requirement {desk.checkout}/requirements.lock" in asked[1]
    assert "--editable" in asked[2]
    again = desk.run("weights")
    assert (again.stderr, desk.set_ups()) == ("", 1)


def test_run_sh_works_through_a_link(desk: Desk, tmp_path: Path) -> None:
    link = tmp_path / "glomspike"
    link.symlink_to(desk.checkout / "run.sh")
    assert desk.run("weights", program=link).returncode == 0
    assert (desk.checkout / ".venv").is_dir()


def test_a_set_up_that_failed_is_begun_anew(desk: Desk) -> None:
    failed = desk.run("weights", PIP_FAILS="1")
    assert failed.returncode == 1
    assert failed.stderr.endswith("fix it and run this again\n")
    assert desk.run("weights").returncode == 0
    assert desk.set_ups() == 2


def test_other_pins_or_another_place_make_the_environment_anew(desk: Desk) -> None:
    desk.run("weights")
    (desk.checkout / "requirements.lock").write_text("other pins")
    desk.run("weights")
    assert desk.set_ups() == 2
    desk.checkout = desk.checkout.rename(desk.checkout.with_name("moved"))
    desk.run("weights")
    assert desk.set_ups() == 3


def test_two_at_once_share_one_set_up(desk: Desk) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(desk.run, "weights", SECONDS_TO_INSTALL="0.3") for _ in range(2)]
    assert [one.result().returncode for one in both] == [0, 0]
    assert desk.set_ups() == 1


def test_a_missing_venv_module_says_what_to_install(desk: Desk) -> None:
    for name in ("python3", "python3.12", "python3.13"):
        desk.install(name, "#!/bin/bash\nexit 1\n")
    without = desk.run("weights", NO_ENSUREPIP="1")
    assert without.returncode == 1
    assert without.stderr.count("\n") == 1
    assert "apt-get install python3.11-venv`" in without.stderr
    desk.install("python3.11", "#!/bin/bash\nexit 1\n")
    assert "apt-get install python3.11 python3.11-venv`" in desk.run("weights").stderr


# What is pinned


def pins(name: str) -> set[str]:
    return set(re.findall(r"^\S+==\S+", (SOURCE / name).read_text(), re.MULTILINE))


def test_the_development_lock_contains_the_runtime_lock() -> None:
    assert pins("requirements.lock")
    assert pins("requirements.lock") < pins("requirements-dev.lock")


def test_the_version_is_stated_once() -> None:
    assert metadata.version("glomspike") == __version__
    for name in ("pyproject.toml", "Dockerfile"):
        assert __version__ not in (SOURCE / name).read_text()
