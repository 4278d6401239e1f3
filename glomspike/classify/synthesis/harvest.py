"""The tiles to learn from: those of spiked training glomeruli in which a classifier is sure of spikes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glomspike.classify.bags import Bag, load_bags
from glomspike.classify.evaluate import scored
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.scores import highest_apart
from glomspike.classify.synthetic import picture_side_px
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Points
from glomspike.learn.augmentation import Rng, turned, warped
from glomspike.learn.samples import in_split, names_of_tables, read_samples
from glomspike.networks.models import Model

SURE = 0.9
FEWEST = 16
BLACK = (0.0, 0.0, 0.0)  # what is outside of a glomerulus


@dataclass(frozen=True, eq=False)
class Harvest:
    """Tiles with spikes in their surroundings: `windows` (n, w, w, 3) have a tile in their middle.

    A window is so large that a picture of `side_px` can be cut from it in any direction.
    """

    windows: NDArray[np.uint8]
    side_px: int
    glomeruli: int
    patients: tuple[str, ...]

    def picture(self, index: int, rng: Rng) -> RGB:
        """A window's tile in its surroundings (side_px, side_px, 3), turned and mirrored at random."""
        middle = self.windows.shape[1] / 2
        return warped(
            self.windows[index], turned(rng, self.side_px, (middle, middle), 1), self.side_px, BLACK
        )

    def pictures(self, count: int, seed: int) -> NDArray[np.uint8]:
        """`count` pictures, of other tiles as long as there are, always the same ones."""
        rng = np.random.default_rng((seed, count))
        order = rng.permutation(len(self.windows))
        return np.stack([self.picture(order[i % len(order)], rng) for i in range(count)])


def harvested(tables: Sequence[Path], classifier: Model) -> Harvest:
    """The tiles of spiked training glomeruli with a probability of at least 0.9 that do not overlap.

    Raises SamplesError where there are hardly any.
    """
    samples, tiling = in_split(read_samples(tables), "train"), tiling_of(classifier)
    bags = [bag for bag in load_bags(samples, classifier.card.mpp, tiling) if bag.spiked]
    side_px = picture_side_px(tiling.tile_px)
    windows: list[RGB] = []
    giving: list[Bag] = []
    for one in scored(bag_classifier(classifier), bags):
        grid, probabilities = one.bag.grid, one.verdict.tiles
        order = highest_apart(grid.corners_px.astype(np.float64), probabilities, grid.tile_px)
        sure = [index for index in order if probabilities[index] >= SURE]
        windows += [_window(grid.pixels, grid.middles_px[index], side_px) for index in sure]
        giving += [one.bag] if sure else []
    if len(windows) < FEWEST:
        cause = f"the classifier is sure of spikes in {len(windows)} tiles of its spiked training glomeruli"
        raise SamplesError(names_of_tables(samples), cause, "label more patients, or train it for longer")
    patients = tuple(sorted({bag.patient for bag in giving}))
    return Harvest(np.stack(windows), side_px, len(giving), patients)


def _window(pixels: RGB, middle_px: Points, side_px: int) -> RGB:
    window_px = 2 * ceil(side_px / 2**0.5) + 2
    shift = window_px / 2 - middle_px
    return warped(pixels, np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32), window_px, BLACK)
