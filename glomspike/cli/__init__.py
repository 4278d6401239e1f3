"""The command line: which commands there are, and how a failure is reported."""

import io
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from glomspike import __version__
from glomspike.errors import GlomspikeError, UsageError

MAIN_JOB = "run"
# In the order of `--help`; each is `command` in the file of its name.
COMMANDS = (
    MAIN_JOB,
    "cases",
    "crops",
    "review",
    "samples",
    "train",
    "pretrain",
    "augment",
    "evaluate",
    "phantom",
    "weights",
    "doctor",
)
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130  # exit statuses; 0 is success


def find(name: str) -> click.Command:
    """The command of this name, one of COMMANDS."""
    command: click.Command = import_module(f"glomspike.cli.{name}").command
    return command


class _Commands(click.Group):
    """A group whose first word may be omitted, which then is the main job's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return find(cmd_name) if cmd_name in COMMANDS else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "" in args:  # as a path it would be the current folder, which nobody means
            ctx.fail("an argument is empty: check the variables of your script")
        names = {*COMMANDS, "--help", "--version"}
        return super().parse_args(ctx, args if args and args[0] in names else [MAIN_JOB, *args])

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The main job's help, since that is what most people want, then the other commands."""
        main_job = find(MAIN_JOB)
        main_job.format_help(click.Context(main_job, info_name=ctx.info_name), formatter)
        with formatter.section("Other commands (`glomspike COMMAND --help` explains each)"):
            others = [name for name in COMMANDS if name != MAIN_JOB]
            formatter.write_dl([(name, find(name).get_short_help_str(limit=120)) for name in others])
        with formatter.section("Exit status"):
            formatter.write_text("0 done; 1 failed; 2 wrong usage; 130 interrupted")


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="glomspike", message="%(prog)s %(version)s")
def _glomspike() -> None:
    """Find glomeruli in silver-stained kidney slides and score them for spikes."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command that was typed and exits; a failure is one line on stderr, its status the exit's."""
    signal.signal(signal.SIGTERM, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be text
    sys.exit(_status(arguments))


def _status(arguments: Sequence[str] | None) -> int:
    try:
        return _glomspike.main(arguments, prog_name="glomspike", standalone_mode=False) or 0
    except click.UsageError as failure:
        return _print_error(
            f"{failure.format_message().rstrip('.')}; see `{_help_command(failure)}`", WRONG_USAGE
        )
    except UsageError as failure:
        return _print_error(str(failure), WRONG_USAGE)
    except GlomspikeError as failure:
        return _print_error(str(failure), FAILED)
    except OSError as failure:
        cause = f"{failure.filename or 'system'}: {failure.strerror or failure}"
        return _print_error(f"{cause}; check the path, its permissions and the free space", FAILED)
    except (KeyboardInterrupt, click.Abort):
        return _print_error("interrupted; run the same command again", INTERRUPTED)


def _print_error(message: str, status: int) -> int:
    one_line = " ".join(message.split())
    click.echo(f"glomspike: {one_line}", err=True)
    return status


def _help_command(failure: click.UsageError) -> str:
    """What to type for the help on the command that was typed wrongly."""
    path = failure.ctx.command_path if failure.ctx else "glomspike"
    return f"{path.removesuffix(f' {MAIN_JOB}')} --help"


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
