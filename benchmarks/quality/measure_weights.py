"""The numbers on the cards of the shipped weights, measured on tissue not trained on.

    python -m benchmarks.quality.measure_weights PUBLIC MEASURING PHANTOMS [--sheets FOLDER] [--card]
        [--only MODEL] [--weights WEIGHTS] [--mirrored]

PUBLIC is what `public_samples.py` wrote, MEASURING what `measuring_samples.py` and `composed_fields.py` did,
PHANTOMS a folder of `glomspike phantom`; only rows of split "test" are read. With --card numbers go into the
cards. --sheets gets a picture of every case. "found" is the share of true glomeruli found at the detector's
threshold, a circle overlapping the true one by an IoU of 0.5; "false_per_image" counts circles at that
threshold that do so with none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from pydantic import JsonValue

from glomspike.classify.evaluate import evaluate_classifier
from glomspike.detect.evaluate import evaluation_of as detector_numbers
from glomspike.detect.evaluate import scanned_samples
from glomspike.learn.evaluation import Case, Evaluation
from glomspike.learn.samples import Sample, in_split, read_samples
from glomspike.learn.sheets import sheet
from glomspike.lesions.evaluate import evaluate_lesions
from glomspike.networks.models import Model, load_model
from glomspike.networks.weights import Card, Metric, load_card
from glomspike.results.files import replace_file
from glomspike.results.png import write_rgb
from glomspike.segment.evaluate import compared_samples
from glomspike.segment.evaluate import evaluation_of as segmenter_numbers
from glomspike.segment.mirrored import mirrored as with_mirrored_views

AP = ("ap", "ap50", "ap75", "recall50", "false_per_image")
FOUND = ("found", "false_per_image")
DICE = ("dice_mean", "dice_sd", "iou_mean")
CALLS = (
    "precision",
    "recall",
    "f1",
    "accuracy",
    "auc",
    "localisation_auc",
    "ece",
    "ece_by_chance",
    "uncertain_share",
    "wrong_among_called",
)
TOLD = ("balanced_accuracy", "macro_f1", "auc")
COUNTED_BY = {"detector": "n_truth", "segmenter": "n", "classifier": "n_positive", "lesions": "n"}
# Names that a card gives to numbers of an evaluation.
SAID_AS = {"found": "recall_at_threshold"}


@dataclass(frozen=True)
class Measurement:
    """What is measured on which tables, and how the card is to name that tissue."""

    name: str
    tables: tuple[str, ...]
    numbers: tuple[str, ...]
    caveat: str = "not trained on"


NEPTUNE = tuple(f"neptune-{stain}" for stain in ("he", "pas", "tri", "sil"))
# Fields with sclerosed crops set in: stain and table.
COMPOSED = (("PAS", "pas"), ("H&E", "he"), ("trichrome", "trichrome"), ("silver", "silver"))
PASM = tuple(f"pasm-fields-{stain}" for stain in ("PASM", "PAS", "Masson"))
MEASUREMENTS: dict[str, tuple[Measurement, ...]] = {
    "detector": (
        Measurement("pas-fields", ("pas-fields",), AP),
        Measurement("he-fields", ("he-fields",), AP),
        Measurement("phantoms", ("phantoms",), AP),
        Measurement("silver-reference", ("silver-reference",), FOUND),
        Measurement("neptune-fields (H&E, PAS, trichrome, silver)", NEPTUNE, FOUND),
        Measurement("pasm-fields (PASM, PAS, Masson)", PASM, FOUND),
        Measurement("pasm-fields in PASM", PASM[:1], FOUND),
        Measurement("he-nephrectomy", ("he-nephrectomy",), AP),
        *(
            Measurement(f"fields composed in {stain}", (f"composed-{name}",), FOUND)
            for stain, name in COMPOSED
        ),
        Measurement("stain-patches", ("stain-patches-kept",), FOUND[1:]),
    ),
    "segmenter": (
        Measurement("pas-crops", ("pas-crops", "pas-crops-sclerosed"), DICE),
        Measurement("he-fields", ("he-fields",), DICE),
        Measurement("phantoms", ("phantoms",), DICE),
        *(Measurement(name, (name,), DICE) for name in NEPTUNE),
        Measurement("pasm-fields (PASM, PAS, Masson)", PASM, DICE),
        Measurement("pasm-fields in PASM", PASM[:1], DICE),
    ),
    # The last decides on the reliability that the card states.
    "classifier": (
        Measurement("PAS crops stained as silver by computation", ("pas-as-silver",), CALLS),
        Measurement("phantoms", ("phantoms",), CALLS),
    ),
    "lesions": (Measurement("pas-lesions", ("pas-lesions",), TOLD),),
}


@click.command()
@click.argument("public", type=click.Path(path_type=Path))
@click.argument("measuring", type=click.Path(path_type=Path))
@click.argument("phantoms", type=click.Path(path_type=Path))
@click.option("--only", type=click.Choice(list(MEASUREMENTS)), help="Measure one model.")
@click.option("--weights", type=click.Path(path_type=Path), help="Of that model, not the shipped ones.")
@click.option("--sheets", type=click.Path(path_type=Path), help="Folder for pictures of every case.")
@click.option("--mirrored", is_flag=True, help="The segmenter looks four times, mirrored.")
@click.option("--card", is_flag=True, help="Write the numbers into the cards.")
def main(
    public: Path,
    measuring: Path,
    phantoms: Path,
    only: str | None,
    weights: Path | None,
    sheets: Path | None,
    mirrored: bool,
    card: bool,
) -> None:
    """Measure weights, print the numbers, and write them into the cards where that is wanted."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    roots = (public, measuring, phantoms.parent)
    for kind in MEASUREMENTS if only is None else (only,):
        model = load_model(kind, weights, device)
        if mirrored and kind == "segmenter":
            model = with_mirrored_views(model)
        metrics: list[Metric] = []
        reliability: JsonValue = []
        for measurement in MEASUREMENTS[kind]:
            found, cases = evaluated(model, _samples(measurement.tables, roots, phantoms))
            metrics += metrics_of(kind, measurement, found)
            reliability = found.numbers.get("reliability", [])
            if sheets is not None and cases:
                named = re.sub(r"\W+", "-", f"{kind} {measurement.name}")
                _write_sheet(sheets / f"{named}.png", cases)
        for metric in metrics:
            _print_metric(kind, metric)
        if card:
            _write_card(kind, weights, metrics, reliability)


def _samples(tables: Sequence[str], roots: tuple[Path, ...], phantoms: Path) -> list[Sample]:
    """The test rows of some tables, each found where it is."""
    folders = [
        phantoms if name == "phantoms" else next(r / name for r in roots if (r / name).is_dir())
        for name in tables
    ]
    return in_split(read_samples([folder / "samples.csv" for folder in folders]), "test")


def evaluated(model: Model, samples: Sequence[Sample]) -> tuple[Evaluation, Sequence[Case]]:
    """The evaluation that goes with the model, and the cases that it is of, where they can be drawn."""
    if model.card.kind == "detector":
        scanned = scanned_samples(samples, model, lambda *_: None)
        return detector_numbers(scanned), scanned
    if model.card.kind == "segmenter":
        compared = compared_samples(samples, model, lambda *_: None)
        return segmenter_numbers(compared), compared
    if model.card.kind == "lesions":
        return evaluate_lesions(samples, model, lambda *_: None), ()
    return evaluate_classifier(samples, model, None, lambda *_: None), ()


def metrics_of(kind: str, measurement: Measurement, found: Evaluation) -> list[Metric]:
    """What the card says of one measurement."""
    numbers = found.numbers
    count = int(str(numbers[COUNTED_BY[kind]]))
    if kind == "classifier":
        count += int(str(numbers["n_negative"]))
    patients = int(str(numbers["n_patients"]))
    data = f"{patients} test patient{'s' * (patients != 1)} of {measurement.name}, {measurement.caveat}"
    metrics = [
        Metric(
            name=name,
            value=float(str(numbers[SAID_AS.get(name, name)])),
            ci95=numbers.get(f"{name}_ci95"),  # type: ignore[arg-type]
            data=data,
            n=count,
        )
        for name in measurement.numbers
        if numbers[SAID_AS.get(name, name)] is not None
    ]
    lesions = numbers.get("lesions")
    return metrics + (_found_of_lesions(lesions, data) if isinstance(lesions, dict) else [])


def _found_of_lesions(lesions: dict[str, JsonValue], data: str) -> list[Metric]:
    """What a detector finds of glomeruli of each lesion."""
    found: list[Metric] = []
    for name, counts in lesions.items():
        assert isinstance(counts, dict)
        share, count = float(str(counts["found"])), int(str(counts["n"]))
        found.append(Metric(name=f"found, {name}", value=share, data=data, n=count))
    return found


def _write_sheet(path: Path, cases: Sequence[Case]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rgb(path, sheet([case.drawn() for case in cases], [case.caption for case in cases]))


def _print_metric(kind: str, metric: Metric) -> None:
    interval = "" if metric.ci95 is None else f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
    print(f"{kind}: {metric.name} {metric.value:.3f}{interval} on {metric.n} glomeruli of {metric.data}")


def _write_card(kind: str, weights: Path | None, metrics: list[Metric], reliability: JsonValue) -> None:
    """Writes the card again with these numbers instead of the same of earlier measurements; others stay."""
    old, tensors_path = load_card(kind, weights)
    measured = {metric.data for metric in metrics}
    others = [m for m in old.metrics if m.data not in measured and m.data != "validation patients"]
    measured_now = {"metrics": metrics + others, "reliability": reliability}
    card = Card.model_validate(old.model_dump() | measured_now)
    replace_file(tensors_path.with_suffix(".json"), (card.model_dump_json(indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
