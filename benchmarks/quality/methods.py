"""Attention and other pooling beside MSA-MIL, on the same phantom patients.

    python -m benchmarks.quality.methods PHANTOMS WORK [--scale small|paper] [--encoder ENCODER] [--epochs N]
                                 [--page docs/classifier.md] [--device auto|cuda|cpu]

PHANTOMS and WORK may be those of `ablation.py`, begun with the same encoder: its crops and its MSA-MIL are
then taken as they are. What is done is not done again. The table is printed, and written into the page
between its two marks.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.quality.ablation import SCALES, SEED, VARIANTS, header, msa_mil, options_of, row, trained
from benchmarks.quality.ablation_crops import write_crops
from benchmarks.quality.measured_page import write_measured
from glomspike.classify.train_attention import AttentionOptions, AttentionTask, attention_settings
from glomspike.learn.pretrain.encoder import load_encoder
from glomspike.metrics.roc import STATISTICS
from glomspike.networks.device import choose_device

POOLED = {
    "SIC": AttentionOptions("single"),
    "max": AttentionOptions("max", auxiliary=False),
    "max + SIC": AttentionOptions("max"),
    "attention": AttentionOptions("attention", auxiliary=False),
    "attention + SIC": AttentionOptions("attention"),
}
MSA_MIL = VARIANTS[0]
METHODS = (*POOLED, MSA_MIL.name)
# At the reference's 5e-4, with a glomerulus a step, a trained encoder is lost within an epoch.
GOING_ON_RATE = 1e-4
SHOWN = (*STATISTICS, "localisation_auc")


@click.command()
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True)
@click.option("--encoder", type=click.Path(path_type=Path), help="A trained encoder to begin with.")
@click.option("--epochs", type=int, help="Of all but MSA-MIL  [default: the scale's]")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(
    phantoms: Path,
    work: Path,
    scale: str,
    encoder: Path | None,
    epochs: int | None,
    page: Path | None,
    device: str,
) -> None:
    """Train and measure every way to pool tiles on the same phantoms."""
    chosen, where = SCALES[scale], choose_device(device).device
    write_crops(phantoms, work / "crops", chosen.glomeruli)
    crops = work / "crops" / "all.csv"
    begin = None if encoder is None else load_encoder(encoder)
    for name in METHODS:
        result = _result(work, name)
        if result.is_file():
            continue
        result.parent.mkdir(parents=True, exist_ok=True)
        if name in POOLED:
            settings = attention_settings(
                epochs or chosen.epochs, None if begin is None else GOING_ON_RATE, SEED
            )
            task = AttentionTask([crops], POOLED[name], begin, SEED)
            numbers = trained(task, settings, where, result.parent)
        else:
            numbers = msa_mil(crops, options_of(MSA_MIL, chosen), chosen, begin, where, result.parent)
        result.write_text(json.dumps(numbers, indent=2) + "\n")
        print(f"{name}: AUC {numbers['auc']:.3f}", flush=True)
    text = "\n".join(table(work))
    print(text)
    if page is not None:
        write_measured(page, "methods", text)


def table(work: Path) -> Iterator[str]:
    """The table's rows in Markdown, each number with its interval."""
    yield from header("method", SHOWN)
    for name in METHODS:
        yield row(name, _result(work, name), SHOWN)


def _result(work: Path, name: str) -> Path:
    return work / name.replace(" ", "-") / "result.json"


if __name__ == "__main__":
    main()
