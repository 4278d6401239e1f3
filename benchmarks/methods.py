"""Attention and other pooling beside MSA-MIL, on the same phantom patients.

    python benchmarks/methods.py PHANTOMS WORK [--scale small|paper] [--device auto|cuda|cpu]

PHANTOMS and WORK may be those of `ablation.py`, whose crops and MSA-MIL are then taken as they are. What is
done is not done again. Prints the table.
"""

import json
from pathlib import Path

import click
from ablation import SCALES, SEED, THRESHOLD, VARIANTS, Numbers, Scale, cell, msa_mil, options_of
from ablation_crops import write_crops
from rich.console import Console

from glomspike.classify.evaluate import evaluate_classifier
from glomspike.classify.train_attention import AttentionOptions, AttentionTask, attention_settings
from glomspike.device import choose_device
from glomspike.metrics.roc import STATISTICS
from glomspike.models import load_model
from glomspike.samples import in_split, read_samples
from glomspike.training import fabric_on, train

POOLED = {
    "SIC": AttentionOptions("single"),
    "max": AttentionOptions("max", auxiliary=False),
    "max + SIC": AttentionOptions("max"),
    "attention": AttentionOptions("attention", auxiliary=False),
    "attention + SIC": AttentionOptions("attention"),
}
MSA_MIL = VARIANTS[0]


@click.command(help=__doc__)
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True)
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(phantoms: Path, work: Path, scale: str, device: str) -> None:
    chosen, where = SCALES[scale], choose_device(device).device
    write_crops(phantoms, work / "crops", chosen.glomeruli)
    crops = work / "crops" / "all.csv"
    print(f"| method | {' | '.join(STATISTICS)} |\n|---|{'---|' * len(STATISTICS)}")
    for name in (*POOLED, MSA_MIL.name):
        result = work / name.replace(" ", "-") / "result.json"
        if not result.is_file():
            result.parent.mkdir(parents=True, exist_ok=True)
            if name in POOLED:
                numbers = _pooled(crops, POOLED[name], chosen, device, result.parent)
            else:
                numbers = msa_mil(crops, options_of(MSA_MIL, chosen), chosen, None, where, result.parent)
            result.write_text(json.dumps(numbers, indent=2) + "\n")
        found = json.loads(result.read_text())
        cells = [cell(found[statistic], found[f"{statistic}_ci95"]) for statistic in STATISTICS]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _pooled(crops: Path, options: AttentionOptions, scale: Scale, device: str, folder: Path) -> Numbers:
    """The numbers of a method that pools tiles on the test crops, trained in `folder`."""
    where = choose_device(device).device
    task = AttentionTask([crops], options, None, SEED)
    train(
        task, attention_settings(scale.epochs, None, SEED), fabric_on(where, 1), folder, Console(stderr=True)
    )
    test, trained = in_split(read_samples([crops]), "test"), load_model("classifier", folder, where)
    return evaluate_classifier(test, trained, THRESHOLD, lambda _done, _of: None).numbers


if __name__ == "__main__":
    main()
