"""`glomspike samples`: corrected annotations as samples to train on."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from glomspike.errors import GlomspikeError, UsageError, missing_slide
from glomspike.names import as_text, folder_name
from glomspike.typed import Number

if TYPE_CHECKING:
    from glomspike.learn.corrections.find import CorrectedFolder
    from glomspike.learn.corrections.write import CorrectedSlide, WrittenSamples

EPILOG = """\b
Examples:
  glomspike samples biopsy.svs biopsy.xml --out ours --patient 17
  glomspike samples corrected --out ours --patients patients.csv
  glomspike samples results --out ours          slides reviewed in the browser
  glomspike train detector ours/samples.csv --out detector

\b
docs/annotations.md explains what each layer and each of your changes means. Of
a folder, those slides are used that have biopsy.xml, biopsy.geojson or
biopsy.ann.dcm beside biopsy.svs. Run the command again for a slide that you
have corrected further."""


@click.command(name="samples", epilog=EPILOG, short_help="Make training samples from corrected annotations.")
@click.argument("slide", type=click.Path(path_type=Path))
@click.argument("xml", required=False, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for samples.csv and pictures."
)
@click.option(
    "--patient", metavar="NAME", help="The patient of SLIDE.  [default: as in OUT, else the name of SLIDE]"
)
@click.option(
    "--patients", type=click.Path(path_type=Path), metavar="CSV", help="Columns slide, patient; for a folder."
)
@click.option(
    "--mpp",
    type=Number(0.05, 5),
    metavar="UM",
    help="µm per pixel, for slides that do not record it.",
)
@click.option(
    "--slides",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    metavar="PATH",
    help="For reviewed results: a slide or a folder of slides, if they have been moved since.",
)
@click.option("--reviewer", metavar="NAME", help="For reviewed results: whose review counts.")
def command(
    slide: Path,
    xml: Path | None,
    out: Path,
    patient: str | None,
    patients: Path | None,
    mpp: float | None,
    slides: tuple[Path, ...],
    reviewer: str | None,
) -> int:
    """Turn corrected annotations of SLIDE into samples for `glomspike train`.

    XML is what you saved in ImageScope, or GeoJSON from QuPath; without it, the one beside SLIDE. SLIDE may
    be a folder of slides with their annotations beside them, or the results that were reviewed with
    `glomspike review`.
    """
    _check(slide, xml, patient, patients)
    from glomspike.results.folder import check_writable

    check_writable(out)
    if not slide.is_dir():
        _print_written(slide.name, _written(_single(slide, xml, patient), out, mpp))
        return 0
    from glomspike.learn.corrections.reviewed import find_reviewed, reviewed_results

    if reviewed_results(slide):
        with TemporaryDirectory() as scratch:
            found = find_reviewed(slide, Path(scratch), patients, slides, reviewer)
            return _all_written(found, out, patients, mpp, "was not reviewed by that reviewer")
    if slides or reviewer:
        raise UsageError(slide, "holds no reviewed results", "omit --slides and --reviewer")
    return _folder(slide, out, patients, mpp)


def _check(slide: Path, xml: Path | None, patient: str | None, patients: Path | None) -> None:
    """Raises what can be said of the command line before anything heavy is loaded."""
    if not slide.exists():
        raise missing_slide(slide)
    if slide.is_dir() and xml is not None:
        raise UsageError(xml, "a folder's annotations lie beside its slides", "omit XML")
    if slide.is_dir() and patient is not None:
        raise UsageError("--patient", "is for one slide", "give --patients for a folder")
    if not slide.is_dir() and patients is not None:
        raise UsageError("--patients", "is for a folder", "give --patient for one slide")


def _single(slide: Path, xml: Path | None, patient: str | None) -> "CorrectedSlide":
    from glomspike.learn.corrections.find import annotations_beside
    from glomspike.learn.corrections.write import CorrectedSlide

    annotations = xml or annotations_beside(slide)
    if annotations is None:
        raise UsageError(slide, "has no annotations beside it", "give the XML file after the slide")
    return CorrectedSlide(slide, annotations, as_text(folder_name(slide)), patient)


def _folder(folder: Path, out: Path, patients: Path | None, mpp: float | None) -> int:
    """The samples of a folder of slides with annotations beside them."""
    from glomspike.learn.corrections.find import find_corrected

    found = find_corrected(folder, out, patients)
    if not found.corrected and not found.failures:
        raise UsageError(folder, "no slide has annotations beside it", "copy slide.xml beside slide.svs")
    return _all_written(found, out, patients, mpp, "without annotations")


def _all_written(
    found: "CorrectedFolder", out: Path, patients: Path | None, mpp: float | None, why_without: str
) -> int:
    """Writes the samples of every corrected slide; 1 where one failed."""
    problems = list(found.failures)
    for corrected in found.corrected:
        try:
            _print_written(corrected.folder, _written(corrected, out, mpp))
        except GlomspikeError as failure:
            problems.append(failure)
    for problem in problems:
        click.echo(f"glomspike: {problem}", err=True)
    if found.without:
        click.echo(f"glomspike: {why_without}, omitted: {', '.join(found.without)}", err=True)
    if patients is None and len(found.corrected) > 1:
        note = (
            "each slide counts as a different patient; give --patients if several slides are of one patient"
        )
        click.echo(f"glomspike: {note}", err=True)
    return 1 if problems else 0


def _written(corrected: "CorrectedSlide", out: Path, mpp: float | None) -> "WrittenSamples":
    from glomspike.learn.corrections.write import write_samples

    return write_samples(corrected, out, mpp)


def _print_written(name: str, written: "WrittenSamples") -> None:
    labels = ", ".join(f"{count} {label}" for label, count in written.glomeruli.items())
    outlines = f"outlined: {written.outlined}; boxes on spikes: {written.boxes}"
    click.echo(f"{name}: {written.fields} fields; glomeruli: {labels}; {outlines}")
    for note in written.notes:
        click.echo(f"glomspike: {name}: {note}", err=True)
