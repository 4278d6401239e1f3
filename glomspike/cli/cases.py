"""`glomspike cases CASES.csv OUT`: whole biopsies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.cli.progress import one_line
from glomspike.cli.weight_options import given, weight_options
from glomspike.errors import UsageError
from glomspike.networks.kinds import kinds_of

if TYPE_CHECKING:
    from glomspike.cases.disease import CaseDisease
    from glomspike.cases.table import Case
    from glomspike.networks.models import Model
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
@weight_options(kinds_of("cases"))
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
    **typed_weights: Path | None,
) -> int:
    """Analyse every slide of TABLE, then assemble the cases: a glomerulus on several levels counts once.

    TABLE is a CSV file with the columns case, image, modality, marker, level, block, mpp, one row per image.
    Results of slides are in OUT as for a folder, those of a case in OUT/cases/CASE.
    """
    from glomspike.cases.assemble import assemble
    from glomspike.cases.disease import disease_of
    from glomspike.cases.table import read_cases
    from glomspike.cases.write import check_place, write_case, write_cases
    from glomspike.cli.run import new_batch, run_slides
    from glomspike.report.disease_words import disease_line
    from glomspike.results.adequacy import adequacy_rule
    from glomspike.results.options import Options

    weights = given(typed_weights)
    rule, cases = adequacy_rule(adequacy), read_cases(table, need_slides="disease" not in weights)
    model = _disease_model(weights, device)
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
    records, unread = [], 0
    for case in cases:
        disease = None if model is None else disease_of(case, rows, out, model)
        record = assemble(case, rows, out, rule, batch.cards, disease)
        write_case(out, case.folder, record, {} if disease is None else disease.pictures)
        unread += _tell_unread(table, case, disease)
        records.append((case.folder, record))
        spiked, uncertain = record.summary.spiked, record.summary.uncertain
        found = f"{record.summary.glomeruli} distinct glomeruli, {spiked.n} of {spiked.of} scored spiked"
        found += f", {uncertain.n} uncertain" if uncertain.n else ""
        found += "" if record.disease is None else f"; {disease_line(record.disease)}"
        click.echo(f"{one_line(str(out / 'cases' / case.folder))}: {found}")
    write_cases(out, records)
    return 1 if unread or any(row.folder is None for row in done) else 0


def _disease_model(weights: Mapping[str, Path], device: str) -> "Model | None":
    """The disease model that was given, None where there was none."""
    if "disease" not in weights:
        return None
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_model

    return load_model("disease", weights["disease"], choose_device(device).device)


def _tell_unread(table: Path, case: "Case", disease: "CaseDisease | None") -> int:
    """A line for each image that a disease model could not read; how many there are."""
    failed = {} if disease is None else disease.failed
    for image in case.images:
        if image.image in failed:
            where = one_line(f"{table} row {image.row}: {image.image}")
            click.echo(f"glomspike: {where}: {failed[image.image]}", err=True)
    return len(failed)


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
