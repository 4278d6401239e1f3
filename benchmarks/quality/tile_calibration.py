"""The calibration of a classifier's single tiles, fitted on validation patients and written into its card.

    python -m benchmarks.quality.tile_calibration SAMPLES... [--weights WEIGHTS] [--card]

SAMPLES are tables of phantoms and of tissue with spikes drawn on, whose pictures have a JSON file that says
along which membranes spikes stand. Only their split `val` is used. A tile counts as spiked that holds 2 µm of
such a line, as clear where it holds none; others, and those whose spikes nobody could see, count as neither.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch

from glomspike.classify.bags import Bag, load_bags
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.msa_mil import MsaMil
from glomspike.errors import SamplesError
from glomspike.learn.samples import in_split, names_of_tables, read_samples
from glomspike.learn.training import training_data
from glomspike.metrics.calibration import calibration_error, platt
from glomspike.metrics.localisation import LEAST_PX
from glomspike.networks.models import load_model
from glomspike.networks.weights import Calibration, Card, load_card
from glomspike.results.files import replace_file


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
    try:
        fitted = tile_calibration(classifier, bags, [one.name for one in training_data(tables)])
    except ValueError as failure:
        cure = "give tables of phantoms, or of tissue with spikes drawn on"
        raise SamplesError(names_of_tables(samples), str(failure), cure) from failure
    click.echo(fitted.model_dump_json(indent=2))
    if to_card:
        _write(weights, fitted)


def tile_calibration(classifier: MsaMil, bags: Sequence[Bag], names: Sequence[str]) -> Calibration:
    """Platt's, of the network's log-odds of all tiles that are known to show spikes or to show none.

    `names` are those of the data that the bags are of. Raises ValueError where there are not both
    kinds.
    """
    judged = [bag for bag in bags if len(bag.grid.corners_px)]
    length_px = np.concatenate([np.zeros(0), *(bag.spiked_px for bag in judged)])
    known = (length_px >= LEAST_PX) | (length_px == 0)
    spiked = length_px[known] >= LEAST_PX
    if len(np.unique(spiked)) < 2:
        raise ValueError("no tiles of both kinds, known to show spikes and known to show none")
    odds = np.concatenate([classifier.log_odds(bag.grid) for bag in judged])[known]
    scale, offset = platt(odds, spiked)
    patients = len({bag.patient for bag in judged})
    share = f"{100 * spiked.mean():.0f} % of them spiked"
    data = (
        f"{len(spiked):,} tiles of {len(judged)} glomeruli of {patients} validation patients "
        f"({', '.join(names)}), {share}"
    )
    fitted = Calibration(method="platt", scale=scale, offset=offset, data=data)
    click.echo(f"ECE on the same tiles {calibration_error(fitted.probability(odds), spiked):.3f}", err=True)
    return fitted


def _write(weights: Path | None, fitted: Calibration) -> None:
    """Puts it on the card; the tensors and their SHA-256 stay."""
    card, tensors = load_card("classifier", weights)
    written = Card.model_validate(card.model_dump() | {"tile_calibration": fitted.model_dump()})
    replace_file(tensors.with_suffix(".json"), (written.model_dump_json(indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
