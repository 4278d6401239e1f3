"""The mean of two spike classifiers, one of which went on learning from the other, calibrated anew.

    python -m datasets.averaged_classifier FIRST SECOND OUT SAMPLES...

FIRST, SECOND and OUT are folders of weights (`averaged_weights`); SAMPLES are tables, on whose split `val`
glomeruli are calibrated. The rest of the card is SECOND's: tiles and calls are calibrated afterwards, by
`benchmarks.quality.tile_calibration` and `calls_and_extent`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import torch
from torch import Tensor

from datasets.averaged_weights import averaged_draft
from glomspike.classify.bags import load_bags
from glomspike.classify.evaluate import labels, probabilities, scored
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.train import THRESHOLD, calibration, thresholds
from glomspike.learn.samples import in_split, read_samples
from glomspike.metrics.calibration import log_odds, platt
from glomspike.networks.models import load_model
from glomspike.networks.weights import CardDraft, save_weights

KIND = "classifier"


@click.command()
@click.argument("first", type=click.Path(path_type=Path, exists=True))
@click.argument("second", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("tables", metavar="SAMPLES...", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(first: Path, second: Path, out: Path, tables: tuple[Path, ...]) -> None:
    """Average two classifiers, and calibrate what comes out."""
    draft, state = averaged_draft(KIND, first, second)
    save_calibrated(state, draft, out, tables)


def save_calibrated(state: Mapping[str, Tensor], draft: CardDraft, out: Path, tables: Sequence[Path]) -> None:
    """Writes a classifier whose glomeruli are calibrated on the split `val` of tables."""
    save_weights(state, draft, out, KIND)
    model = load_model(KIND, out, torch.device("cpu"))
    bags = load_bags(in_split(read_samples(tables), "val"), draft.mpp, tiling_of(model))
    found = scored(bag_classifier(model), bags)
    odds, spiked = log_odds(probabilities(found)), labels(found)
    fitted = calibration(*platt(odds, spiked))
    cuts = {"spiked": THRESHOLD, **thresholds(fitted.probability(odds), spiked)}
    save_weights(state, draft.model_copy(update={"calibration": fitted, "thresholds": cuts}), out, KIND)


if __name__ == "__main__":
    main()
