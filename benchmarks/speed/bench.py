"""How fast the main job is: beside two floors, on more glass, and beside other ways to do the same.

    python -m benchmarks.speed.bench WORK [--rounds 5] [--slide small --slide large] [--device auto]
        [--against CHECKOUT] [--tiatoolbox PYTHON] [--wsinfer PYTHON]

Prints tables in Markdown. The floors are decoding alone of what the job decodes, by as many threads, and its
networks alone on batches of the same sizes in memory. Everything is measured in rounds, one run of each after
the other, each run a separate process; ratios are taken within a round, and of all numbers the median is
given, of ratios also the least and the greatest. The other ways are measured on the CPU. PYTHON is that of a
virtual environment with TIAToolbox or wsinfer in it (see docs/performance.md); CHECKOUT is another version of
this repository, whose command is timed beside this one's. WORK keeps the biopsies that
are made, and results. Needs Linux and no network.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any

import click

from glomspike.batch.process import prepare_process

ROOT = Path(__file__).parents[2]
SIZES = ("small", "large")


@dataclass(frozen=True)
class ProcessRun:
    """A finished process: wall and processor seconds, peak resident memory, and what it printed."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    output: str

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """The JSON in its last line."""
        found: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return found


def run(*command: str | Path, python: str | Path = sys.executable, root: Path = ROOT) -> ProcessRun:
    """A Python process from its start to its end, with the glomspike of a checkout.

    Paths are absolute. Exits with what it said where it fails.
    """
    environment = os.environ | {"PYTHONPATH": str(root)}
    arguments = [str(part) for part in (python, *command)]
    with tempfile.TemporaryFile("w+") as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(
            arguments, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=stderr
        )
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # Popen's wait does not report memory
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            stderr.seek(0)
            sys.exit(f"{' '.join(arguments)}: status {process.returncode}\n{stderr.read()}")
    return ProcessRun(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


@dataclass(frozen=True)
class Bench:
    """Where slides and results are kept, where the networks run, and how often everything is measured."""

    work: Path
    device: str
    rounds: int

    def slide(self, name: str) -> Path:
        """The biopsy of this name, made where it is not there."""
        run("-m", "benchmarks.speed.slide", self.work / "slides", name)
        return self.work / "slides" / f"{name}.svs"

    def job(self, slide: Path, root: Path = ROOT) -> ProcessRun:
        """The main job of a checkout as users start it; its numbers are the seconds of its stages."""
        ran = run(
            "-m", "glomspike", slide, self.work / "out", "--overwrite", "--device", self.device, root=root
        )
        record = json.loads((self.work / "out" / slide.stem / "run.json").read_text())
        return replace(ran, output=json.dumps(record["seconds"]))

    def traced(self, *command: str | Path) -> ProcessRun:
        """One of the commands of `benchmarks.speed.trace` that compute."""
        return run("-m", "benchmarks.speed.trace", *command, "--device", self.device)

    def in_rounds(self, **ways: Callable[[], ProcessRun]) -> dict[str, list[ProcessRun]]:
        """Each way once a round; every other round in the opposite order."""
        runs: dict[str, list[ProcessRun]] = {name: [] for name in ways}
        for number in range(self.rounds):
            for name in list(ways)[:: -1 if number % 2 else 1]:
                runs[name].append(ways[name]())
        return runs


def ratio(over: Sequence[float], under: Sequence[float]) -> str:
    """The median of ratios within rounds, with the least and the greatest."""
    ratios = sorted(a / b for a, b in zip(over, under, strict=True))
    return f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table in Markdown."""
    for cells in (heads, ["---"] * len(heads), *rows):
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def starting(bench: Bench) -> None:
    """What is waited for before anything happens."""
    runs = bench.in_rounds(help=lambda: run("-m", "glomspike", "--help"), ready=lambda: bench.traced("ready"))
    names = {"help": "`glomspike --help`", "ready": "models ready, Python's start included"}
    table(
        ["start-up", "seconds", "peak MB"],
        [
            [
                names[name],
                f"{median(r.seconds for r in measured):.2f}",
                f"{median(r.peak_mb for r in measured):.0f}",
            ]
            for name, measured in runs.items()
        ],
    )


def beside_floors(bench: Bench, name: str) -> None:
    """The main job on one slide, and its two floors."""
    slide, trace = bench.slide(name), bench.work / f"{name}.trace"
    noted = bench.traced("job", slide, bench.work / "out", trace).numbers
    runs = bench.in_rounds(
        job=lambda: bench.job(slide),
        decode=lambda: run("-m", "benchmarks.speed.trace", "decode", slide, trace),
        networks=lambda: bench.traced("networks", trace),
    )
    print(f"### {name}: {noted['glomeruli']} glomeruli found\n")
    _print_stages(
        noted, **{way: _medians([ran.numbers for ran in measured]) for way, measured in runs.items()}
    )
    _print_whole(runs)


def _medians(numbers: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: median(measured[name] for measured in numbers) for name in numbers[0]}


def _print_stages(
    noted: dict[str, Any], job: dict[str, float], decode: dict[str, float], networks: dict[str, float]
) -> None:
    rows = []
    for stage, seconds in job.items():
        floor, mpx = max(decode.get(stage, 0), networks.get(stage, 0)), noted["pixels"].get(stage, 0) / 1e6
        rows.append(
            [
                stage,
                f"{seconds:.2f}",
                *([f"{mpx:.1f}", f"{mpx / seconds:.1f}"] if mpx else ["", ""]),
                f"{noted['peak_mb'][stage]:.0f}",
                f"{decode[stage]:.2f}" if stage in decode else "",
                f"{networks[stage]:.2f}" if stage in networks else "",
                f"{seconds / floor:.2f}" if floor else "",
            ]
        )
    heads = ["stage", "seconds", "Mpx read", "Mpx/s", "peak MB", "decoding alone", "networks alone", "ratio"]
    table(heads, rows)


def _print_whole(runs: dict[str, list[ProcessRun]]) -> None:
    wall = [ran.seconds for ran in runs["job"]]
    floors = {name: [sum(ran.numbers.values()) for ran in runs[name]] for name in ("decode", "networks")}
    larger = max(floors, key=lambda name: median(floors[name]))
    cells = [
        f"{median(wall):.1f}",
        f"{median(ran.processor_seconds for ran in runs['job']):.1f}",
        f"{max(ran.peak_mb for ran in runs['job']):.0f}",
        f"{median(floors['decode']):.1f}",
        f"{median(floors['networks']):.1f}",
        ratio(wall, floors[larger]),
        ratio(*([ran.processor_seconds for ran in runs[name]] for name in ("job", larger))),
    ]
    heads = [
        "command, s",
        "processor, s",
        "peak MB",
        "decoding, s",
        "networks, s",
        "command over larger floor",
        "its processor time over that of the floor's process, start-up in both",
    ]
    table(heads, [cells])


def on_more_glass(bench: Bench, name: str) -> None:
    """The same tissue on four times the glass."""
    slides = {"less": bench.slide(name), "more": bench.slide(f"{name}-on-glass")}
    runs = bench.in_rounds(**{glass: lambda slide=slide: bench.job(slide) for glass, slide in slides.items()})
    less, more = ([ran.seconds for ran in runs[glass]] for glass in slides)
    processor = ([ran.processor_seconds for ran in runs[glass]] for glass in ("more", "less"))
    memory = ([ran.peak_mb for ran in runs[glass]] for glass in ("more", "less"))
    table(
        ["four times the glass", "seconds", "ratio", "ratio of processor time", "ratio of peak memory"],
        [
            [
                name,
                f"{median(less):.1f} and {median(more):.1f}",
                ratio(more, less),
                ratio(*processor),
                ratio(*memory),
            ]
        ],
    )


def beside_another_version(bench: Bench, name: str, checkout: Path) -> None:
    """The main job of this version and of another one."""
    slide = bench.slide(name)
    runs = bench.in_rounds(here=lambda: bench.job(slide), there=lambda: bench.job(slide, checkout))
    here, there = runs["here"], runs["there"]
    table(
        ["against another version", "seconds", "ratio", "ratio of processor time", "peak MB"],
        [
            [
                name,
                f"{median(ran.seconds for ran in here):.1f} and {median(ran.seconds for ran in there):.1f}",
                ratio([ran.seconds for ran in here], [ran.seconds for ran in there]),
                ratio([ran.processor_seconds for ran in here], [ran.processor_seconds for ran in there]),
                f"{max(ran.peak_mb for ran in here):.0f} and {max(ran.peak_mb for ran in there):.0f}",
            ]
        ],
    )


def beside_others(bench: Bench, pythons: dict[str, Path]) -> None:
    """The same tiles scored and crops segmented by glomspike and in other ways, from pictures in memory."""
    pictures = bench.work / "pictures.npz"
    run("-m", "benchmarks.speed.pictures", bench.slide("small"), pictures)
    ways = {
        "glomspike": partial(run, "-m", "benchmarks.speed.glomspike_way", pictures),
        "papers_way": partial(run, "-m", "benchmarks.speed.papers_way", pictures),
    }
    for name, python in pythons.items():
        ways[name] = partial(run, "-m", f"benchmarks.speed.{name}", pictures, python=python)
    runs = bench.in_rounds(**ways)
    baseline = [ran.numbers for ran in runs["glomspike"]]
    rows = []
    for name, measured in runs.items():
        for way in measured[0].numbers:
            task = way.partition(":")[0]
            seconds = [ran.numbers[way] for ran in measured]
            times = ratio(seconds, [numbers[task] for numbers in baseline])
            rows.append([name.replace("_", " "), way, f"{median(seconds):.3f}", times])
    table(["by", "what", "seconds a glomerulus", "times glomspike's"], rows)


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--rounds", default=5, show_default=True)
@click.option("--slide", "slides", type=click.Choice(SIZES), multiple=True, default=SIZES, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--against", type=click.Path(path_type=Path, exists=True, resolve_path=True), metavar="CHECKOUT"
)
@click.option("--tiatoolbox", type=click.Path(path_type=Path), metavar="PYTHON")
@click.option("--wsinfer", type=click.Path(path_type=Path), metavar="PYTHON")
def main(
    work: Path,
    rounds: int,
    slides: tuple[str, ...],
    device: str,
    against: Path | None,
    tiatoolbox: Path | None,
    wsinfer: Path | None,
) -> None:
    """Measure everything, and print it."""
    prepare_process()  # for those that are measured, too
    bench = Bench(work.absolute(), device, rounds)
    starting(bench)
    for name in slides:
        beside_floors(bench, name)
        on_more_glass(bench, name)
        if against is not None:
            beside_another_version(bench, name, against)
    others = {"tiatoolbox": tiatoolbox, "wsinfer": wsinfer}
    beside_others(bench, {name: python.absolute() for name, python in others.items() if python})


if __name__ == "__main__":
    main()
