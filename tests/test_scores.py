"""From tile scores to the judgement of a glomerulus."""

import numpy as np
import pytest
import torch
from torch import nn

from glomspike.classify.scores import judge, placed, score_grids
from glomspike.classify.tiles import TileGrid, grid_of
from glomspike.findings import TileScores
from glomspike.slide.frames import FieldFrame
from glomspike.weights import Normalisation

FRAME = FieldFrame(1000.0, 2000.0, 2.0, 2.0)
PLAIN = Normalisation(mean=(0, 0, 0), std=(1, 1, 1))


class Brightness(nn.Module):
    """Log-odds that grow with the tile's mean brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return self.scale * (tiles.mean(dim=(1, 2, 3), keepdim=False)[:, None] * 8 - 4)


def grid(seed: int, side_px: int) -> TileGrid:
    rng = np.random.default_rng(seed)
    whole = np.ones((side_px, side_px), dtype=bool)
    ramp = np.linspace(0, 255, side_px)[None, :, None] * rng.uniform(0.3, 1)
    return grid_of(np.broadcast_to(ramp, (side_px, side_px, 3)).astype(np.uint8), whole, whole)


def scored(probabilities: list[float]) -> TileScores:
    corners_px = np.array([[25.0 * i, 0.0] for i in range(len(probabilities))]).reshape(-1, 2)
    return TileScores(FRAME.to_level0(corners_px), 12.5, np.array(probabilities), 3)


def test_scores_do_not_depend_on_which_glomeruli_run_together() -> None:
    grids = [grid(seed, side) for seed, side in enumerate((400, 120, 40, 700))]
    together = score_grids(Brightness(), grids, PLAIN)
    for one, own in zip(grids, together, strict=True):
        assert np.allclose(score_grids(Brightness(), [one], PLAIN)[0], own, atol=1e-7)
    assert [len(own) for own in together] == [len(one.corners_px) for one in grids]
    assert score_grids(Brightness(), [], PLAIN) == []


def test_brighter_tiles_score_higher_at_their_place() -> None:
    one = grid(1, 300)
    tiles = placed(one, score_grids(Brightness(), [one], PLAIN)[0], FRAME, 0.25)
    best = tiles.corners0[tiles.probabilities.argmax()]
    assert best[0] == pytest.approx(1000 + 2 * 250)
    assert tiles.side_um == 12.5


def test_one_window_decides() -> None:
    score = judge(scored([0.1, 0.2, 0.9, 0.3]), FRAME, threshold=0.5)
    assert score.probability == 0.9
    assert score.spiked
    assert score.fraction == 0.25
    assert (score.tiles, score.positive_tiles, score.unreadable_tiles) == (4, 1, 3)


def test_exactly_one_half_is_positive() -> None:
    score = judge(scored([0.5, 0.1]), FRAME, threshold=0.5)
    assert score.spiked
    assert score.positive_tiles == 1


def test_the_threshold_moves_the_verdict_and_not_the_probability() -> None:
    score = judge(scored([0.7]), FRAME, threshold=0.8)
    assert not score.spiked
    assert score.probability == 0.7


def test_top_tiles_are_the_best_that_do_not_overlap() -> None:
    score = judge(scored([0.5, 0.9, 0.8, 0.1, 0.7, 0.6, 0.2, 0.3, 0.4]), FRAME, threshold=0.5)
    assert [tile.probability for tile in score.top_tiles] == [0.9, 0.7, 0.4, 0.2]
    assert score.top_tiles[0].x0 == pytest.approx(1000 + 2 * 25)


def test_a_glomerulus_without_a_readable_tile_is_not_called_free_of_spikes() -> None:
    score = judge(scored([]), FRAME, threshold=0.0)
    assert np.isnan(score.probability)
    assert not score.spiked
    assert score.top_tiles == ()
