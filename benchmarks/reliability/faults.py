"""What goes wrong on real machines, made to go wrong: counts how glomspike ends each time.

    python -m benchmarks.reliability.faults all WORK [--real SLIDE ...]
    python -m benchmarks.reliability.faults FAULT WORK      (damage, kills, full-disk, read-only, vanish,
                                                            two-runs, node, names, fifty)

Each fault prints its counts in a line, and `OK` or `WRONG`; the exit status is 1 if any is wrong. WORK, a new
folder, keeps slides and results. `full-disk` and `read-only` mount a small file system and need root; `node`
needs Ray.
"""

import csv
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np

from benchmarks.reliability.damage import damaged
from benchmarks.reliability.small_slides import write_small_containers, write_small_slides
from glomspike.batch.local import LocalWorkers
from glomspike.batch.task import Batch
from glomspike.names import as_text
from glomspike.networks.models import load_cards
from glomspike.results.options import Options
from glomspike.slide.find import find_slides

ROOT = Path(__file__).parents[2]
LONGEST_S = 60  # that a damaged slide may take
MOST_MB = 4000  # of memory that the work on one may take
OWN_TO_A_RUN = ("started", "finished", "seconds")  # in run.json, with the hash of report.html
MOMENT = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC")  # of a run, in report.html
ODD_NAMES = (
    "with spaces.svs", "it's \"quoted\".svs", "two\nlines.svs", "🔬.svs", "-x-.svs", "--help.svs",
    "ü µm.svs", "semi;colon, comma.svs", "n" * 196 + ".svs", "same.svs", "same.ndpi.svs", "#%&.svs",
    os.fsdecode(b"no utf-8 \xe9.svs"),
)  # fmt: skip


@click.group()
def main() -> None:
    """Make things go wrong, and count how glomspike ends."""


def _print_outcome(name: str, right: bool, **counts: object) -> bool:
    text = ", ".join(f"{value} {what.replace('_', ' ')}" for what, value in counts.items())
    print(f"{'OK   ' if right else 'WRONG'} {name}: {text}", flush=True)
    return right


def _start(slides: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "glomspike", str(slides), str(out), "--device", "cpu", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _run(slides: Path, out: Path, *options: str) -> tuple[int, Counter[str], str]:
    """Exit status, how many slides were done, skipped and failed, and what was said."""
    run = _start(slides, out, *options)
    stdout, stderr = run.communicate()
    return run.returncode, _counts(stdout), stdout + stderr


def _counts(stdout: str) -> Counter[str]:
    return Counter({status: int(n) for n, status in re.findall(r"(\d+) (done|skipped|failed)", stdout)})


def _contents(out: Path) -> dict[str, str]:
    """The hash of every file of every slide's folder, but for the times that differ between runs."""
    found = {}
    for record in out.rglob("run.json"):
        for path in record.parent.rglob("*"):
            if path.is_file():
                found[str(path.relative_to(out))] = hashlib.sha256(_stable(path)).hexdigest()
    return found


def _stable(path: Path) -> bytes:
    if path.name == "report.html":
        return MOMENT.sub(b"", path.read_bytes())
    if path.name != "run.json":
        return path.read_bytes()
    record = {name: value for name, value in json.loads(path.read_text()).items() if name not in OWN_TO_A_RUN}
    del record["files"]["report.html"]
    return json.dumps(record).encode()


def _hollow(out: Path) -> int:
    """How many folders look done and aren't: a file of their record is missing or another."""
    hollow = 0
    for path in out.rglob("run.json"):
        if path.parent.name.startswith("."):
            continue
        files = json.loads(path.read_text())["files"]
        hollow += any(
            not (path.parent / name).is_file()
            or hashlib.sha256((path.parent / name).read_bytes()).hexdigest() != digest
            for name, digest in files.items()
        )
    return hollow


def _leftovers(out: Path) -> int:
    return sum(path.name.startswith(".glomspike-") for path in out.rglob("*"))


@contextmanager
def _small_disk(place: Path, megabytes: float) -> Iterator[Path]:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", place], check=True
    )
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _remount(place: Path, how: str) -> bool:
    return (
        subprocess.run(["mount", "-o", f"remount,{how}", place], capture_output=True, check=False).returncode
        == 0
    )


def damage(work: Path, real: Sequence[Path]) -> bool:
    """Two hundred damaged slides: each fails cleanly, or its unreadable parts are counted."""
    slides = [
        *write_small_slides(work / "whole", 1),
        *write_small_slides(work / "whole-j2k", 1, "jpeg2000"),
        *write_small_containers(work / "containers"),
        *real,
    ]
    (work / "damaged").mkdir(parents=True)
    rng = np.random.default_rng(5)
    for slide, count in zip(slides, np.diff(np.linspace(0, 200, len(slides) + 1).astype(int)), strict=True):
        into = work / "damaged" / f"{slide.parent.name}-{slide.stem}"
        into.mkdir()
        list(damaged(slide, into, rng, int(count)))
    batch = Batch(work / "out", {}, load_cards(), Options(mpp=0.5))
    ends: Counter[str] = Counter()
    longest_s, last = 0.0, time.monotonic()
    found = find_slides(work / "damaged", work / "out")
    with LocalWorkers(batch, ["cpu"], len(found)) as workers:
        for done, row in workers.rows(found, wait=True):
            assert row is not None
            longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()
            unreadable = (row.unreadable_windows or 0) + (row.unreadable_tiles or 0)
            kind = "failed" if row.status == "failed" else "with unreadable parts" if unreadable else "whole"
            kind = "fell over" if "unexpectedly" in row.cause or "process" in row.cause else kind
            ends[kind] += 1
            print(f"    {done.name}: {kind}; {row.cause}", flush=True)
    memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    passed_over = sum(path.is_file() for path in (work / "damaged").rglob("*")) - len(found)
    right = (
        not ends["fell over"]
        and longest_s <= LONGEST_S
        and memory_mb <= MOST_MB
        and not _hollow(work / "out")
    )
    return _print_outcome(
        "damaged slides", right, slides=len(found), failed_with_a_cause=ends["failed"],
        done_with_unreadable_parts_counted=ends["with unreadable parts"], done_whole=ends["whole"],
        fell_over=ends["fell over"], not_taken_for_slides=passed_over,
        s_the_longest=round(longest_s), MB_the_most=round(memory_mb),
    )  # fmt: skip


def kills(work: Path, times: int = 50) -> bool:
    """Runs killed at random moments and resumed: the results are those of an undisturbed run."""
    write_small_slides(work / "slides", 3)
    began = time.monotonic()
    _run(work / "slides", work / "undisturbed")
    whole_s = time.monotonic() - began
    expected = _contents(work / "undisturbed")
    moments = random.Random(7)  # noqa: S311
    killed = finished = hollow = different = left = 0
    while killed < times or finished == 0:
        out = work / f"out-{finished}"
        run = _start(work / "slides", out)
        try:
            # Most moments while slides are worked on, some while the program starts.
            run.communicate(timeout=moments.uniform(0.2, 1.1) * whole_s if killed < times else None)
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            killed += 1
            hollow += _hollow(out)
            continue
        finished += 1
        different += _contents(out) != expected
        left += _leftovers(out)
    right = not hollow and not different and not left
    return _print_outcome(
        "killed runs", right, killed=killed, resumed_to_the_end=finished, differ_from_undisturbed=different,
        folders_that_look_done_and_are_not=hollow, leftovers=left,
    )  # fmt: skip


def full_disk(work: Path) -> bool:
    """Disks that fill up at several moments, and are then made larger."""
    write_small_slides(work / "slides", 3)
    _run(work / "slides", work / "undisturbed")
    expected = _contents(work / "undisturbed")
    size_mb = sum(p.stat().st_size for p in (work / "undisturbed").rglob("*") if p.is_file()) / 2**20
    failed = tracebacks = hollow = different = 0
    shares = (0.02, 0.2, 0.5, 0.8)
    for share in shares:
        with _small_disk(work / "disk", max(0.1, share * size_mb)) as out:
            status, _, output = _run(work / "slides", out)
            failed += status == 1 and "No space left" in output
            tracebacks += "Traceback" in output
            hollow += _hollow(out)
            _remount(out, "size=1g")
            _run(work / "slides", out)
            different += _contents(out) != expected
    right = failed == len(shares) and not tracebacks and not hollow and not different
    return _print_outcome(
        "full disk", right, disks=len(shares), ended_with_status_1_and_the_cause=failed,
        tracebacks=tracebacks, folders_that_look_done_and_are_not=hollow, differ_when_resumed=different,
    )  # fmt: skip


def read_only(work: Path) -> bool:
    """OUT turns read-only after the first slide, and back."""
    write_small_slides(work / "slides", 4)
    with _small_disk(work / "disk", 500) as out:
        run = _start(work / "slides", out)
        while not list(out.glob("*/run.json")) and run.poll() is None:
            time.sleep(0.05)
        while not _remount(out, "ro") and run.poll() is None:
            time.sleep(0.005)
        _, stderr = run.communicate()
        hollow, traceback = _hollow(out), "Traceback" in stderr
        _remount(out, "rw")
        _, after, _ = _run(work / "slides", out)
    right = run.returncode == 1 and not hollow and not traceback and not after["failed"]
    return _print_outcome(
        "read-only folder", right, status=run.returncode, tracebacks=int(traceback),
        folders_that_look_done_and_are_not=hollow, done_before=after["skipped"],
        done_when_resumed=after["done"],
    )  # fmt: skip


def vanish(work: Path) -> bool:
    """A slide that is deleted, and one that is emptied, while it is read."""
    write_small_slides(work / "slides", 3)
    slides = sorted((work / "slides").iterdir())
    run = _start(work / "slides", work / "out")
    while not list((work / "out").glob(".glomspike-*.partial")) and run.poll() is None:
        time.sleep(0.01)
    slides[0].unlink()
    while not list((work / "out").glob("*/run.json")) and run.poll() is None:
        time.sleep(0.01)
    os.truncate(slides[1], 0)
    stdout, stderr = run.communicate()
    counts = _counts(stdout)
    hollow, traceback = _hollow(work / "out"), "Traceback" in stderr
    right = sum(counts.values()) == len(slides) and not hollow and not traceback and counts["done"] >= 1
    return _print_outcome(
        "slides that vanish", right, done=counts["done"], failed=counts["failed"], tracebacks=int(traceback),
        folders_that_look_done_and_are_not=hollow,
    )  # fmt: skip


def two_runs(work: Path) -> bool:
    """Two runs at once over twenty slides into one OUT."""
    write_small_slides(work / "slides", 20)
    runs = [_start(work / "slides", work / "out") for _ in range(2)]
    ends = [run.communicate() for run in runs]
    counts = [_counts(stdout) for stdout, _ in ends]
    done = sum(count["done"] for count in counts)
    statuses = [run.returncode for run in runs]
    right = statuses == [0, 0] and done == 20 and not _hollow(work / "out") and not _leftovers(work / "out")
    return _print_outcome(
        "two runs at once", right, slides=20, done_by_the_first=counts[0]["done"],
        done_by_the_second=counts[1]["done"], failed=sum(count["failed"] for count in counts),
    )  # fmt: skip


def node(work: Path) -> bool:
    """A Ray cluster of two nodes that loses one while it works."""
    from ray.cluster_utils import Cluster

    slides = len(write_small_slides(work / "slides", 12))
    # As many threads in a process as Ray gives a task; the last digits depend on that.
    _run(work / "slides", work / "undisturbed", "--workers", str(len(os.sched_getaffinity(0))))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    doomed, _ = (cluster.add_node(num_cpus=1, memory=4 * 2**30) for _ in range(2))
    try:
        run = _start(work / "slides", work / "out", "--ray", cluster.address)
        while len(list((work / "out").glob("*/run.json"))) < 2 and run.poll() is None:
            time.sleep(0.05)
        cluster.remove_node(doomed, allow_graceful=False)
        stdout, stderr = run.communicate()
    finally:
        cluster.shutdown()
    counts = _counts(stdout)
    with (work / "out" / "summary.csv").open(newline="") as file:
        named = Counter(row["slide"] for row in csv.DictReader(file))
    twice = sum(count > 1 for count in named.values())
    different = _contents(work / "out") != _contents(work / "undisturbed")
    right = run.returncode == 0 and len(named) == slides and not twice and not different
    if not right:
        print(stdout + stderr)
    return _print_outcome(
        "Ray node killed", right, slides=slides, done=counts["done"], skipped=counts["skipped"],
        failed=counts["failed"], twice_in_the_summary=twice, differ_from_one_machine=int(different),
    )  # fmt: skip


def names(work: Path) -> bool:
    """File names that are hard to handle, and two slides of one stem."""
    (slide,) = write_small_slides(work / "whole", 1)
    (work / "slides" / "-folder\n with ü").mkdir(parents=True)
    for name in ODD_NAMES:
        shutil.copy(slide, work / "slides" / name)
    shutil.copy(slide, work / "slides" / "-folder\n with ü" / "same.svs")
    (work / "slides" / "same.tiff").write_bytes(slide.read_bytes())
    status, counts, output = _run(work / "slides", work / "out")
    with (work / "out" / "summary.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    files = [path for path in (work / "slides").rglob("*.*") if path.is_file()]
    true = {as_text(str(path.relative_to(work / "slides"))) for path in files}
    folders = {row["folder"] for row in rows}
    whole = len(list((work / "out").rglob("run.json"))) == len(rows)
    again, second, _ = _run(work / "slides", work / "out")
    right = (
        (status, again) == (0, 0) and {row["slide"] for row in rows} == true and len(folders) == len(rows)
        and whole and second["skipped"] == len(rows)
    )  # fmt: skip
    if not right:
        print(output)
    return _print_outcome(
        "odd names", right, slides=len(true), done=counts["done"], skipped_by_a_second_run=second["skipped"]
    )


def fifty(work: Path) -> bool:
    """Fifty slides, five of them damaged, twice."""
    slides = write_small_slides(work / "slides", 50)
    for number, slide in enumerate(slides[::10]):
        os.truncate(slide, number * slide.stat().st_size // 100)
    status, counts, output = _run(work / "slides", work / "out")
    causes = len(re.findall(r"^glomspike: small-\d+\.svs: \S.*; \S", output, re.MULTILINE))
    began = time.monotonic()
    again, second, _ = _run(work / "slides", work / "out")
    again_s = time.monotonic() - began
    right = (status, again) == (1, 1) and (counts["done"], counts["failed"], causes) == (45, 5, 5)
    right = right and (second["skipped"], second["failed"]) == (45, 5)
    return _print_outcome(
        "fifty slides", right, done=counts["done"], failed=counts["failed"], causes_named=causes,
        status=status, skipped_by_a_second_run=second["skipped"], s_that_it_took=round(again_s, 1),
    )  # fmt: skip


FAULTS: dict[str, Callable[[Path], bool]] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (kills, full_disk, read_only, vanish, two_runs, node, names, fifty)
}


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


@main.command("damage")
@click.argument("work", type=click.Path(path_type=Path))
@click.option(
    "--real", multiple=True, type=click.Path(path_type=Path, exists=True), help="A slide to damage too."
)
def damage_command(work: Path, real: tuple[Path, ...]) -> None:
    """Two hundred damaged slides."""
    sys.exit(not damage(work / "damage", real))


@main.command("all")
@click.argument("work", type=click.Path(path_type=Path))
@click.option(
    "--real", multiple=True, type=click.Path(path_type=Path, exists=True), help="A slide to damage too."
)
def all_command(work: Path, real: tuple[Path, ...]) -> None:
    """Every fault, one after the other."""
    right = [damage(work / "damage", real), *(fault(work / name) for name, fault in FAULTS.items())]
    sys.exit(not all(right))


def _add(name: str, fault: Callable[[Path], bool]) -> None:
    @main.command(name, help=fault.__doc__)
    @click.argument("work", type=click.Path(path_type=Path))
    def command(work: Path) -> None:
        sys.exit(not fault(work / name))


for fault_name, fault_function in FAULTS.items():
    _add(fault_name, fault_function)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    main()
