"""`glomspike crops IMAGES OUT`: the main job for pictures that show one glomerulus each."""

from pathlib import Path

import click

from glomspike.cli.batch_options import device_option, overwrite_option
from glomspike.cli.run import run_folder, run_slide
from glomspike.cli.stain_option import stain_option, stain_typed
from glomspike.cli.weight_options import given, weight_options
from glomspike.errors import missing_slide
from glomspike.networks.kinds import kinds_of
from glomspike.typed import Number

CROP_KINDS = [kind for kind in kinds_of("slides") if kind != "detector"]  # nothing is searched for

EXAMPLES = """\b
Examples:
  glomspike crops glomerulus.png results --mpp 0.25   one picture
  glomspike crops glomeruli results --mpp 0.25        all pictures in a folder and below

\b
results/glomerulus/ holds what the main job writes for a slide with this one
glomerulus; for a folder there are summary.csv and index.html as well."""


@click.command(
    name="crops", epilog=EXAMPLES, short_help="Score pictures of single glomeruli instead of slides."
)
@click.argument("images", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@device_option
@click.option(
    "--mpp",
    type=Number(0.05, 5),
    metavar="UM",
    help="µm per pixel of the pictures, where their resolution tag is missing or wrong.",
)
@weight_options(CROP_KINDS)
@click.option("--threshold", type=Number(0, 1), metavar="P", help="Spike probability that counts as spiked.")
@stain_option
@overwrite_option
def command(
    images: Path,
    out: Path,
    device: str,
    mpp: float | None,
    threshold: float | None,
    stain: str | None,
    overwrite: bool,
    **typed_weights: Path | None,
) -> int:
    """Outline the glomerulus that each of IMAGES shows, and score it for membranous spikes.

    IMAGES is a PNG, JPEG or TIFF picture, or a folder of them. Each shows one whole glomerulus that fills
    most of it.
    """
    if not images.exists():
        raise missing_slide(images)
    from glomspike.results.options import Options

    weights, known = given(typed_weights), stain_typed(stain)
    if images.is_dir():
        options = Options(mpp, threshold, "outdated" if overwrite else "never", crops=True, stain=known)
        return run_folder(images, out, weights, options, None, device, 1, None)
    options = Options(mpp, threshold, "always" if overwrite else "never", crops=True, stain=known)
    return run_slide(images, out, weights, options, None, device)
