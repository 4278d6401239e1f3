"""`glomspike phantom`: synthetic silver-stained slides with their truth."""

import os
from pathlib import Path

import click

from glomspike.errors import UsageError


@click.command("phantom")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder for the slides."
)
@click.option("--slides", type=click.IntRange(1, 9999), help="How many slides to make.  [default: 4]")
@click.option(
    "--cases",
    type=click.IntRange(1, 9999),
    help="How many cases (whole biopsies) to make, instead of single slides.",
)
@click.option(
    "--levels", type=click.IntRange(1, 24), help="Sections of each case, 3 to 12 µm apart.  [default: 3]"
)
@click.option(
    "--glomeruli",
    default=6,
    show_default=True,
    type=click.IntRange(0, 400),
    help="How many glomeruli on each slide or in each case.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option(
    "--boxed", default=0.4, show_default=True, type=click.FloatRange(0, 1),
    help="Share of the spiked glomeruli with boxes drawn on spikes.",
)  # fmt: skip
@click.option(
    "--workers",
    default=os.cpu_count() or 1,
    type=click.IntRange(1),
    help="How many processes to use  [default: one per core]",
)
def command(
    folder: Path,
    slides: int | None,
    cases: int | None,
    levels: int | None,
    glomeruli: int,
    seed: int,
    boxed: float,
    workers: int,
) -> None:
    """Make synthetic silver-stained kidney slides, or whole cases, with exact truth.

    Each slide is a different patient with a different stain, scanner and anatomy; about half of the glomeruli
    carry spikes. Beside each slide is its truth as ImageScope XML, and `samples.csv` lists them all for
    `glomspike train` and `glomspike evaluate`.

    With --cases, blocks of tissue are cut into levels that lie on several slides, in silver and other stains.
    `cases.csv` lists them for `glomspike cases`; a JSON beside the slides of a case says which profile is
    which glomerulus.
    """
    from rich.progress import track

    from glomspike.phantom.cases import write_cases
    from glomspike.phantom.slides import write_phantoms

    if cases is None and levels is not None:
        raise UsageError("--levels", "is for cases, and --slides are single slides", "add --cases N")
    if cases is not None and slides is not None:
        raise UsageError("--slides and --cases", "exclude each other", "give one of them")
    if cases is not None:
        made = write_cases(folder, cases, levels or 3, glomeruli, seed, workers)
        whole, table, what = cases, "cases.csv", "cases"
    else:
        whole, table, what = slides or 4, "samples.csv", "slides"
        made = write_phantoms(folder, whole, glomeruli, seed, boxed, workers)
    for _ in track(made, description=f"Making {what}", total=whole):
        pass
    click.echo(f"{whole} {what} and {folder / table}")
