"""`glomspike weights`: what is installed, and whether it is intact."""

import json
from typing import TYPE_CHECKING

import click

from glomspike.errors import WeightsError

if TYPE_CHECKING:
    from glomspike.weights import Card, Metric


@click.command(name="weights")
@click.option("--json", "as_json", is_flag=True, help="The whole cards, as JSON.")
def command(as_json: bool) -> int:
    """List the installed weights: what they were trained on, and how good they are."""
    from glomspike.weights import installed, matches, weights_folder

    found = [(card, path, matches(card, path)) for card, path in installed()]
    if not found:
        raise WeightsError(weights_folder(), "holds no weights", "install glomspike again, with its weights")
    if as_json:
        cards = [
            {**card.model_dump(mode="json"), "path": str(path), "intact": intact}
            for card, path, intact in found
        ]
        click.echo(json.dumps(cards, indent=2, ensure_ascii=False))
    else:
        _print_table([(card, intact) for card, _, intact in found])
    return 0 if all(intact for _, _, intact in found) else 1


def _print_table(rows: "list[tuple[Card, bool]]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for heading in ("kind", "name", "file", "µm/px", "trained on", "measured"):
        table.add_column(heading, overflow="fold")
    for card, intact in rows:
        trained_on = "\n".join(f"{data.name} ({data.licence})" for data in card.training_data)
        measured = "\n".join(_metric_line(metric) for metric in card.metrics)
        state = "intact" if intact else "DAMAGED"
        table.add_row(card.kind, f"{card.name} {card.version}", state, f"{card.mpp:g}", trained_on, measured)
    Console().print(table)


def _metric_line(metric: "Metric") -> str:
    interval = f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]" if metric.ci95 else ""
    return f"{metric.name} {metric.value:.3f}{interval} on {metric.data}"
