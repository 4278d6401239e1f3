"""Two spike classifiers as one that adds what both say of a tile, calibrated anew.

    python -m datasets.paired_classifier WIDE LITE OUT SAMPLES...

WIDE, LITE and OUT are folders of weights; the first are of the architecture wide-resnet18, the second of
lite0, and both have a calibration of tiles, by which each counts a half. SAMPLES are tables, on whose split
`val` glomeruli are calibrated. The rest of the card is that of LITE, with the training data of both. Tiles
and calls are calibrated afterwards, by `benchmarks.quality.tile_calibration` and `calls_and_extent`.
"""

from pathlib import Path

import click
from torch import Tensor

from datasets.averaged_classifier import KIND, save_calibrated
from glomspike.networks.weights import Card, CardDraft, load_card, load_state

ARCHITECTURE = "wide-resnet18-and-lite0"
WEIGHT, BIAS = "head.weight", "head.bias"


@click.command()
@click.argument("wide", type=click.Path(path_type=Path, exists=True))
@click.argument("lite", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("tables", metavar="SAMPLES...", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(wide: Path, lite: Path, out: Path, tables: tuple[Path, ...]) -> None:
    """Pair two classifiers, and calibrate what comes out."""
    cards = {"wide": load_card(KIND, wide), "lite": load_card(KIND, lite)}
    state = {
        f"{name}.{tensor}": value
        for name, (card, path) in cards.items()
        for tensor, value in halved(load_state(card, path), card).items()
    }
    first, last = (card for card, _ in cards.values())
    changes = {
        "architecture": ARCHITECTURE,
        "metrics": (),
        "training_data": tuple(dict.fromkeys([*first.training_data, *last.training_data])),
        "tile_calibration": None,
    }
    draft = CardDraft(**last.model_dump(exclude={"sha256"}) | changes)
    save_calibrated(state, draft, out, tables)


def halved(state: dict[str, Tensor], card: Card) -> dict[str, Tensor]:
    """The tensors of a network whose log-odds are half of what its calibration of tiles makes of them."""
    fitted = card.tile_calibration
    if fitted is None:
        raise click.UsageError(f"{card.name} has no calibration of tiles: run tile_calibration --card")
    weight, bias = state[WEIGHT].float(), state[BIAS].float()
    return {
        **state,
        WEIGHT: fitted.scale / 2 * weight,
        BIAS: (fitted.scale * bias + fitted.offset) / 2,
    }


if __name__ == "__main__":
    main()
