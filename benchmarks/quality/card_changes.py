"""What measurements and fits write into the card of weights; their tensors and the SHA-256 stay."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glomspike.networks.weights import Card, Metric, load_card
from glomspike.results.files import replace_file


def change_card(weights: Path | None, changes: dict[str, Any], kind: str = "classifier") -> None:
    """Puts values in the place of others of the same names; `weights` None are the installed ones."""
    card, tensors = load_card(kind, weights)
    written = Card.model_validate(card.model_dump() | changes)
    replace_file(tensors.with_suffix(".json"), (written.model_dump_json(indent=2) + "\n").encode())


def write_to_card(weights: Path | None, metrics: Sequence[Metric], data: Sequence[str]) -> None:
    """Puts the metrics on the card in the place of older ones on data so named."""
    card, _ = load_card("classifier", weights)
    kept = [metric for metric in card.metrics if not any(name in metric.data for name in data)]
    change_card(weights, {"metrics": [*kept, *metrics]})
