"""`glomspike SLIDE OUT`: the main job."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.cli.progress import shown_progress
from glomspike.errors import UsageError, missing_slide

if TYPE_CHECKING:
    from glomspike.pipeline import Done

EXAMPLES = """\b
Examples:
  glomspike biopsy.svs results                  the usual way
  glomspike biopsy.tif results --mpp 0.25       a picture that does not know its scale
  glomspike biopsy.svs results --device cuda:1  on the second GPU
  glomspike biopsy.svs results --overwrite      again, replacing earlier results
  glomspike doctor                              what works on this machine

\b
The results are in results/biopsy/. Copy biopsy.xml from there beside
biopsy.svs, and open the slide in ImageScope to see it with its annotations.

For research use only."""


class _Number(click.FloatRange):
    """A number within a range; unlike click's, "nan" is none."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


@click.command(name="run", epilog=EXAMPLES, short_help="The main job; the word `run` may be left out.")
@click.argument("slide", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--device",
    default="auto",
    metavar="auto|cuda|cuda:N|cpu",
    help="Where to compute. auto, the default, takes the GPU where there is one.",
)
@click.option(
    "--mpp",
    type=_Number(0.05, 5),
    metavar="UM",
    help="µm per pixel, for a slide that does not say it of itself.",
)
@click.option("--detector", type=click.Path(path_type=Path), metavar="WEIGHTS", help="Your own detector.")
@click.option("--segmenter", type=click.Path(path_type=Path), metavar="WEIGHTS", help="Your own segmenter.")
@click.option(
    "--classifier", type=click.Path(path_type=Path), metavar="WEIGHTS", help="Your own spike classifier."
)
@click.option(
    "--threshold",
    type=_Number(0, 1),
    metavar="P",
    help="Spike probability from which a glomerulus counts as spiked, instead of the classifier's own.",
)
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run with other settings.")
def command(
    slide: Path,
    out: Path,
    device: str,
    mpp: float | None,
    detector: Path | None,
    segmenter: Path | None,
    classifier: Path | None,
    threshold: float | None,
    overwrite: bool,
) -> None:
    """Find the glomeruli of SLIDE, outline them, and score them for membranous spikes.

    OUT is the folder for what was found: annotations for ImageScope and QuPath, tables and pictures.
    """
    _check(slide)
    from glomspike.device import choose_device
    from glomspike.models import load_models
    from glomspike.pipeline import Options, run_slide
    from glomspike.report.folder import check_writable
    from glomspike.slide.reader import open_slide

    # What is wrong with the slide or the folder is told before the networks are loaded.
    open_slide(slide, mpp).close()
    check_writable(out)
    chosen = choose_device(device)
    if chosen.note:
        click.echo(f"glomspike: {chosen.note}", err=True)
    models = load_models(detector, segmenter, classifier, chosen.device)
    with shown_progress(slide.name) as progress:
        done = run_slide(slide, out, models, Options(mpp, threshold, overwrite), progress)
    _tell(done)


def _tell(done: "Done") -> None:
    """What was found, in a line or a few."""
    if done.result is None:
        click.echo(f"{done.folder}: done before with the same settings, nothing to do")
        return
    for warning in done.result.warnings:
        click.echo(f"glomspike: {done.result.slide.name}: {warning}", err=True)
    judged = [g.judgement for g in done.result.glomeruli if g.judgement is not None]
    count = len(done.result.glomeruli)
    spiked = sum(score.spiked for score in judged)
    verdict = f"{spiked} of {len(judged)} scored spiked" if judged else "none scored for spikes"
    click.echo(f"{done.folder}: {count} {'glomerulus' if count == 1 else 'glomeruli'}, {verdict}")


def _check(slide: Path) -> None:
    """Raises what can be said of a slide's path before anything heavy is loaded."""
    if slide.is_dir():
        raise UsageError(slide, "is a folder, and a run takes one slide", "give the path of one slide")
    if not slide.exists():
        raise missing_slide(slide)
