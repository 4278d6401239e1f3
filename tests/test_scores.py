"""From a verdict on tiles to what is told of a glomerulus."""

import numpy as np
import pytest
from results import RULE, glomerulus, spike_score

from glomspike.classify.membrane import crosses_membrane
from glomspike.classify.scores import judge, placed
from glomspike.classify.tiles import PAPERS, grid_of
from glomspike.findings import CallRule, SpikeScore, TileScores
from glomspike.geometry.frames import FieldFrame
from glomspike.results.best_tiles import best_of_slide
from glomspike.slide.field import Field

WHOLE = np.ones((300, 300), dtype=bool)
FIELD = Field(np.zeros((300, 300, 3), np.uint8), WHOLE, FieldFrame(1000.0, 2000.0, 2.0, 2.0), 0.25)


def scored(probabilities: list[float], rule: CallRule = RULE, crossing: int | None = None) -> SpikeScore:
    """The judgement of tiles in a row, by the highest; the first `crossing` cross membrane, else all."""
    corners_px = np.array([[25.0 * i, 0.0] for i in range(len(probabilities))]).reshape(-1, 2)
    membrane = np.arange(len(probabilities)) < (len(probabilities) if crossing is None else crossing)
    tiles = TileScores(FIELD.frame.to_level0(corners_px), 12.5, np.array(probabilities), 3, membrane)
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


@pytest.mark.parametrize(
    ("probabilities", "crossing", "extent", "share"),
    [
        ([0.9, 0.9, 0.1, 0.1], 4, "global", 0.5),
        ([0.9, 0.1, 0.1, 0.1], 4, "segmental", 0.25),
        ([0.9, 0.1, 0.1, 0.1], 1, "global", 1.0),  # off the membrane nothing counts
        ([0.1, 0.1], 2, "none", 0.0),
    ],
)
def test_the_extent_is_the_share_of_tiles_on_the_membrane_that_are_positive(
    probabilities: list[float], crossing: int, extent: str, share: float
) -> None:
    membrane = scored(probabilities, crossing=crossing).membrane
    assert (membrane.extent, membrane.share) == (extent, share)


def test_what_is_not_called_spiked_has_no_extent_and_what_is_uncertain_one_by_its_share() -> None:
    rule = CallRule(0.5, not_spiked_below=0.6, spiked_from=0.95, no_extent_below=0.3)
    assert scored([0.55, 0.55], rule).membrane.extent == "none"  # every tile is positive, and yet
    assert scored([0.7, 0.1, 0.1, 0.1], rule).membrane.extent == "none"
    assert scored([0.7, 0.7, 0.1, 0.1, 0.1], rule).membrane.extent == "segmental"
    assert scored([0.96, 0.1, 0.1, 0.1, 0.1], rule).membrane.extent == "segmental"


def test_without_membrane_there_is_no_share() -> None:
    membrane = scored([0.9, 0.2], crossing=0).membrane
    assert np.isnan(membrane.share)
    assert membrane.extent == "segmental"


def test_tiles_cross_membrane_where_a_tenth_of_them_is_as_dark_as_ink() -> None:
    pixels = np.full((150, 150, 3), 220, np.uint8)
    pixels[:, 20:27] = 30  # a wall, 7 of the 50 pixels of a tile
    pixels[60:63, 100:103] = 30  # a speck
    inside = np.ones((150, 150), dtype=bool)
    grid = grid_of(pixels, inside, inside, PAPERS)
    assert crosses_membrane(grid).tolist() == [bool(x == 0) for x in grid.corners_px[:, 0]]
    nothing = grid_of(pixels, ~inside, inside, PAPERS)
    assert crosses_membrane(nothing).tolist() == []
