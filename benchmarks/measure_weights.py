"""The numbers on the cards of the shipped weights, measured on test patients and written into the cards.

    python benchmarks/measure_weights.py PUBLIC PHANTOMS [--worst FOLDER]

PUBLIC is what `public_samples.py` wrote, PHANTOMS a folder of `glomspike phantom`; only rows of split "test"
are read. Sheets of the worst cases go to the folder named by --worst.
"""

from pathlib import Path

import click
import torch

from glomspike.classify.evaluate import evaluate_classifier
from glomspike.detect.evaluate import evaluate_detector
from glomspike.evaluation import Evaluation
from glomspike.files import replace_file
from glomspike.models import Model, load_model
from glomspike.report.png import write_rgb
from glomspike.samples import Sample, in_split, read_samples
from glomspike.segment.evaluate import evaluate_segmenter
from glomspike.weights import KINDS, Card, Kind, Metric, weights_folder

TABLES: dict[Kind, tuple[str, ...]] = {
    "detector": ("pas-fields", "he-fields", "phantoms"),
    "segmenter": ("pas-crops", "pas-fields", "he-fields", "phantoms"),
    "classifier": ("phantoms",),
}
NUMBERS: dict[Kind, tuple[str, ...]] = {
    "detector": ("ap", "ap50", "ap75", "recall50", "false_per_image"),
    "segmenter": ("dice_mean", "dice_sd", "iou_mean"),
    "classifier": ("precision", "recall", "f1", "accuracy", "auc", "ece"),
}
COUNTED_BY: dict[Kind, str] = {"detector": "n_truth", "segmenter": "n", "classifier": "n_positive"}


@click.command()
@click.argument("public", type=click.Path(path_type=Path))
@click.argument("phantoms", type=click.Path(path_type=Path))
@click.option("--worst", type=click.Path(path_type=Path), help="Folder for sheets of the worst cases.")
def main(public: Path, phantoms: Path, worst: Path | None) -> None:
    """Measure the shipped weights and write the numbers into their cards."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for kind in KINDS:
        model = load_model(kind, None, device)
        metrics: list[Metric] = []
        for name in TABLES[kind]:
            table = (phantoms if name == "phantoms" else public / name) / "samples.csv"
            found = evaluated(model, in_split(read_samples([table]), "test"))
            metrics += metrics_of(kind, name, found)
            if worst is not None:
                worst.mkdir(parents=True, exist_ok=True)
                write_rgb(worst / f"{kind}-{name}.png", found.worst)
        for metric in metrics:
            interval = "" if metric.ci95 is None else f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
            number = f"{metric.name} {metric.value:.3f}{interval}"
            print(f"{kind}: {number} on {metric.n} glomeruli of {metric.data}")
        card = Card.model_validate(model.card.model_dump() | {"metrics": metrics})
        replace_file(weights_folder() / f"{kind}.json", (card.model_dump_json(indent=2) + "\n").encode())


def evaluated(model: Model, samples: tuple[Sample, ...]) -> Evaluation:
    """The evaluation that goes with the model."""
    if model.card.kind == "detector":
        return evaluate_detector(samples, model, lambda *_: None)
    if model.card.kind == "segmenter":
        return evaluate_segmenter(samples, model, lambda *_: None)
    return evaluate_classifier(samples, model, None, lambda *_: None)


def metrics_of(kind: Kind, table: str, found: Evaluation) -> list[Metric]:
    """What the card says of one table."""
    numbers = found.numbers
    count = int(str(numbers[COUNTED_BY[kind]]))
    if kind == "classifier":
        count += int(str(numbers["n_negative"]))
    patients = int(str(numbers["n_patients"]))
    data = f"{patients} test patient{'s' * (patients != 1)} of {table}, not trained on"
    return [
        Metric(
            name=name,
            value=float(str(numbers[name])),
            ci95=numbers.get(f"{name}_ci95"),  # type: ignore[arg-type]
            data=data,
            n=count,
        )
        for name in NUMBERS[kind]
    ]


if __name__ == "__main__":
    main()
