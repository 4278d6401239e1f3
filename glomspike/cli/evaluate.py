"""`glomspike evaluate`: how good a model is on annotated tissue."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from glomspike.cli.progress import shown_progress
from glomspike.errors import UsageError

if TYPE_CHECKING:
    from glomspike.learn.evaluation import Evaluation, Progress
    from glomspike.learn.samples import Sample, Split
    from glomspike.networks.models import Model
    from glomspike.networks.weights import Kind

EPILOG = """\b
Examples:
  glomspike evaluate detector ours/samples.csv --json detector.json
  glomspike evaluate classifier ours/samples.csv --json ours.json --weights trained/classifier
  glomspike evaluate segmenter ours/samples.csv more/samples.csv --split all --json all.json

\b
SAMPLES are tables of annotated pictures (docs/training.md). A sheet of the ten
worst cases is written beside the JSON."""

MODELS = ("detector", "segmenter", "classifier", "lesions")


@click.command(name="evaluate", epilog=EPILOG, short_help="How good a model is on annotated tissue.")
@click.argument("model", type=click.Choice(MODELS))
@click.argument("samples", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "file", required=True, type=click.Path(path_type=Path), help="File for the numbers.")
@click.option(
    "--worst", type=click.Path(path_type=Path), help="PNG for the worst cases  [default: beside the JSON]"
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Weights to evaluate instead of the installed ones."
)
@click.option(
    "--split", type=click.Choice(["test", "val", "train", "all"]), default="test", show_default=True,
    help="Which of the samples.",
)  # fmt: skip
@click.option("--device", default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where to compute.")
@click.option("--mirrored", is_flag=True, help="For the segmenter: outline four times, mirrored, and average."
)  # fmt: skip
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="For the classifier: probability from which a glomerulus counts as spiked, instead of its own.",
)
def command(
    model: "Kind",
    samples: tuple[Path, ...],
    file: Path,
    worst: Path | None,
    weights: Path | None,
    split: "Split | Literal['all']",
    device: str,
    mirrored: bool,
    threshold: float | None,
) -> None:
    """Measure a MODEL on SAMPLES: circle AP, Dice, or precision, recall and AUC, with 95 % intervals."""
    if model != "classifier" and threshold is not None:
        raise UsageError("--threshold", f"is for the classifier, not the {model}", "leave it out")
    if model != "segmenter" and mirrored:
        raise UsageError("--mirrored", f"is for the segmenter, not the {model}", "leave it out")
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_model
    from glomspike.results.folder import check_writable
    from glomspike.results.png import write_rgb

    picture = worst or file.with_name(f"{file.stem}-worst.png")
    for folder in {file.parent, picture.parent}:
        check_writable(folder)
    chosen = _chosen(samples, split)
    where = choose_device(device)
    if where.note:
        click.echo(f"glomspike: {where.note}", err=True)
    loaded = load_model(model, weights, where.device)
    if mirrored:
        from glomspike.segment.mirrored import mirrored as asked_four_times

        loaded = asked_four_times(loaded)
    with shown_progress(model) as progress:
        found = _evaluated(loaded, chosen, threshold, partial(progress, "measuring"))
    write_rgb(picture, found.worst)
    for name, other in found.pictures.items():
        write_rgb(file.with_name(f"{file.stem}-{name}.png"), other)
    numbers = {"model": model, "sha256": loaded.card.sha256, "split": split, **found.numbers}
    file.write_text(json.dumps(numbers, indent=2) + "\n")
    _tell(numbers, file, picture)


def _chosen(tables: tuple[Path, ...], split: "Split | Literal['all']") -> "Sequence[Sample]":
    from glomspike.learn.samples import in_split, read_samples

    samples = read_samples(tables)
    return samples if split == "all" else in_split(samples, split)


def _evaluated(
    model: "Model", samples: "Sequence[Sample]", threshold: float | None, progress: "Progress"
) -> "Evaluation":
    if model.card.kind == "detector":
        from glomspike.detect.evaluate import evaluate_detector

        return evaluate_detector(samples, model, progress)
    if model.card.kind == "segmenter":
        from glomspike.segment.evaluate import evaluate_segmenter

        return evaluate_segmenter(samples, model, progress)
    if model.card.kind == "lesions":
        from glomspike.lesions.evaluate import evaluate_lesions

        return evaluate_lesions(samples, model, progress)
    from glomspike.classify.evaluate import evaluate_classifier

    return evaluate_classifier(samples, model, threshold, progress)


def _tell(numbers: Mapping[str, object], file: Path, picture: Path) -> None:
    """The numbers that stand for themselves in a line, and where the rest is."""
    told = [f"{name} {value:.3f}" for name, value in numbers.items() if isinstance(value, float)]
    click.echo(f"{', '.join(told)}\n{file}\n{picture}")
