"""Seconds that glomspike takes for a glomerulus in memory: all its tiles scored, and its outline found.

python -m benchmarks.speed.glomspike_way PICTURES
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed.pictures import SIDE_PX, STRIDE_PX, TILE_PX, Pictures, seconds_of
from glomspike.classify.msa_mil import tile_log_odds
from glomspike.classify.tiles import Tiling, grid_of
from glomspike.findings import RGB
from glomspike.networks.models import Models, load_models
from glomspike.segment.probability import glomerulus_probability

WHOLE = np.ones((SIDE_PX, SIDE_PX), dtype=np.bool_)  # every tile is scored, whatever its outline


def score(models: Models, glomerulus: RGB) -> None:
    """All tiles of a glomerulus scored from one map."""
    grid = grid_of(glomerulus, WHOLE, WHOLE, Tiling(TILE_PX, STRIDE_PX))
    tile_log_odds(models["classifier"].network, grid, models["classifier"].card.normalisation)


def main(pictures: Pictures) -> None:
    """Print the seconds as JSON; each thing is done once before it is timed."""
    models, crops = load_models(device=torch.device("cpu")), pictures.crops
    segmenter = models["segmenter"]
    ways: dict[str, Callable[[], object]] = {
        "tiles": lambda: score(models, pictures.glomerulus),
        "segment": lambda: glomerulus_probability(segmenter.network, crops, segmenter.card.normalisation),
    }
    for way in ways.values():
        way()
    seconds = {task: seconds_of(way) for task, way in ways.items()}
    print(json.dumps(seconds | {"segment": seconds["segment"] / len(crops)}))


if __name__ == "__main__":
    main(Pictures.load(Path(sys.argv[1])))
