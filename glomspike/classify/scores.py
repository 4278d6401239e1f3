"""From tiles to a judgement: every tile scored, then the glomerulus by its highest-scoring tile."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glomspike.classify.tiles import TILE_PX, TileGrid
from glomspike.findings import Scores, SpikeScore, TileScores, TopTile
from glomspike.slide.frames import FieldFrame
from glomspike.weights import Normalisation

BATCH = 256
TOP_TILES = 4
POSITIVE = 0.5  # a tile of exactly this probability counts as positive


def score_grids(network: nn.Module, grids: Sequence[TileGrid], normalisation: Normalisation) -> list[Scores]:
    """Spike probabilities (n,) of the tiles of each grid, computed where the network is.

    Batches run on across glomeruli.
    """
    device = next(network.parameters()).device
    counts = [len(grid.corners_px) for grid in grids]
    owners = np.repeat(np.arange(len(grids)), counts)
    within = np.concatenate([np.arange(count) for count in counts]) if counts else np.zeros(0, dtype=np.intp)
    probabilities = np.empty(len(owners))
    with torch.inference_mode():
        for start in range(0, len(owners), BATCH):
            part = slice(start, start + BATCH)
            tiles = torch.from_numpy(_gather(grids, owners[part], within[part])).to(device)
            logits = network(normalisation.apply(tiles))
            probabilities[part] = torch.sigmoid(logits[:, 0].double()).cpu().numpy()
    return np.split(probabilities, np.cumsum(counts)[:-1]) if counts else []


def _gather(
    grids: Sequence[TileGrid], owners: NDArray[np.intp], within: NDArray[np.intp]
) -> NDArray[np.uint8]:
    return np.concatenate([grids[owner].cut(within[owners == owner]) for owner in np.unique(owners)])


def placed(grid: TileGrid, probabilities: Scores, frame: FieldFrame, mpp: float) -> TileScores:
    """The scores of one glomerulus's tiles with their places on the slide."""
    corners0 = frame.to_level0(grid.corners_px.astype(np.float64))
    return TileScores(corners0, TILE_PX * mpp, probabilities, grid.unreadable)


def judge(scores: TileScores, frame: FieldFrame, threshold: float) -> SpikeScore:
    """The glomerulus's judgement: its probability is its highest tile's (any-window rule, Chen et al. 3.2).

    `spiked` is whether that reaches `threshold`; a tile counts as positive from 0.5. A glomerulus without
    a single tile that could be scored has probability NaN and is not spiked.
    """
    positive = int((scores.probabilities >= POSITIVE).sum())
    count = len(scores.probabilities)
    probability = float(scores.probabilities.max()) if count else float("nan")
    return SpikeScore(
        probability=probability,
        spiked=bool(count and probability >= threshold),
        fraction=positive / count if count else float("nan"),
        tiles=count,
        positive_tiles=positive,
        unreadable_tiles=scores.unreadable,
        tile_side_um=scores.side_um,
        top_tiles=_top_tiles(scores, frame),
    )


def _top_tiles(scores: TileScores, frame: FieldFrame) -> tuple[TopTile, ...]:
    """Up to four tiles with the highest scores that do not overlap."""
    corners_px = frame.from_level0(scores.corners0)
    chosen: list[int] = []
    for index in np.argsort(-scores.probabilities, kind="stable"):
        apart = np.abs(corners_px[chosen] - corners_px[index]).max(axis=1) if chosen else np.array([TILE_PX])
        if (apart > TILE_PX - 0.5).all():
            chosen.append(int(index))
        if len(chosen) == TOP_TILES:
            break
    return tuple(
        TopTile(float(scores.corners0[i, 0]), float(scores.corners0[i, 1]), float(scores.probabilities[i]))
        for i in chosen
    )
