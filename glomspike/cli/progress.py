"""How far a run is: bars on a terminal, a line per stage in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from glomspike.names import as_text

if TYPE_CHECKING:
    from glomspike.findings import SlideRow


@contextmanager
def shown_progress(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows on stderr the stage, what of it is done and how much there is."""
    if not sys.stderr.isatty():
        yield _Log(name).show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def show(stage: str, done: int, whole: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{name}: {stage}", total=whole)
            bars.update(tasks[stage], completed=done, total=whole)

        yield show


class _Log:
    """Tells each stage once when it begins and once when it is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun: set[str] = set()

    def show(self, stage: str, done: int, whole: int) -> None:
        if stage not in self.begun:
            self.begun.add(stage)
            click.echo(f"{self.name}: {stage} ({whole})", err=True)
        elif done == whole:
            click.echo(f"{self.name}: {stage} done", err=True)


@contextmanager
def shown_batch(slides: int) -> Iterator[Callable[["SlideRow"], None]]:
    """A function that shows each finished slide, and how many are done, failed and left."""
    if not sys.stderr.isatty():
        yield _BatchLog(slides).show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    failed = TextColumn("{task.fields[failed]} failed, left:")
    columns = (TextColumn("slides"), BarColumn(), MofNCompleteColumn(), failed, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("slides", total=slides, failed=0)
        failures = 0

        def show(row: "SlideRow") -> None:
            nonlocal failures
            failures += row.status == "failed"
            bars.update(task, advance=1, failed=failures)

        yield show


class _BatchLog:
    """Shows each slide in a separate line."""

    def __init__(self, slides: int) -> None:
        self.slides = slides
        self.finished = self.failed = self.worked_on = 0
        self.began = time.monotonic()

    def show(self, row: "SlideRow") -> None:
        self.finished += 1
        self.failed += row.status == "failed"
        self.worked_on += row.status != "skipped"
        which = f"{self.finished}/{self.slides} {one_line(row.slide)}"
        click.echo(f"{which}: {row.status}; {self._left()}", err=True)

    def _left(self) -> str:
        # Skipped slides take no time, so they say nothing about how long the others will.
        seconds = (time.monotonic() - self.began) / max(1, self.worked_on) * (self.slides - self.finished)
        left = f", about {seconds / 60:.0f} min left" if self.worked_on and seconds >= 30 else ""
        return f"{self.failed} failed{left}"


def one_line(name: str) -> str:
    """A file's name as it can be shown in one line of text, whatever it contains."""
    return " ".join(as_text(name).split())
