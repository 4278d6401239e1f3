"""`glomspike` and `python -m glomspike` are the command."""

from glomspike.batch.process import prepare_process
from glomspike.cli import main
from glomspike.cli.leaving import leaving_quickly


def command() -> None:
    """Runs the command that was typed, and ends the process."""
    prepare_process()
    with leaving_quickly():
        main()


if __name__ == "__main__":
    command()
