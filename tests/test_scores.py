"""From a verdict on tiles to what is told of a glomerulus."""

import numpy as np
import pytest
from results import RULE, glomerulus, spike_score

from glomspike.classify.scores import judge, placed
from glomspike.classify.tiles import PAPERS, grid_of
from glomspike.findings import CallRule, SpikeScore, TileScores
from glomspike.geometry.frames import FieldFrame
from glomspike.results.best_tiles import best_of_slide
from glomspike.slide.field import Field

WHOLE = np.ones((300, 300), dtype=bool)
FIELD = Field(np.zeros((300, 300, 3), np.uint8), WHOLE, FieldFrame(1000.0, 2000.0, 2.0, 2.0), 0.25)


def scored(probabilities: list[float], rule: CallRule = RULE) -> SpikeScore:
    """The judgement of tiles in a row, by the highest."""
    corners_px = np.array([[25.0 * i, 0.0] for i in range(len(probabilities))]).reshape(-1, 2)
    tiles = TileScores(FIELD.frame.to_level0(corners_px), 12.5, np.array(probabilities), 3)
    return judge(tiles, max(probabilities, default=float("nan")), FIELD, rule)


def test_tiles_are_placed_on_the_slide() -> None:
    grid = grid_of(FIELD.pixels, WHOLE, WHOLE, PAPERS)
    tiles = placed(grid, np.zeros(len(grid.corners_px)), FIELD)
    assert tiles.side_um == 12.5
    assert tiles.corners0[0] == pytest.approx([1000, 2000])
    assert tiles.corners0[1] == pytest.approx([1000 + 2 * 25, 2000])


def test_positive_tiles_are_counted() -> None:
    score = scored([0.1, 0.2, 0.9, 0.3])
    assert score.probability == 0.9
    assert score.spiked
    assert score.fraction == 0.25
    assert (score.tiles, score.positive_tiles, score.unreadable_tiles) == (4, 1, 3)


def test_exactly_one_half_is_positive() -> None:
    assert scored([0.5, 0.1]).spiked
    assert scored([0.5, 0.1]).positive_tiles == 1


def test_the_threshold_moves_the_verdict_and_not_the_probability() -> None:
    assert not scored([0.7], CallRule.of_one_cut(0.8)).spiked
    assert scored([0.7], CallRule.of_one_cut(0.8)).probability == 0.7


def test_top_tiles_are_the_best_that_do_not_overlap() -> None:
    score = scored([0.5, 0.9, 0.8, 0.1, 0.7, 0.6, 0.2, 0.3, 0.4])
    assert [tile.probability for tile in score.top_tiles] == [0.9, 0.7, 0.4, 0.2]
    assert score.top_tiles[0].x0 == pytest.approx(1000 + 2 * 25)


def test_a_glomerulus_without_a_readable_tile_is_not_called_free_of_spikes() -> None:
    score = scored([], CallRule.of_one_cut(0.0))
    assert np.isnan(score.probability)
    assert not score.spiked
    assert score.top_tiles == ()


def test_the_best_tiles_of_a_case_are_those_of_all_its_glomeruli() -> None:
    corners0 = tuple((100.0 * i, 0.0) for i in range(4))
    found = [
        glomerulus(1, spikes=spike_score(0.5, corners0)),
        glomerulus(2),
        glomerulus(3, spikes=spike_score(0.485, corners0)),
    ]
    best = best_of_slide(found)
    assert [tile.glomerulus for tile in best] == [1, 1, 3, 1]
    assert [tile.x0 for tile in best] == [0, 100, 0, 200]
    assert best_of_slide([glomerulus(1)]) == ()
