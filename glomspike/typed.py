"""Numbers as people type them on the command line."""

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number within a range, with a decimal point or comma; unlike click's, "nan" is none."""

    def convert(self, value: float | str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        typed: Any = str(value).replace(",", ".")
        number = float(super().convert(typed, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number
