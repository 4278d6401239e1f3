"""A classifier's three calls and extent of spikes: fitted on validation patients, measured on others.

    python -m benchmarks.quality.calls_and_extent SAMPLES... [--weights WEIGHTS] [--card] [--page PAGE]

SAMPLES are tables with the splits `val` and, where there are patients to measure on, `test`. The cuts of
calls are fitted by conformal prediction, that of the extent by its agreement with the truth, where it is
known along which membranes spikes are: from the JSON file beside a picture. Validation patients are measured
as well, each by cuts that were fitted to the others. With --card, cuts and numbers go into the card; PAGE is
docs/classifier.md. Fit the tiles' calibration first (`tile_calibration`): by it a tile is positive.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import click
import numpy as np
import torch
from pydantic import JsonValue

from benchmarks.quality.card_changes import change_card, write_to_card
from benchmarks.quality.measured_page import write_measured
from glomspike.classify.bags import load_bags
from glomspike.classify.calls import call_thresholds, held_out_calls
from glomspike.classify.evaluate import (
    ScoredBag,
    call_numbers,
    labels,
    numbers_of_calls,
    patients_of,
    probabilities,
    scored,
)
from glomspike.classify.extent import ORDER, Membrane, extent_kappa, fitted_no_extent
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.errors import SamplesError
from glomspike.findings import CallRule
from glomspike.learn.evaluation import interval_numbers
from glomspike.learn.samples import Sample, names_of_tables, read_samples
from glomspike.learn.training import training_data
from glomspike.metrics.bootstrap import Interval, Rows, intervals
from glomspike.networks.models import Model, load_model
from glomspike.networks.weights import CallThresholds, ExtentThreshold, Metric

NAMES = ("uncertain_share", "wrong_among_called", "extent_kappa")
HELD_OUT = "each called by cuts of the others"
MEASURED = "not trained on, in three calls"


@click.command()
@click.argument("tables", metavar="SAMPLES...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--weights", type=click.Path(path_type=Path), help="Weights instead of the installed ones.")
@click.option("--card", "to_card", is_flag=True, help="Write cuts and numbers into the weights' card.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the tables into.")
def main(tables: tuple[Path, ...], weights: Path | None, to_card: bool, page: Path | None) -> None:
    """Fit and measure a classifier's calls and its extent of spikes."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_model("classifier", weights, device)
    samples, names = read_samples(tables), ", ".join(one.name for one in training_data(tables))
    validation = scored_split(model, samples, "val")
    calls, rule = fitted_calls(model, validation, samples, names)
    extent = fitted_extent(validation, rule, names)
    if extent is not None:
        rule = replace(rule, no_extent_below=extent.none_below)
    for cuts in filter(None, (calls, extent)):
        click.echo(cuts.model_dump_json(indent=2))
    test = scored_split(model, samples, "test")
    metrics = held_out_metrics(validation, names)
    measured = test_metrics(test, rule, names) if test else []
    for metric in metrics + measured:
        click.echo(f"{metric.name} {_with_interval(metric)} of {metric.n}: {metric.data}")
    tables_of = [called_table(metrics, measured), confusion(known_membranes(test or validation), rule)]
    click.echo("\n".join(tables_of))
    if to_card:
        change_card(
            weights, {"call_thresholds": calls.model_dump(), "extent": extent and extent.model_dump()}
        )
        write_to_card(weights, metrics + measured, (HELD_OUT, MEASURED))
    if page is not None:
        for name, table in zip(("three calls", "extent"), tables_of, strict=True):
            write_measured(page, name, table)


def scored_split(model: Model, samples: Sequence[Sample], split: str) -> list[ScoredBag]:
    """The glomeruli of a split with the classifier's verdicts, one picture at a time."""
    classifier, found = bag_classifier(model), []
    for sample in samples:
        if sample.split == split:
            found += scored(classifier, load_bags([sample], model.card.mpp, tiling_of(model)))
    return found


def fitted_calls(
    model: Model, found: Sequence[ScoredBag], samples: Sequence[Sample], names: str
) -> tuple[CallThresholds, CallRule]:
    """The card's call thresholds, and the rule they make. Raises SamplesError where patients are too few."""
    patients, spiked = patients_of(found), labels(found)
    data = f"{len(found)} glomeruli of {len(np.unique(patients))} validation patients ({names})"
    calls = call_thresholds(probabilities(found), spiked, patients, data)
    if calls is None:
        cause = f"too few validation patients with spiked and with normal glomeruli: {data}"
        raise SamplesError(names_of_tables(samples), cause, "give four or more of either, better twenty")
    threshold = model.card.thresholds["spiked"]
    return calls, CallRule(threshold, calls.not_spiked_below, calls.spiked_from)


def fitted_extent(found: Sequence[ScoredBag], rule: CallRule, names: str) -> ExtentThreshold | None:
    """The card's cut of the extent; None where it is of no glomerulus known where spikes stand."""
    known = known_membranes(found)
    if not known:
        return None
    patients = len({one.patient for one in known})
    data = f"{len(known)} glomeruli of {patients} validation patients ({names})"
    return ExtentThreshold(none_below=fitted_no_extent(known, rule), data=data)


def known_membranes(found: Sequence[ScoredBag]) -> list[Membrane]:
    """Those of glomeruli of which it is known where spikes stand."""
    return [membrane for one in found if (membrane := Membrane.of(one)) is not None]


def held_out_metrics(found: Sequence[ScoredBag], names: str) -> list[Metric]:
    """Of the validation patients' calls, by cuts that were fitted to the others."""
    probability, spiked, patients = probabilities(found), labels(found), patients_of(found)
    numbers = numbers_of_calls(held_out_calls(probability, spiked, patients), spiked, patients)
    data = f"{len(np.unique(patients))} validation patients of {names}, {HELD_OUT}"
    return _metrics(numbers, data, len(found))


def test_metrics(found: Sequence[ScoredBag], rule: CallRule, names: str) -> list[Metric]:
    """Of test patients' calls, and of the extent where the truth is known."""
    data = f"{len(np.unique(patients_of(found)))} test patients of {names}, {MEASURED}"
    metrics = _metrics(call_numbers(found, rule), data, len(found))
    known = known_membranes(found)
    return metrics + (_metrics(kappa_numbers(known, rule), data, len(known)) if known else [])


def kappa_numbers(known: Sequence[Membrane], rule: CallRule) -> dict[str, JsonValue]:
    """The agreement of the extent with the truth, with its interval over patients."""
    said = np.array([one.extent(rule) for one in known])
    true = np.array([one.true_extent for one in known])

    def of_rows(rows: Rows) -> list[float]:
        return [extent_kappa(said[rows].tolist(), true[rows].tolist())]

    patients = np.array([one.patient for one in known])
    found = intervals(patients, of_rows, lambda rows: len(np.unique(true[rows])) > 1)
    numbers: dict[str, JsonValue] = {"extent_kappa": extent_kappa(said.tolist(), true.tolist())}
    return {**numbers, **interval_numbers(list(numbers), found)}


def _metrics(numbers: dict[str, JsonValue], data: str, n: int) -> list[Metric]:
    return [
        Metric(
            name=name,
            value=cast(float, numbers[name]),
            ci95=cast(Interval | None, numbers[f"{name}_ci95"]),
            data=data,
            n=n,
        )
        for name in NAMES
        if name in numbers
    ]


def called_table(held_out: Sequence[Metric], measured: Sequence[Metric]) -> str:
    """The shares of uncertain glomeruli and of wrong calls, in Markdown."""
    lines = ["| of | n | uncertain | wrong among called |", "|---|---|---|---|"]
    for name, metrics in (("validation patients", held_out), ("test patients", measured)):
        cells = [_with_interval(metric) for metric in metrics if metric.name in NAMES[:2]]
        if cells:
            lines.append(f"| {name} | {metrics[0].n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _with_interval(metric: Metric) -> str:
    interval = f" ({metric.ci95[0]:.2f} to {metric.ci95[1]:.2f})" if metric.ci95 is not None else ""
    return f"{metric.value:.3f}{interval}"


def confusion(known: Sequence[Membrane], rule: CallRule) -> str:
    """How often each extent is said of each true one, in Markdown."""
    pairs = [(one.true_extent, one.extent(rule)) for one in known]
    rows = [f"| {true} | {' | '.join(str(pairs.count((true, said))) for said in ORDER)} |" for true in ORDER]
    return "\n".join(
        [f"| truly | {' | '.join(f'said {said}' for said in ORDER)} |", "|---|---|---|---|", *rows]
    )


if __name__ == "__main__":
    main()
