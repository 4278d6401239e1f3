"""`glomspike evaluate KIND`: how good a model is on annotated tissue."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from glomspike.cli.kind_group import KindCommand, KindGroup
from glomspike.cli.progress import shown_progress
from glomspike.networks.kinds import ModelKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glomspike.learn.samples import Sample, Split
    from glomspike.modalities import Modality

EPILOG = """\b
Examples:
  glomspike evaluate detector ours/samples.csv --json detector.json
  glomspike evaluate classifier ours/samples.csv --json ours.json --weights trained/classifier
  glomspike evaluate segmenter ours/samples.csv more/samples.csv --split all --json all.json

\b
SAMPLES are tables of annotated pictures (docs/training.md). A sheet of the ten
worst cases is written beside the JSON."""


def _common() -> list[click.Parameter]:
    """What every evaluation has."""
    return [
        click.Argument(["samples"], nargs=-1, required=True, type=click.Path(path_type=Path)),
        click.Option(
            ["--json", "file"],
            required=True,
            type=click.Path(path_type=Path),
            help="File for the results.",
        ),
        click.Option(
            ["--worst"],
            type=click.Path(path_type=Path),
            help="Picture of the worst errors  [default: beside the JSON]",
        ),
        click.Option(
            ["--weights"],
            type=click.Path(path_type=Path),
            help="Weights to evaluate instead of the installed ones.",
        ),
        click.Option(
            ["--split"],
            type=click.Choice(["test", "val", "train", "all"]),
            default="test",
            show_default=True,
            help="Which samples to measure on.",
        ),
        click.Option(["--device"], default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where to compute."),
    ]


def _evaluate(
    kind: ModelKind,
    samples: tuple[Path, ...],
    file: Path,
    worst: Path | None,
    weights: Path | None,
    split: "Split | Literal['all']",
    device: str,
    **typed: Any,
) -> None:
    """Measures a model as typed, and writes numbers and pictures."""
    from glomspike.learn.samples import skipped
    from glomspike.networks.device import choose_device
    from glomspike.networks.models import load_model
    from glomspike.results.folder import check_writable
    from glomspike.results.png import write_rgb

    picture = worst or file.with_name(f"{file.stem}-worst.png")
    _refuse_foreign(file, picture)
    for folder in {file.parent, picture.parent}:
        check_writable(folder)
    chosen_samples = _in_split(samples, split, kind.modalities)
    where = choose_device(device)
    for note in (where.note, skipped(samples, kind.modalities)):
        if note:
            click.echo(f"glomspike: {note}", err=True)
    model = load_model(kind.name, weights, where.device)
    chosen = {name: value for name, value in typed.items() if value is not None and value is not False}
    with shown_progress(kind.name) as progress:
        found = kind.measuring.evaluate(chosen_samples, model, partial(progress, "measuring"), chosen)
    write_rgb(picture, found.worst)
    for name, other in found.pictures.items():
        write_rgb(file.with_name(f"{file.stem}-{name}.png"), other)
    numbers = {"model": kind.name, "sha256": model.card.sha256, "split": split, **found.numbers}
    file.write_text(json.dumps(numbers, indent=2) + "\n")
    _print(numbers, file, picture)


def _refuse_foreign(file: Path, picture: Path) -> None:
    """Raises OutputError where files that no evaluation wrote are in the place of its own.

    A picture is known by the results beside which it stands, so that those are looked at where there are any.
    """
    from glomspike.errors import OutputError

    taken = next((place for place in (file, picture) if place.exists()), None)
    if taken is not None and not _is_evaluation(taken):
        cause = "was not written by `glomspike evaluate` and is not replaced"
        raise OutputError(taken, cause, "move it, or choose another name")


def _is_evaluation(file: Path) -> bool:
    try:
        numbers = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(numbers, dict) and {"model", "sha256", "split"} <= numbers.keys()


def _in_split(
    tables: tuple[Path, ...], split: "Split | Literal['all']", modalities: "Sequence[Modality]"
) -> "Sequence[Sample]":
    from glomspike.learn.samples import in_split, read_samples

    samples = read_samples(tables, modalities)
    return samples if split == "all" else in_split(samples, split)


def _print(numbers: Mapping[str, object], file: Path, picture: Path) -> None:
    """The single numbers in a line, and where the rest is."""
    shown = [f"{name} {value:.3f}" for name, value in numbers.items() if isinstance(value, float)]
    click.echo(f"{', '.join(shown)}\n{file}\n{picture}")


def _command(kind: ModelKind) -> click.Command:
    return KindCommand(
        kind,
        lambda other: other.measuring.options,
        params=[*_common(), *kind.measuring.options],
        callback=partial(_evaluate, kind),
        help=f"Measure a {kind.title} on SAMPLES, with 95 % intervals.",
        short_help=f"Measure a {kind.title}.",
        epilog=EPILOG,
    )


command = KindGroup("evaluate", _command, help="Measure a model on annotated tissue.", epilog=EPILOG)
