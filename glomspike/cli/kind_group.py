"""A command with one subcommand for each kind of model, each made from what the kind declares."""

from collections.abc import Callable

import click

from glomspike.networks.kinds import KINDS, ModelKind, kind_of


class KindGroup(click.Group):
    """`glomspike NAME KIND ...`; `made` turns a kind into its subcommand, when that is needed.

    Options may also be typed before the kind, as in `glomspike train --out weights detector samples.csv`.
    """

    def __init__(self, name: str, made: Callable[[ModelKind], click.Command], help: str, epilog: str) -> None:  # noqa: A002
        super().__init__(name=name, help=help, epilog=epilog, short_help=help.partition("\n")[0])
        self._made = made

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(KINDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._made(kind_of(cmd_name)) if cmd_name in KINDS else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = _kind_among(args)
        if place:
            args = [args[place], *args[:place], *args[place + 1 :]]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in KINDS:
            ctx.fail(f"{args[0]!r} is not a kind of model; give one of {', '.join(KINDS)}")
        return super().resolve_command(ctx, args)


class KindCommand(click.Command):
    """A subcommand of one kind: an option of another kind is refused with the kind that has it."""

    def __init__(
        self, kind: ModelKind, others: Callable[[ModelKind], tuple[click.Option, ...]], /, **rest: object
    ) -> None:
        super().__init__(name=kind.name, **rest)  # type: ignore[arg-type]
        self._kind, self._others = kind, others

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as failure:
            for name in KINDS:
                option_names = {text for option in self._others(kind_of(name)) for text in option.opts}
                if failure.option_name in option_names:
                    cause = f"{failure.option_name} is for the {name}, not the {self._kind.name}"
                    raise click.UsageError(f"{cause}: omit it", ctx) from None
            raise


def _kind_among(args: list[str]) -> int:
    """Where the kind stands among what was typed: the first such word that is no option's value, else 0."""
    for place, word in enumerate(args):
        before = args[place - 1] if place else ""
        if word in KINDS and not (before.startswith("--") and "=" not in before):
            return place
    return 0
