"""How far the main job's quick classifier is from the plain one: probabilities, decisions, seconds.

    python -m benchmarks.quality.quick_networks SAMPLES... [--split test]

Both judge the same glomeruli in turn, on the CPU with one thread.
"""

import time
from pathlib import Path

import click
import numpy as np
import torch

from glomspike.classify.bags import load_bags
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.learn.samples import in_split, read_samples
from glomspike.networks.models import load_model, load_models


@click.command(help=__doc__)
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", default="test", show_default=True)
def main(tables: tuple[Path, ...], split: str) -> None:
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    plain, quick = load_model("classifier", None, cpu), load_models(device=cpu)["classifier"]
    seconds, tiles, glomeruli, changed = np.zeros(2), [], [], 0
    for sample in in_split(read_samples(tables), split):  # type: ignore[arg-type]
        for bag in load_bags([sample], plain.card.mpp, tiling_of(plain)):
            verdicts = []
            for place, model in enumerate((plain, quick)):
                began = time.process_time()
                verdicts += bag_classifier(model).verdicts([bag.grid])
                seconds[place] += time.process_time() - began
            one, other = verdicts
            tiles.append(np.abs(one.tiles - other.tiles).max(initial=0))
            glomeruli.append(abs(one.probability - other.probability))
            changed += (one.probability >= 0.5) != (other.probability >= 0.5)
    print(f"{len(glomeruli)} glomeruli, {changed} changed sides")
    print(f"largest difference: of a tile {max(tiles):.4f}, of a glomerulus {max(glomeruli):.4f}")
    print(f"processor seconds each: plain {seconds[0] / len(tiles):.3f}, quick {seconds[1] / len(tiles):.3f}")


if __name__ == "__main__":
    main()
