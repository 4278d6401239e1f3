"""`glomspike weights`: what is installed, and whether it is intact."""

import json
from typing import TYPE_CHECKING

import click

from glomspike.errors import WeightsError

if TYPE_CHECKING:
    from glomspike.networks.weights import Card, Metric


@click.command(name="weights")
@click.option("--json", "as_json", is_flag=True, help="Print the complete cards, as JSON.")
def command(as_json: bool) -> int:
    """List the installed weights: what they were trained on, and how good they are."""
    from glomspike.networks.weights import installed, matches, weights_folder

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
        click.echo("\n\n".join(_described(card, intact) for card, _, intact in found))
    return 0 if all(intact for _, _, intact in found) else 1


def _described(card: "Card", intact: bool) -> str:
    """A card in a few lines: what it is, what it learnt from, and how good it was on which data."""
    state = "intact" if intact else "DAMAGED: its SHA-256 is not the one on its card"
    learnt = [f"    {data.name}: {data.images} images, {data.licence}" for data in card.training_data]
    measured: dict[str, list[str]] = {}
    for metric in card.metrics:
        measured.setdefault(f"{metric.n} glomeruli of {metric.data}", []).append(_number(metric))
    numbers = [f"    {data}:\n      {', '.join(found)}" for data, found in measured.items()]
    return "\n".join(
        [
            f"{card.kind}: {card.name} {card.version}, {state}",
            f"  {card.intended_use}; at {card.mpp:.3g} µm/px",
            *([f"  limits: {card.limits}"] if card.limits else []),
            "  trained on",
            *learnt,
            "  measured on",
            *numbers,
        ]
    )


def _number(metric: "Metric") -> str:
    interval = f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]" if metric.ci95 else ""
    return f"{metric.name} {metric.value:.3f}{interval}"
