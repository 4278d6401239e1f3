"""`glomspike phantom`: synthetic slides, cases and patients with their truth."""

import os
from pathlib import Path
from typing import TypeVar

import click

from glomspike.errors import UsageError
from glomspike.typed import Number

GLOMERULI = 6  # on each slide or in each case
BOXED = 0.4
_Number = TypeVar("_Number", int, float)


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
    "--patients",
    type=click.IntRange(1, 9999),
    help="How many patients in three modalities to make, instead of slides.",
)
@click.option(
    "--glomeruli",
    type=click.IntRange(0, 400),
    help="How many glomeruli on each slide or in each case.  [default: 6]",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option(
    "--boxed",
    type=Number(0, 1),
    help="Share of the spiked glomeruli with boxes drawn on spikes.  [default: 0.4]",
)
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
    patients: int | None,
    glomeruli: int | None,
    seed: int,
    boxed: float | None,
    workers: int,
) -> None:
    """Make synthetic silver-stained kidney slides, whole cases or patients, with exact truth.

    Each slide is a different patient with a different stain, scanner and anatomy; about half of the glomeruli
    carry spikes. Beside each slide is its truth as ImageScope XML, and `samples.csv` lists them all for
    `glomspike train` and `glomspike evaluate`.

    With --cases, blocks of tissue are cut into levels that lie on several slides, in silver and other stains.
    `cases.csv` lists them for `glomspike cases`; a JSON beside the slides of a case says which profile is
    which glomerulus.

    With --patients, each patient has glomeruli in silver, immunofluorescence and electron micrographs, of IgA
    nephropathy, membranous nephropathy, lupus nephritis or none. `samples.csv` and `cases.csv` list all
    pictures, the truth of each lies beside it as JSON, and `oracle.json` says how well the disease can be
    known from which modalities (docs/phantom-patients.md).
    """
    from rich.progress import track

    from glomspike.phantom.cases import write_cases
    from glomspike.phantom.patients import write_patients
    from glomspike.phantom.slides import write_phantoms

    _refuse_misplaced(slides, cases, levels, patients, glomeruli, boxed)
    _refuse_foreign(folder)
    if patients is not None:
        made = write_patients(folder, patients, seed, workers)
        whole, table, what = patients, "samples.csv", "patients"
    elif cases is not None:
        made = write_cases(folder, cases, levels or 3, _or(glomeruli, GLOMERULI), seed, workers)
        whole, table, what = cases, "cases.csv", "cases"
    else:
        whole, table, what = slides or 4, "samples.csv", "slides"
        made = write_phantoms(folder, whole, _or(glomeruli, GLOMERULI), seed, _or(boxed, BOXED), workers)
    for _ in track(made, description=f"Making {what}", total=whole):
        pass
    click.echo(f"{whole} {what} and {folder / table}")


def _or(typed: _Number | None, usual: _Number) -> _Number:
    return usual if typed is None else typed


def _refuse_misplaced(
    slides: int | None,
    cases: int | None,
    levels: int | None,
    patients: int | None,
    glomeruli: int | None,
    boxed: float | None,
) -> None:
    """Raises UsageError for options that exclude each other."""
    kinds = {"--slides": slides, "--cases": cases, "--patients": patients}
    typed = [name for name, count in kinds.items() if count is not None]
    if len(typed) > 1:
        raise UsageError(" and ".join(typed), "exclude each other", "give one of them")
    if levels is not None and cases is None:
        raise UsageError("--levels", "is for cases", "add --cases N")
    of_slides = {"--glomeruli": glomeruli, "--boxed": boxed}
    for name, value in of_slides.items():
        if patients is not None and value is not None:
            raise UsageError(name, "is not for patients", "omit it")


def _refuse_foreign(folder: Path) -> None:
    """Raises OutputError for a table in the folder that is not one of phantoms, which would be replaced."""
    from glomspike.errors import OutputError
    from glomspike.phantom.slides import LICENCE

    licence = folder / "licence.txt"
    if licence.is_file() and licence.read_bytes().strip() == LICENCE.encode():
        return
    for table in (folder / "samples.csv", folder / "cases.csv"):
        if table.exists():
            raise OutputError(table, "is not of phantoms and is not replaced", "choose another --out")
