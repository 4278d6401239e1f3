"""`glomspike phantom`: synthetic silver-stained slides with their truth."""

import os
from pathlib import Path

import click


@click.command("phantom")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder for the slides."
)
@click.option("--slides", default=4, show_default=True, type=click.IntRange(1, 9999), help="How many slides.")
@click.option("--glomeruli", default=6, show_default=True, type=click.IntRange(0, 400), help="On each slide.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Another seed, other slides."
)
@click.option(
    "--boxed", default=0.4, show_default=True, type=click.FloatRange(0, 1),
    help="Share of the spiked glomeruli with boxes drawn on spikes.",
)  # fmt: skip
@click.option(
    "--workers", default=os.cpu_count() or 1, type=click.IntRange(1), help="Processes  [default: one a core]"
)
def command(folder: Path, slides: int, glomeruli: int, seed: int, boxed: float, workers: int) -> None:
    """Make synthetic silver-stained kidney slides with exact truth.

    Each slide is a patient with a stain, a scanner and an anatomy of its own; about half of its glomeruli
    carry spikes. Beside each slide lies its truth as ImageScope XML, and `samples.csv` lists them all for
    `glomspike train` and `glomspike evaluate`.
    """
    from rich.progress import track

    from glomspike.phantom.slides import write_phantoms

    made = write_phantoms(folder, slides, glomeruli, seed, boxed, workers)
    for _ in track(made, description="Making slides", total=slides):
        pass
    click.echo(f"{slides} slides and {folder / 'samples.csv'}")
