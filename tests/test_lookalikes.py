"""What is drawn into tissue that is no glomerulus: it changes the tissue, and leaves glomeruli alone."""

import numpy as np
import pytest
from discs import disc_mask

from glomspike.detect.cut import KnownGlomerulus
from glomspike.detect.lookalikes import with_lookalikes

SIDE_PX, MPP = 128, 4.0
TURN = np.linspace(0, 2 * np.pi, 90, endpoint=False)


def tissue(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(150, 256, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
def test_look_alikes_are_drawn_behind_glomeruli(seed: int) -> None:
    ground = tissue(seed)
    known = KnownGlomerulus(64 + 30 * np.stack([np.cos(TURN), np.sin(TURN)], axis=1))
    drawn = with_lookalikes(ground, [known], MPP, np.random.default_rng(seed))
    inside = disc_mask(SIDE_PX, SIDE_PX, [(64, 64, 28)])
    assert np.abs(drawn[inside].astype(int) - ground[inside]).max() <= 1
    assert drawn.shape == ground.shape
    assert drawn.dtype == np.uint8


def test_look_alikes_change_tissue_in_a_way_that_can_be_repeated() -> None:
    ground = tissue(1)
    one, other = (with_lookalikes(ground, [], MPP, np.random.default_rng(5)) for _ in "ab")
    assert np.array_equal(one, other)
    assert (one != ground).any(axis=2).mean() > 0.005
