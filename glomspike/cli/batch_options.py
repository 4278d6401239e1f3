"""The options of every command on slides that say where it computes, and how it goes about several."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def device_option(command: F) -> F:
    """A decorator that adds `--device` to a command."""
    return click.option(
        "--device",
        default="auto",
        metavar="auto|cuda|cuda:N|cpu",
        help="Where to compute. auto, the default, takes the GPU where there is one.",
    )(command)


def overwrite_option(command: F) -> F:
    """A decorator that adds `--overwrite` to a command."""
    return click.option(
        "--overwrite",
        is_flag=True,
        help="Replace earlier results; where there are several slides, only those of other settings.",
    )(command)


def batch_options(command: F) -> F:
    """A decorator that adds `--overwrite`, `--workers`, `--ray` and `--stage` to a command.

    `workers` is None where it was not typed, so that a command can refuse it for a single slide.
    """
    decorators = (
        overwrite_option,
        click.option(
            "--workers",
            type=click.IntRange(1),
            metavar="N",
            help="For several slides: how many GPUs to use, or processes where there is none. "
            "The default is one GPU, or two processes.",
        ),
        click.option(
            "--ray",
            metavar="ADDRESS|local",
            help="For several slides: give them to the Ray cluster at this address.",
        ),
        click.option(
            "--stage",
            type=click.Path(path_type=Path, exists=True, file_okay=False, writable=True),
            metavar="FOLDER",
            help="Copy each slide to this folder on a fast local disk first.",
        ),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command
