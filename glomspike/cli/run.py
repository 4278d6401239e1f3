"""`glomspike SLIDE OUT`: the main job."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from glomspike.cli.batch_options import batch_options, device_option
from glomspike.cli.progress import one_line, shown_batch, shown_progress
from glomspike.cli.result_options import result_options
from glomspike.cli.stain_option import stain_typed
from glomspike.cli.weight_options import given
from glomspike.detect.size_options import expected_um
from glomspike.errors import UsageError, missing_slide
from glomspike.names import folder_name

if TYPE_CHECKING:
    from glomspike.batch.cluster import ClusterWorkers
    from glomspike.batch.local import LocalWorkers
    from glomspike.batch.task import Batch
    from glomspike.findings import SlideRow
    from glomspike.pipeline import SlideRun
    from glomspike.results.options import Options
    from glomspike.slide.find import FoundSlide

EXAMPLES = """\b
Examples:
  glomspike biopsy.svs results                  the usual way
  glomspike biopsy.tif results --mpp 0.25       a picture without a recorded scale
  glomspike biopsy.svs results --device cuda:1  on the second GPU
  glomspike biopsy.svs results --overwrite      again, replacing earlier results
  glomspike biopsies results                    all slides in a folder and below
  glomspike biopsies results --workers 4        the same on four GPUs, or in four processes
  glomspike doctor                              what works on this machine

\b
The results are in results/biopsy/. Copy biopsy.xml from there beside
biopsy.svs, and open the slide in ImageScope to see it with its annotations.

For research use only."""


@click.command(name="run", epilog=EXAMPLES, short_help="The main job; the word `run` may be omitted.")
@click.argument("slide", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@device_option
@result_options
@batch_options
def command(
    slide: Path,
    out: Path,
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
    """Find the glomeruli of SLIDE, outline them, and score them for membranous spikes.

    SLIDE is a slide, or a folder of slides. OUT is the folder for what was found: annotations for ImageScope
    and QuPath, tables and pictures.
    """
    if not slide.exists():
        raise missing_slide(slide)
    if not slide.is_dir() and (workers or ray):
        raise UsageError("--workers and --ray", "are for a folder, and this is one slide", "omit them")
    from glomspike.results.options import Options

    weights, expected = given(typed_weights), expected_um(animal, glomerulus_um)
    is_folder = slide.is_dir()
    replaced: Literal["always", "outdated", "never"] = "never"
    if overwrite:
        replaced = "outdated" if is_folder else "always"
    options = Options(
        mpp, threshold, replaced, mirrored=mirrored, dicom=dicom, glomerulus_um=expected,
        stain=stain_typed(stain),
    )  # fmt: skip
    if is_folder:
        return run_folder(slide, out, weights, options, stage, device, workers or 1, ray)
    return run_slide(slide, out, weights, options, stage, device)


def run_slide(
    slide: Path, out: Path, weights: Mapping[str, Path], options: "Options", stage: Path | None, device: str
) -> int:
    from glomspike.batch.local_copy import local_copy
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_models
    from glomspike.pipeline import fill_folder
    from glomspike.results.folder import check_writable
    from glomspike.slide.reader import open_slide

    # What is wrong with the slide or the folder is reported before the networks are loaded.
    open_slide(slide, options.mpp).close()
    check_writable(out)
    chosen = choose_device(device)
    _note(chosen.note)
    models = load_models(weights, chosen.device)
    with shown_progress(slide.name) as progress, local_copy(slide, stage) as near:
        done = fill_folder(near.path, out / folder_name(slide), models, options, progress, near.scratch)
    _print_results(done)
    return 0


def run_folder(
    folder: Path,
    out: Path,
    weights: Mapping[str, Path],
    options: "Options",
    stage: Path | None,
    device: str,
    workers: int,
    ray: str | None,
) -> int:
    from glomspike.slide.find import find_pictures, find_slides

    find = find_pictures if options.crops else find_slides
    slides = find(folder.absolute(), out.absolute())
    batch = new_batch(out, weights, options, stage)
    began = time.monotonic()
    rows = run_slides(slides, batch, device, workers, ray)
    return _print_batch(out, rows, time.monotonic() - began)


def new_batch(out: Path, weights: Mapping[str, Path], options: "Options", stage: Path | None) -> "Batch":
    """What all slides have in common; OutputError or WeightsError where these cannot be used."""
    from glomspike.batch.task import Batch
    from glomspike.networks.models import load_cards
    from glomspike.results.folder import check_writable

    check_writable(out)
    paths = {kind: path.absolute() for kind, path in weights.items()}
    return Batch(out.absolute(), paths, load_cards(paths), options, stage and stage.absolute())


def run_slides(
    slides: Sequence["FoundSlide"], batch: "Batch", device: str, workers: int, ray: str | None
) -> list["SlideRow"]:
    """What became of each slide, in their order; the results are where the batch puts them."""
    from glomspike.batch.run import run_batch

    crew = _on_cluster(batch, ray, device) if ray else _on_this_machine(batch, device, workers, len(slides))
    with shown_batch(len(slides)) as progress, crew:
        return run_batch(slides, crew, batch.out, progress)


def _on_this_machine(batch: "Batch", device: str, workers: int, slides: int) -> "LocalWorkers":
    from glomspike.batch.local import LocalWorkers
    from glomspike.batch.shares import cores
    from glomspike.networks.device import choose_devices

    chosen = choose_devices(device, workers)
    _note(chosen[0].note)
    if chosen[0].device.type == "cpu" and workers > cores():
        _note(f"--workers {workers}: {cores()} at a time, since there are no more processor cores")
    return LocalWorkers(batch, [str(one.device) for one in chosen], slides)


def _on_cluster(batch: "Batch", address: str, device: str) -> "ClusterWorkers":
    from glomspike.batch.cluster import ClusterWorkers

    return ClusterWorkers(batch, address, device)


def _note(text: str) -> None:
    if text:
        click.echo(f"glomspike: {text}", err=True)


def _print_results(done: "SlideRun") -> None:
    """What was found, in a line or a few."""
    if done.result is None:
        click.echo(f"{done.folder}: done before with the same settings, nothing to do")
        return
    for warning in done.result.warnings:
        click.echo(f"glomspike: {done.result.slide.name}: {warning}", err=True)
    judged = [g.judgement for g in done.result.glomeruli if g.judgement is not None]
    count = len(done.result.glomeruli)
    calls = [score.call for score in judged]
    doubt = f", {calls.count('uncertain')} uncertain" if "uncertain" in calls else ""
    spiked = f"{calls.count('spiked')} of {len(judged)} scored spiked{doubt}"
    verdict = spiked if judged else "none scored for spikes"
    click.echo(f"{done.folder}: {count} {'glomerulus' if count == 1 else 'glomeruli'}, {verdict}")


def print_causes(rows: Sequence["SlideRow"]) -> None:
    """Prints a line for each slide that failed or was omitted, with the cause."""
    for row in rows:
        if row.cause:
            omitted = "omitted: " if row.status == "omitted" else ""
            click.echo(f"glomspike: {one_line(row.slide)}: {omitted}{row.cause}", err=True)


def _print_batch(out: Path, rows: Sequence["SlideRow"], seconds: float) -> int:
    """What became of a folder's slides, each failure with its cause, and how fast; the exit status."""
    count = Counter(row.status for row in rows)
    print_causes(rows)
    counts = f"{count['done']} done, {count['skipped']} skipped, {count['failed']} failed"
    counts += f", {count['omitted']} omitted" if count["omitted"] else ""
    if count["done"] > 1:
        counts += f"; {count['done'] / seconds * 3600:.0f} slides per hour"
    click.echo(f"{one_line(str(out / 'summary.csv'))}: {counts}")
    return 1 if count["failed"] or count["omitted"] == len(rows) else 0
