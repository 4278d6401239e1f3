"""The calibration of a classifier's single tiles, fitted on validation patients and written into its card.

    python -m benchmarks.quality.tile_calibration SAMPLES... [--weights WEIGHTS] [--card]

SAMPLES are tables of phantoms and of tissue with spikes drawn on, whose pictures have a JSON file that says
along which membranes spikes stand. Only their split `val` is used. Trainings do the same.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.quality.card_changes import change_card
from glomspike.classify.bags import Bag, load_bags
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.msa_mil import MsaMil
from glomspike.classify.tile_calibration import known_tiles, tile_calibration
from glomspike.errors import SamplesError
from glomspike.learn.samples import in_split, names_of_tables, read_samples
from glomspike.learn.training import training_data
from glomspike.metrics.calibration import calibration_error, platt
from glomspike.networks.models import load_model
from glomspike.networks.weights import Calibration


@click.command()
@click.argument("tables", metavar="SAMPLES...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--weights", type=click.Path(path_type=Path), help="Weights instead of the installed ones.")
@click.option("--card", "to_card", is_flag=True, help="Write the calibration into the weights' card.")
def main(tables: tuple[Path, ...], weights: Path | None, to_card: bool) -> None:
    """Fit the calibration of a classifier's tiles."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_model("classifier", weights, device)
    classifier = bag_classifier(model)
    if not isinstance(classifier, MsaMil):
        cause = f"{model.card.architecture} has no log-odds of single tiles"
        raise click.UsageError(f"{cause}: give weights of a method by which one tile decides")
    samples = in_split(read_samples(tables), "val")
    bags = load_bags(samples, model.card.mpp, tiling_of(model))
    fitted = _fitted(classifier, bags, [one.name for one in training_data(tables)])
    if fitted is None:
        cause = "no tiles of both kinds, known to show spikes and known to show none"
        cure = "give tables of phantoms, or of tissue with spikes drawn on"
        raise SamplesError(names_of_tables(samples), cause, cure)
    click.echo(fitted.model_dump_json(indent=2))
    if to_card:
        change_card(weights, {"tile_calibration": fitted.model_dump()})


def _fitted(classifier: MsaMil, bags: Sequence[Bag], names: Sequence[str]) -> Calibration | None:
    """The calibration; None where not both kinds of tiles are known. `names` are those of the bags' data."""
    judged = [bag for bag in bags if len(bag.grid.corners_px)]
    known, spiked = known_tiles(judged)
    if not len(spiked) or spiked.all() or not spiked.any():
        return None
    odds = np.concatenate([classifier.log_odds(bag.grid).array() for bag in judged])[known]
    scale, offset = platt(odds, spiked)
    patients = len({bag.patient for bag in judged})
    whose = f"{len(judged)} glomeruli of {patients} validation patients ({', '.join(names)})"
    fitted = tile_calibration(scale, offset, len(spiked), float(spiked.mean()), whose)
    click.echo(f"ECE on the same tiles {calibration_error(fitted.probability(odds), spiked):.3f}", err=True)
    return fitted


if __name__ == "__main__":
    main()
