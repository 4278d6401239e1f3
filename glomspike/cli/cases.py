"""`glomspike cases CASES.csv OUT`: whole biopsies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.cli.batch_options import batch_options, device_option
from glomspike.cli.progress import one_line
from glomspike.cli.result_options import result_options
from glomspike.cli.stain_option import stain_typed
from glomspike.cli.weight_options import given, weight_options
from glomspike.detect.size_options import expected_um
from glomspike.networks.kinds import kinds_of

if TYPE_CHECKING:
    from glomspike.batch.task import Batch
    from glomspike.cases.disease import CaseDisease
    from glomspike.cases.table import Case
    from glomspike.findings import SlideRow
    from glomspike.networks.models import Model
    from glomspike.results.adequacy import AdequacyRule
    from glomspike.results.case_record import CaseRecord
    from glomspike.slide.find import FoundSlide

TAKEN = ("cases", "cases.csv", "summary.csv", "index.html")  # names in OUT that no slide's folder may have


@click.command("cases", short_help="Analyse whole cases: all levels and stains of a biopsy.")
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--adequacy", default="banff", show_default=True, metavar="banff|N|N/M",
    help="How many glomeruli are adequate; N/M: adequate from N, marginal from M.",
)  # fmt: skip
@device_option
@result_options
@weight_options(kinds_of("cases"))
@batch_options
def command(
    table: Path,
    out: Path,
    adequacy: str,
    device: str,
    mpp: float | None,
    threshold: float | None,
    mirrored: bool,
    animal: str | None,
    glomerulus_um: float | None,
    stain: str | None,
    dicom: bool,
    overwrite: bool,
    workers: int | None,
    ray: str | None,
    stage: Path | None,
    **typed_weights: Path | None,
) -> int:
    """Analyse every slide of TABLE, then assemble the cases: a glomerulus on several levels counts once.

    TABLE is a CSV file with the columns case, image, modality, marker, level, block, mpp, one row per image;
    its markers and µm/px go before --stain and --mpp. Or it is a folder, each slide of which is a case.
    Results of slides are in OUT as for a folder, those of a case in OUT/cases/CASE.
    """
    from glomspike.cases.write import check_place, check_table
    from glomspike.cli.run import new_batch, print_causes, run_slides
    from glomspike.results.adequacy import adequacy_rule
    from glomspike.results.options import Options

    weights = given(typed_weights)
    rule = adequacy_rule(adequacy)
    need_slides = "disease" not in weights
    cases, slides = _of_folder(table, out) if table.is_dir() else _of_table(table, need_slides)
    model = _disease_model(weights, device)
    check_table(out)
    for case in cases:
        check_place(out / "cases" / case.folder)
        for note in case.notes:
            click.echo(f"glomspike: {one_line(f'case {case.name!r}: {note}')}", err=True)
    options = Options(
        mpp, threshold, "outdated" if overwrite else "never", mirrored=mirrored, dicom=dicom,
        glomerulus_um=expected_um(animal, glomerulus_um), stain=stain_typed(stain),
    )  # fmt: skip
    batch = new_batch(
        out, {kind: path for kind, path in weights.items() if kind != "disease"}, options, stage
    )
    done = run_slides(list(slides.values()), batch, device, workers or 1, ray)
    rows = dict(zip(slides, done, strict=True))
    print_causes(done)
    failed = _assemble(table, cases, rows, batch, rule, model)
    return 1 if failed or any(row.status == "failed" for row in done) else 0


def _assemble(
    table: Path,
    cases: Sequence["Case"],
    rows: Mapping[str, "SlideRow"],
    batch: "Batch",
    rule: "AdequacyRule",
    model: "Model | None" = None,
) -> int:
    """Writes what there is of each case, then what lists them all; how many images or cases failed in that.

    A picture that was omitted makes no case. A case that cannot be assembled leaves the others as they are.
    """
    from glomspike.batch.task import cause_of
    from glomspike.cases.assemble import assemble
    from glomspike.cases.disease import disease_of
    from glomspike.cases.markers import with_markers
    from glomspike.cases.write import write_case, write_cases
    from glomspike.report.index import write_index

    records: list[tuple[str, CaseRecord]] = []
    failed = 0
    for typed in cases:
        if {rows[image.image].status for image in typed.images if image.image in rows} == {"omitted"}:
            continue
        try:
            case = with_markers(typed, rows, batch.out)
            disease = None if model is None else disease_of(case, rows, batch.out, model)
            record = assemble(case, rows, batch.out, rule, batch.cards, disease)
            write_case(batch.out, case.folder, record, {} if disease is None else disease.pictures)
        except Exception as failure:  # noqa: BLE001  (whatever it is, it is this case's)
            failed += 1
            click.echo(f"glomspike: {one_line(f'case {typed.name}')}: {cause_of(failure)}", err=True)
            continue
        failed += _report_unread(table, case, disease)
        records.append((f"cases/{case.folder}", record))
        click.echo(f"{one_line(str(batch.out / 'cases' / case.folder))}: {_line(record)}")
    write_cases(batch.out, records)
    write_index(batch.out, list(rows.values()), records)
    return failed


def _line(record: "CaseRecord") -> str:
    """What was found in a case, in a line."""
    from glomspike.report.disease_words import disease_line

    spiked, uncertain = record.summary.spiked, record.summary.uncertain
    found = f"{record.summary.glomeruli} distinct glomeruli, {spiked.n} of {spiked.of} scored spiked"
    found += f", {uncertain.n} uncertain" if uncertain.n else ""
    return found if record.disease is None else f"{found}; {disease_line(record.disease)}"


def _disease_model(weights: Mapping[str, Path], device: str) -> "Model | None":
    """The disease model that was given, None where there was none."""
    if "disease" not in weights:
        return None
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_model

    return load_model("disease", weights["disease"], choose_device(device).device)


def _report_unread(table: Path, case: "Case", disease: "CaseDisease | None") -> int:
    """A line for each image that a disease model could not read; how many there are."""
    failed = {} if disease is None else disease.failed
    for image in case.images:
        if image.image in failed:
            where = one_line(f"{table} row {image.row}: {image.image}")
            click.echo(f"glomspike: {where}: {failed[image.image]}", err=True)
    return len(failed)


def _of_folder(folder: Path, out: Path) -> tuple[tuple["Case", ...], dict[str, "FoundSlide"]]:
    """A case for each slide of a folder, and the slides by name; their results lie as those of the folder."""
    from glomspike.cases.folder import cases_of_folder
    from glomspike.slide.find import find_slides

    slides = find_slides(folder.absolute(), out.absolute())
    cases = cases_of_folder(folder, slides)
    return cases, {case.images[0].image: slide for case, slide in zip(cases, slides, strict=True)}


def _of_table(table: Path, need_slides: bool) -> tuple[tuple["Case", ...], dict[str, "FoundSlide"]]:
    """The cases of a table, and their slides by name there, each with a separate folder for its results."""
    from glomspike.cases.table import folder_names, read_cases
    from glomspike.slide.find import FoundSlide

    cases = read_cases(table, need_slides=need_slides)
    images = [image for case in cases for image in case.images if image.modality == "om"]
    folders = folder_names([image.path.stem for image in images], TAKEN)
    return cases, {
        image.image: FoundSlide(image.path, image.image, folder, mpp=image.mpp, stain=image.stain)
        for image, folder in zip(images, folders, strict=True)
    }
