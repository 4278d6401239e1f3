"""The option that gives the stain of slides instead of measuring it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from glomspike.findings import StainName

F = TypeVar("F", bound=Callable[..., Any])

STAINS_TYPED: dict[str, "StainName"] = {
    "silver": "silver",
    "pas": "PAS",
    "he": "H&E",
    "trichrome": "trichrome",
    "immuno": "immuno",
    "other": "other",
}


def stain_option(command: F) -> F:
    """A decorator that adds `--stain` to a command."""
    return click.option(
        "--stain",
        type=click.Choice(list(STAINS_TYPED)),
        help="The stain, instead of measuring it. Spikes are scored in silver only.",
    )(command)


def stain_typed(stain: str | None) -> "StainName | None":
    """The stain that was typed; None where it is to be measured."""
    return None if stain is None else STAINS_TYPED[stain]
