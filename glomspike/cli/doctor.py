"""`glomspike doctor`: what of this machine works, and what does not."""

from pathlib import Path

import click

MARKS = {"works": ("works", "green"), "note": ("note", "yellow"), "broken": ("BROKEN", "red")}


@click.command(name="doctor", short_help="Check GPU, OpenSlide, weights, memory and write access.")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def command(folder: Path) -> int:
    """Check GPU, OpenSlide, weights, memory, and whether results can be written into FOLDER.

    Without FOLDER the folder you are in is tried. Exits with 0 where the main job can run.
    """
    from glomspike.doctor import examine

    broken = 0
    for finding in examine(folder):
        mark, colour = MARKS[finding.verdict]
        click.echo(f"{click.style(f'{mark:8}', fg=colour)}{finding.subject:12}{finding.text}")
        broken += finding.verdict == "broken"
    click.echo(
        "\nThe main job can run here."
        if not broken
        else "\nThe main job cannot run here until that is fixed."
    )
    return 1 if broken else 0
