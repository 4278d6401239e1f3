"""The paper's ablation (Chen et al.) on phantoms: what each part of MSA-MIL is worth, beside its figures.

    python -m benchmarks.quality.ablation PHANTOMS WORK [--scale small|paper] [--encoder ENCODER]
                                  [--page docs/ablation.md] [--device auto|cuda|cpu]

PHANTOMS is a folder of `glomspike phantom`. WORK keeps the crops that all variants share, and the training
and `result.json` of each: what is done is not done again. The table is printed, and written into the page
between its two marks.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from pydantic import JsonValue
from rich.console import Console
from torch import Tensor

from benchmarks.quality.ablation_crops import write_crops
from benchmarks.quality.measured_page import write_measured
from benchmarks.quality.plain_resnet import Pictures, fresh_network, spike_probabilities, train_whole
from glomspike.classify.evaluate import evaluate_classifier
from glomspike.classify.tiles import Tiling
from glomspike.classify.train_attention import AttentionTask
from glomspike.classify.train_msa_mil import MilOptions, MilTask
from glomspike.learn.evaluation import interval_numbers
from glomspike.learn.pretrain.encoder import load_encoder
from glomspike.learn.samples import Split, in_split, read_samples
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.metrics.roc import STATISTICS, classifier_quality
from glomspike.networks.device import choose_device
from glomspike.networks.models import load_model

SEED = 0
RATE, BATCH = 5e-4, 16
THRESHOLD = 0.5


@dataclass(frozen=True)
class Scale:
    """How much of everything: glomeruli of each split, epochs, and what a round of MSA-MIL takes.

    `tiles` come from a spiked glomerulus, and from another as many times that as the variant's ratio says.
    """

    glomeruli: Mapping[Split, int]
    epochs: int
    bags_per_round: int
    tiles: int


SCALES = {
    "small": Scale({"train": 80, "val": 16, "test": 50}, epochs=6, bags_per_round=20, tiles=8),
    "paper": Scale({"train": 1015, "val": 150, "test": 252}, epochs=30, bags_per_round=1015, tiles=1),
}


@dataclass(frozen=True)
class Variant:
    """A row of the paper's table: its figures in the order of `STATISTICS`, and how MSA-MIL is changed.

    `table` is one of those that `write_crops` writes; a variant without a ratio is the plain network.
    """

    name: str
    paper: tuple[float, ...]  # the AUC is given for MSA-MIL alone
    table: str = "all"
    tile_px: int = 50
    ratio: int | None = 5

    @property
    def folder(self) -> str:
        """Where it is trained."""
        return self.name.replace(" ", "-").replace(":", "-")


VARIANTS = (
    Variant("MSA-MIL", (0.9828, 0.9344, 0.9580, 0.9603, 0.9889)),
    Variant("tile 25", (0.8525, 0.8525, 0.8525, 0.8571), tile_px=25),
    Variant("tile 75", (0.9592, 0.7705, 0.8545, 0.8730), tile_px=75),
    Variant("tile 100", (0.9429, 0.8115, 0.8722, 0.8849), tile_px=100),
    Variant("ratio 1:2", (0.4933, 0.9016, 0.6377, 0.5833), ratio=2),
    Variant("without U-Net", (0.9483, 0.9016, 0.9244, 0.9286), table="no-outlines"),
    Variant("without multi-scale annotation", (0.9217, 0.8689, 0.8945, 0.9008), table="no-boxes"),
    Variant("plain ResNet-18 on the whole image", (0.8661, 0.9016, 0.8835, 0.8849), ratio=None),
)

Numbers = dict[str, JsonValue]


@click.command()
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True)
@click.option("--encoder", type=click.Path(path_type=Path), help="A trained encoder to begin with.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(
    phantoms: Path, work: Path, scale: str, encoder: Path | None, page: Path | None, device: str
) -> None:
    """Train and measure every variant of the paper's ablation on phantoms."""
    chosen, where = SCALES[scale], choose_device(device).device
    write_crops(phantoms, work / "crops", chosen.glomeruli)
    begin = None if encoder is None else load_encoder(encoder)
    for variant in VARIANTS:
        result = work / variant.folder / "result.json"
        if result.is_file():
            continue
        result.parent.mkdir(parents=True, exist_ok=True)
        crops = work / "crops" / f"{variant.table}.csv"
        if variant.ratio is None:
            numbers = plain_resnet(crops, chosen, begin, where)
        else:
            numbers = msa_mil(crops, options_of(variant, chosen), chosen, begin, where, result.parent)
        result.write_text(json.dumps(numbers, indent=2) + "\n")
        print(f"{variant.name}: AUC {numbers['auc']:.3f}", flush=True)
    text = "\n".join(table(work))
    print(text)
    if page is not None:
        write_measured(page, "ablation", text)


def options_of(variant: Variant, scale: Scale) -> MilOptions:
    """MSA-MIL as the variant has it; tiles overlap by half, as the paper's do."""
    assert variant.ratio is not None
    return MilOptions(
        architecture="dense-resnet18",
        tiling=Tiling(tile_px=variant.tile_px, stride_px=variant.tile_px // 2),
        k_pos=scale.tiles,
        k_neg=variant.ratio * scale.tiles,
        bags_per_round=scale.bags_per_round,
    )


def msa_mil(
    crops: Path,
    options: MilOptions,
    scale: Scale,
    begin: dict[str, Tensor] | None,
    device: torch.device,
    folder: Path,
) -> Numbers:
    """The numbers of MSA-MIL on the test crops, trained in `folder`."""
    return trained(MilTask([crops], options, begin, SEED), settings_of(scale), device, folder)


def settings_of(scale: Scale) -> Settings:
    """How long and how fast MSA-MIL learns."""
    return Settings(scale.epochs, BATCH, RATE, seed=SEED, examples_every=scale.epochs)


def trained(task: MilTask | AttentionTask, settings: Settings, device: torch.device, folder: Path) -> Numbers:
    """The numbers on a task's test crops after its training in `folder`."""
    train(task, settings, fabric_on(device, 1), folder, Console(stderr=True))
    test = in_split(read_samples(task.tables), "test")
    return evaluate_classifier(test, load_model("classifier", folder, device), THRESHOLD, _silent).numbers


def plain_resnet(crops: Path, scale: Scale, begin: dict[str, Tensor] | None, device: torch.device) -> Numbers:
    """The numbers of the plain network on the test crops."""
    samples = read_samples([crops])
    network = fresh_network(begin, SEED).to(device)
    # Its epochs are short: each glomerulus is seen once in one, not several tiles of it.
    train_whole(network, Pictures.of(in_split(samples, "train")), 3 * scale.epochs, RATE, SEED)
    test = Pictures.of(in_split(samples, "test"))
    found = classifier_quality(spike_probabilities(network, test), test.spiked, test.patients, THRESHOLD)
    estimates = {name: getattr(found, name) for name in STATISTICS}
    return {
        **{name: estimate.value for name, estimate in estimates.items()},
        **interval_numbers(list(estimates), [estimate.ci95 for estimate in estimates.values()]),
        "n_positive": found.n_positive,
        "n_negative": found.n_negative,
        "n_patients": found.n_patients,
    }


def table(work: Path) -> Iterator[str]:
    """The table's rows in Markdown: what was measured with its interval, the paper's figure below."""
    yield from header("variant", STATISTICS)
    for variant in VARIANTS:
        yield row(f"**{variant.name}**", work / variant.folder / "result.json", STATISTICS)
        figures = [f"{value:.3f}" for value in variant.paper] + [""] * (len(STATISTICS) - len(variant.paper))
        yield f"| in the paper | {' | '.join(figures)} |"


def header(what: str, statistics: Sequence[str]) -> Iterator[str]:
    """The head of a table in Markdown with a column for each statistic."""
    yield f"| {what} | {' | '.join(statistics)} |"
    yield f"|---|{'---|' * len(statistics)}"


def row(title: str, result: Path, statistics: Sequence[str]) -> str:
    """The row of such a table for the numbers in a file, each with its interval."""
    numbers = json.loads(result.read_text())
    cells = [_cell(numbers[name], numbers[f"{name}_ci95"]) for name in statistics]
    return f"| {title} | {' | '.join(cells)} |"


def _cell(value: float, interval: list[float] | None) -> str:
    """A number with its interval."""
    return f"{value:.3f}" if interval is None else f"{value:.3f} ({interval[0]:.2f}–{interval[1]:.2f})"


def _silent(done: int, of: int) -> None:
    """Shows nothing of how far an evaluation is."""


if __name__ == "__main__":
    main()
