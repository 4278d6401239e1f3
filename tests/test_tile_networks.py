"""Tile networks, and MSA-MIL's judgement of what they say."""

import numpy as np
import pytest
import torch

from glomspike.classify.method import boxes_of
from glomspike.classify.model import NETWORKS, NORMALISATION, cut
from glomspike.classify.msa_mil import MsaMil, tile_log_odds
from glomspike.classify.tiles import PAPERS, TileGrid, Tiling, grid_of
from glomspike.networks.weights import Calibration


def grid(side_px: int, seed: int = 0, tiling: Tiling = PAPERS) -> TileGrid:
    noise = np.random.default_rng(seed).integers(0, 255, (side_px, side_px, 3)).astype(np.uint8)
    whole = np.ones((side_px, side_px), dtype=bool)
    return grid_of(noise, whole, whole, tiling)


def network(architecture: str) -> torch.nn.Module:
    torch.manual_seed(1)
    return NETWORKS[architecture]().eval()


def test_tiles_that_are_cut_out_are_the_pixels_of_the_picture() -> None:
    one = grid(120)
    tiles = cut(torch.from_numpy(one.pixels).permute(2, 0, 1)[None].float(), boxes_of(one))
    for tile, (left, top) in zip(tiles, one.corners_px, strict=True):
        expected = one.pixels[top : top + 50, left : left + 50].transpose(2, 0, 1)
        assert np.allclose(tile.numpy(), expected)


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("tiling", [PAPERS, Tiling(30, 20, 0.5)])
def test_every_tile_gets_its_log_odds_in_order(architecture: str, tiling: Tiling) -> None:
    one, own = grid(130, tiling=tiling), network(architecture)
    odds = tile_log_odds(own, one, NORMALISATION)
    assert odds.shape == (len(one.corners_px),)
    last = TileGrid(one.pixels, one.inside, one.corners_px[-1:], one.tile_px, 0)
    assert tile_log_odds(own, last, NORMALISATION)[0] == pytest.approx(odds[-1], abs=1e-4)


def test_a_tile_alone_is_judged_by_itself_and_in_a_dense_map_by_what_is_near() -> None:
    one = grid(500)
    far = one.pixels.copy()
    far[250:] = 0  # more than half a receptive field from the first tile
    changed = TileGrid(far, one.inside, one.corners_px, one.tile_px, 0)
    for architecture in NETWORKS:
        own = network(architecture)
        odds, other = (tile_log_odds(own, g, NORMALISATION) for g in (one, changed))
        assert odds[0] == pytest.approx(other[0], abs=1e-5)
        assert abs(odds - other)[-1] > 1e-3


@pytest.mark.parametrize("architecture", ["dense-resnet18", "lite0"])
def test_a_dense_map_lies_where_the_picture_does(architecture: str) -> None:
    """A bright spot, wherever it is, moves what is said of the tiles on both sides of it alike."""
    own = network(architecture)
    with torch.no_grad():
        for parameter in own.parameters():
            parameter.abs_()  # every weight adds, so that the response is a bump around the spot
    corners = torch.arange(0, 385, 16).float()
    spots_px = range(192, 208)  # all places within a place of the coarsest map
    middles = []
    for spot_px in spots_px:
        pictures = torch.zeros(1, 3, 400, 400)
        pictures[:, :, spot_px, spot_px] = 1e-3
        top = 0 * corners + spot_px - 8
        boxes = torch.stack([0 * corners, corners, top, corners + 16, top + 16], dim=1)
        with torch.no_grad():
            odds = own(pictures, boxes) - own(pictures * 0, boxes)
        middles.append(float((odds * (corners + 8)).sum() / odds.sum()) - (spot_px + 0.5))
    assert np.mean(middles) == pytest.approx(0, abs=1)


def test_one_tile_decides_and_calibration_keeps_the_order() -> None:
    calibration = Calibration(method="platt", scale=0.5, offset=-2, data="tests")
    own, grids = network("dense-resnet18"), [grid(150), grid(40), grid(120, seed=2)]
    plain = MsaMil(own, NORMALISATION).verdicts(grids)
    fitted = MsaMil(own, NORMALISATION, calibration).verdicts(grids)
    for one, two, tiles in zip(plain, fitted, grids, strict=True):
        assert len(one.tiles) == len(two.tiles) == len(tiles.corners_px)
        if len(one.tiles):
            assert one.probability == one.tiles.max()
            assert two.probability == two.tiles.max()
            odds = np.log(one.tiles / (1 - one.tiles))
            assert two.tiles == pytest.approx(1 / (1 + np.exp(2 - 0.5 * odds)))
    assert np.isnan(plain[1].probability)


def test_tiles_with_a_calibration_of_their_own_leave_the_glomerulus_its_probability() -> None:
    of_glomeruli = Calibration(method="platt", scale=0.5, offset=-2, data="tests")
    of_tiles = Calibration(method="platt", scale=0.8, offset=1, data="tests")
    own, grids = network("dense-resnet18"), [grid(150), grid(40)]
    odds = tile_log_odds(own, grids[0], NORMALISATION)
    (one, without), (before, _) = (
        MsaMil(own, NORMALISATION, of_glomeruli, tiles).verdicts(grids) for tiles in (of_tiles, None)
    )
    assert one.tiles == pytest.approx(1 / (1 + np.exp(-1 - 0.8 * odds)))
    assert one.probability == before.probability == before.tiles.max()
    assert len(without.tiles) == 0
    assert np.isnan(without.probability)
