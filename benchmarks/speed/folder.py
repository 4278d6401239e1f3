"""A folder of small biopsies beside the sum of their floors: slides per hour, memory.

    python -m benchmarks.speed.folder WORK [--slides 50] [--rounds 3] [--workers N]

Prints a table in Markdown. The slides are one small biopsy of `benchmarks.speed.slide` under so many names,
since all take the same. In each round the command works on the folder as users type it, and the floors of
one slide, decoding alone and networks alone (`benchmarks.speed.trace`), are measured before and after; the
sum of floors is the larger of the two, their mean, times the slides. It may be undercut: a floor gives one
network all cores, of which the command gives one slide half. Medians of the rounds, of ratios also the
least and the greatest. On the CPU. Needs Linux and no network; WORK keeps the biopsy.
"""

import os
import shutil
from pathlib import Path
from statistics import mean, median

import click

from benchmarks.speed.bench import Bench, ProcessRun, ratio, run, table
from glomspike.batch.process import prepare_process


def folder_of(slide: Path, count: int, folder: Path) -> Path:
    """The folder, with a slide under so many names and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(count):
        os.link(slide, folder / f"{number:03}.svs")
    return folder


def job(folder: Path, out: Path, workers: int | None, device: str) -> ProcessRun:
    """The command on a folder, into a new place."""
    shutil.rmtree(out, ignore_errors=True)
    chosen = () if workers is None else ("--workers", str(workers))
    return run("-m", "glomspike", folder, out, "--device", device, *chosen)


def floor_seconds(slide: Path, trace: Path) -> float:
    """The larger floor of a slide."""
    decoding = run("-m", "benchmarks.speed.trace", "decode", slide, trace)
    networks = run("-m", "benchmarks.speed.trace", "networks", trace, "--device", "cpu")
    return max(sum(map(float, ran.numbers.values())) for ran in (decoding, networks))


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--slides", "count", default=50, show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--workers", type=click.IntRange(1), help="As of the command; its default where omitted.")
def main(work: Path, count: int, rounds: int, workers: int | None) -> None:
    """Measure, and print it."""
    prepare_process()  # for those that are measured, too
    bench = Bench(work, "cpu", rounds)
    slide, trace = bench.slide("small"), work / "small.trace"
    folder = folder_of(slide, count, work / "folder")
    bench.traced("job", slide, work / "out", trace)
    jobs, floors, ready = [], [], []
    for _ in range(rounds):
        before = floor_seconds(slide, trace)
        jobs.append(job(folder, work / "folder-out", workers, "cpu"))
        floors.append(count * mean((before, floor_seconds(slide, trace))))
        ready.append(bench.traced("ready").seconds)
    seconds = [ran.seconds for ran in jobs]
    started = [whole - start for whole, start in zip(seconds, ready, strict=True)]
    heads = ["slides", "seconds", "slides per hour", "sum of floors, s", "ratio", "without start-up"]
    heads += ["processor, s", "peak MB of the largest process"]
    cells = [
        f"{count}",
        f"{median(seconds):.1f}",
        f"{count / median(seconds) * 3600:.0f}",
        f"{median(floors):.1f}",
        ratio(seconds, floors),
        ratio(started, floors),
        f"{median(ran.processor_seconds for ran in jobs):.1f}",
        f"{max(ran.peak_mb for ran in jobs):.0f}",
    ]
    table(heads, [cells])


if __name__ == "__main__":
    main()
