"""`glomspike cases CASES.csv OUT`: whole biopsies."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.cli.progress import one_line
from glomspike.errors import UsageError

if TYPE_CHECKING:
    from glomspike.cases.table import Case
    from glomspike.slide.find import FoundSlide

TAKEN = ("cases", "cases.csv", "summary.csv", "index.html")  # names in OUT that no slide's folder may have


@click.command("cases", short_help="Analyse whole cases: all levels and stains of a biopsy.")
@click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--adequacy", default="banff", show_default=True, metavar="banff|N|N/M",
    help="How many glomeruli are adequate; N/M: adequate from N, marginal from M.",
)  # fmt: skip
@click.option("--device", default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where to compute.")
@click.option("--overwrite", is_flag=True, help="Replace earlier results of other settings.")
@click.option(
    "--workers", default=1, type=click.IntRange(1), metavar="N", help="How many GPUs, or processes, to use."
)
@click.option("--ray", metavar="ADDRESS|local", help="Give the slides to the Ray cluster at this address.")
@click.option(
    "--stage", type=click.Path(path_type=Path, exists=True, file_okay=False, writable=True), metavar="FOLDER",
    help="Copy each slide to this folder on a fast local disk first.",
)  # fmt: skip
def command(
    table: Path,
    out: Path,
    adequacy: str,
    device: str,
    overwrite: bool,
    workers: int,
    ray: str | None,
    stage: Path | None,
) -> int:
    """Analyse every slide of TABLE, then assemble the cases: a glomerulus on several levels counts once.

    TABLE is a CSV file with the columns case, image, modality, marker, level, block, mpp, one row per image.
    Results of slides are in OUT as for a folder, those of a case in OUT/cases/CASE.
    """
    from glomspike.cases.assemble import assemble
    from glomspike.cases.table import read_cases
    from glomspike.cases.write import check_place, write_case, write_cases
    from glomspike.cli.run import new_batch, run_slides
    from glomspike.results.adequacy import adequacy_rule
    from glomspike.results.options import Options

    rule, cases = adequacy_rule(adequacy), read_cases(table)
    for case in cases:
        check_place(out / "cases" / case.folder)
    options = Options(_mpp(table, cases), overwrite="outdated" if overwrite else "never")
    slides = _slides(cases)
    batch = new_batch(out, {}, options, stage)
    done = run_slides(list(slides.values()), batch, device, workers, ray)
    rows = dict(zip(slides, done, strict=True))
    for name, row in rows.items():
        if row.cause:
            click.echo(f"glomspike: {one_line(name)}: {row.cause}", err=True)
    records = []
    for case in cases:
        record = assemble(case, rows, out, rule, batch.cards)
        write_case(out, case.folder, record)
        records.append((case.folder, record))
        spiked, uncertain = record.summary.spiked, record.summary.uncertain
        found = f"{record.summary.glomeruli} distinct glomeruli, {spiked.n} of {spiked.of} scored spiked"
        found += f", {uncertain.n} uncertain" if uncertain.n else ""
        click.echo(f"{one_line(str(out / 'cases' / case.folder))}: {found}")
    write_cases(out, records)
    return 1 if any(row.folder is None for row in done) else 0


def _mpp(table: Path, cases: Sequence["Case"]) -> float | None:
    """The µm/px that the table gives; None where it gives none. Raises UsageError where it gives several."""
    given = {image.mpp for case in cases for image in case.images if image.modality == "om"}
    if len(given) > 1:
        raise UsageError(
            table,
            "gives several µm/px, or one for some slides only",
            "make a table for the slides of each scale",
        )
    return given.pop() if given else None


def _slides(cases: Sequence["Case"]) -> dict[str, "FoundSlide"]:
    """The slides of all cases by their name in the table, each with a separate folder for its results."""
    from glomspike.cases.table import folder_names
    from glomspike.slide.find import FoundSlide

    images = [image for case in cases for image in case.images if image.modality == "om"]
    folders = folder_names([image.path.stem for image in images], TAKEN)
    return {
        image.image: FoundSlide(image.path, image.image, folder)
        for image, folder in zip(images, folders, strict=True)
    }
