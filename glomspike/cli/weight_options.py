"""The options `--KIND WEIGHTS` that every registered kind of model has where it is used."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from glomspike.networks.kinds import kind_of

_HELP = {
    "slides": "Use this {} instead of the installed one.",
    "cases": "Predict the disease of each case with this {}; none is installed.",
}

F = TypeVar("F", bound=Callable[..., Any])


def weight_options(kinds: Sequence[str]) -> Callable[[F], F]:
    """A decorator that adds the options of these kinds to a command, in their order."""

    def decorated(command: F) -> F:
        for kind in reversed([kind_of(name) for name in kinds]):
            command = click.option(
                f"--{kind.name}",
                type=click.Path(path_type=Path),
                metavar="WEIGHTS",
                help=_HELP[kind.of].format(kind.title),
            )(command)
        return command

    return decorated


def given(weights: dict[str, Path | None]) -> dict[str, Path]:
    """The weights that were typed."""
    return {kind: path for kind, path in weights.items() if path is not None}
