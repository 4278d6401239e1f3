"""What cases cost beyond their slides: the time of matching and of reports, and memory by number of slides.

    python -m benchmarks.speed.case_costs time CASES.csv OUT
    python -m benchmarks.speed.case_costs memory WORK [--slides N]...
    python -m benchmarks.speed.case_costs disease CASES.csv OUT WEIGHTS

The first takes finished results of `glomspike cases CASES.csv OUT` and assembles each case again; seconds
of slides are those of their `run.json`, and comparable if those were done under the same load. The second
runs `glomspike cases` on small slides, three a case, once for each number of slides, and again on what is
then done already; it prints the most memory that any of its processes takes.
"""

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import torch

from benchmarks.reliability.small_slides import write_small_slides
from glomspike.cases.assemble import assemble
from glomspike.cases.disease import disease_of
from glomspike.cases.markers import with_markers
from glomspike.cases.table import Case, read_cases
from glomspike.findings import SlideRow
from glomspike.modalities import MODALITIES
from glomspike.networks.models import load_model
from glomspike.report.case_page import write_case_page
from glomspike.report.case_pdf import write_case_pdf
from glomspike.results.adequacy import BANFF
from glomspike.results.case_record import CASE_NAME, CaseRecord
from glomspike.results.record import read_record

LEVELS = 3
COLUMNS = ("case", "slides", "profiles", "slides, s", "matching, s", "share", "reports, s", "share")


@click.group()
def main() -> None:
    """Measure what cases cost beyond their slides."""


@main.command("time")
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, exists=True))
def time_command(table: Path, out: Path) -> None:
    """Print the seconds of slides, of matching and of reports, a line a case."""
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for case in read_cases(table):
        print(_timed(case, out), flush=True)


def _rows(case: Case, out: Path) -> dict[str, SlideRow]:
    """What became of a case's slides."""
    written = CaseRecord.model_validate_json((out / "cases" / case.folder / CASE_NAME).read_bytes())
    return {
        image.image: SlideRow(image.image, "skipped", "", folder=image.folder, glomeruli=image.profiles)
        for image in written.images
        if image.folder is not None
    }


def _timed(case: Case, out: Path) -> str:
    rows = _rows(case, out)
    records = [read_record(out / row.folder) for row in rows.values() if row.folder is not None]
    slides_s = sum((record.finished - record.started).total_seconds() for record in records)
    began = time.perf_counter()
    record = assemble(with_markers(case, rows, out), rows, out, BANFF, {})
    matching_s = time.perf_counter() - began
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        write_case_page(Path(folder, "report.html"), record, out)
        write_case_pdf(Path(folder, "report.pdf"), record, out)
    reports_s = time.perf_counter() - began
    whole_s = slides_s + matching_s + reports_s
    cells = (
        case.name, len(rows), record.sections.profiles, f"{slides_s:.1f}", f"{matching_s:.2f}",
        f"{matching_s / whole_s:.1%}", f"{reports_s:.2f}", f"{reports_s / whole_s:.1%}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


@main.command("disease")
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, exists=True))
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
def disease_command(table: Path, out: Path, weights: Path) -> None:
    """Print the seconds that judging a case by its images takes, a line a case."""
    model = load_model("disease", weights, torch.device("cpu"))
    cases = read_cases(table, need_slides=False)
    print("| case | light, fluorescence, electron micrographs | s | processor, s |\n|---|---|---|---|")
    disease_of(cases[0], _rows(cases[0], out), out, model)  # the first call of a network takes longer
    for case in cases:
        rows = _rows(case, out)
        began_s, began_processor_s = time.perf_counter(), time.process_time()
        images = disease_of(case, rows, out, model).record.images
        took_s, processor_s = time.perf_counter() - began_s, time.process_time() - began_processor_s
        counts = ", ".join(str(sum(one.modality == m for one in images)) for m in MODALITIES)
        print(f"| {case.name} | {counts} | {took_s:.2f} | {processor_s:.2f} |", flush=True)


@main.command("memory")
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--slides", "counts", multiple=True, type=click.IntRange(1, 48), default=(3, 12, 48))
def memory_command(work: Path, counts: tuple[int, ...]) -> None:
    """Print the most memory that any process takes, by number of slides."""
    paths = write_small_slides(work / "slides", max(counts))
    print("| slides | doing all of them, MiB | assembling their cases again, MiB |\n|---|---|---|")
    for count in counts:
        table = work / f"{count}.csv"
        rows = [f"{n // LEVELS},{path},silver,{n % LEVELS + 1}" for n, path in enumerate(paths[:count])]
        table.write_text("\n".join(["case,image,marker,level", *rows]) + "\n")
        first, second = (_most_memory(table, work / f"out-{count}") for _ in range(2))
        print(f"| {count} | {first:.0f} | {second:.0f} |", flush=True)


def _most_memory(table: Path, out: Path) -> float:
    """The most MiB that `glomspike cases` or a process of it takes."""
    arguments = [sys.executable, "-m", "glomspike", "cases", str(table.absolute()), str(out.absolute())]
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, [*arguments, "--device", "cpu"], os.environ, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"glomspike cases {table} failed")
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
