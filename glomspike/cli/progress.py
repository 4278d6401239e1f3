"""How far a run is: bars on a terminal, a line per stage in a log."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def shown_progress(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """A function to tell the stage, what of it is done and how much there is; shown on stderr."""
    if not sys.stderr.isatty():
        yield _Log(name).tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def tell(stage: str, done: int, whole: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{name}: {stage}", total=whole)
            bars.update(tasks[stage], completed=done, total=whole)

        yield tell


class _Log:
    """Tells each stage once when it begins and once when it is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun: set[str] = set()

    def tell(self, stage: str, done: int, whole: int) -> None:
        if stage not in self.begun:
            self.begun.add(stage)
            click.echo(f"{self.name}: {stage} ({whole})", err=True)
        elif done == whole:
            click.echo(f"{self.name}: {stage} done", err=True)
