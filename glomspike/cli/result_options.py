"""The options of every command that analyses slides and that change what comes out."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from glomspike.cli.stain_option import stain_option
from glomspike.cli.weight_options import weight_options
from glomspike.detect.size_options import size_options
from glomspike.networks.kinds import kinds_of
from glomspike.typed import Number

F = TypeVar("F", bound=Callable[..., Any])


def result_options(command: F) -> F:
    """A decorator that adds scale, weights, threshold, outlines, size, stain and DICOM to a command."""
    decorators = (
        click.option(
            "--mpp",
            type=Number(0.05, 5),
            metavar="UM",
            help="µm per pixel, for a slide that does not record it, or records it wrongly.",
        ),
        weight_options(kinds_of("slides")),
        click.option(
            "--threshold",
            type=Number(0, 1),
            metavar="P",
            help="Spike probability that counts as spiked, instead of the classifier's default.",
        ),
        click.option(
            "--mirrored", is_flag=True, help="Outline each glomerulus four times, mirrored, and average."
        ),
        size_options,
        stain_option,
        click.option("--dicom", is_flag=True, help="Write annotations and a report as DICOM objects too."),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command
