"""The options that say how large glomeruli are expected to be."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from glomspike.detect.sizes import ANIMALS_UM, LARGEST_UM, SMALLEST_UM
from glomspike.errors import UsageError
from glomspike.typed import Number

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.Option(
        ["--animal"],
        type=click.Choice(list(ANIMALS_UM)),
        help="Species of the kidney: the detector looks for glomeruli of its size  [default: human]",
    ),
    click.Option(
        ["--glomerulus-um"],
        type=Number(SMALLEST_UM, LARGEST_UM),
        metavar="UM",
        help="Expected diameter of a glomerulus, instead of --animal.",
    ),
)


def size_options(command: F) -> F:
    """A decorator that adds `--animal` and `--glomerulus-um` to a command."""
    for option in reversed(OPTIONS):
        command = click.option(*option.opts, type=option.type, metavar=option.metavar, help=option.help)(
            command
        )
    return command


def expected_um(animal: str | None, glomerulus_um: float | None) -> float | None:
    """The expected diameter; None where nothing was typed. Raises UsageError where both options were."""
    if animal is not None and glomerulus_um is not None:
        raise UsageError("--animal and --glomerulus-um", "both set the size to look for", "give one of them")
    return glomerulus_um if animal is None else ANIMALS_UM[animal]
