"""What training shows of a glomerulus looks otherwise each time, and lies where it lay."""

import numpy as np

from glomspike.classify.views import varied


def test_a_picture_that_is_no_square_keeps_its_shape_and_what_is_where() -> None:
    pixels = np.full((60, 90, 3), 200, np.uint8)
    pixels[:30, 45:] = 40
    for seed in range(60):  # enough that each kind of change is among them
        seen = varied(pixels, np.random.default_rng(seed))
        assert seen.shape == pixels.shape
        quarters = [seen[y : y + 20, x : x + 35].mean() for y in (5, 35) for x in (5, 50)]
        assert np.argmin(quarters) == 1
