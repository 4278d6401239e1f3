"""Whether tiles are hot where the spikes are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glomspike.metrics.localisation import localisation_auc, stretch_within

TILES = np.array([[0, 0], [50, 0], [100, 0]], dtype=float)


@settings(deadline=None)
@given(st.floats(1, 148), st.floats(1, 148))
def test_the_length_of_a_stretch_is_shared_among_the_tiles_it_crosses(start: float, end: float) -> None:
    line = np.array([[start, 20.0], [(start + end) / 2, 20.0], [end, 20.0]])
    expected = [max(0, min(max(start, end), x + 50) - max(min(start, end), x)) for x in (0, 50, 100)]
    assert stretch_within(TILES, 50, [line]) == pytest.approx(expected, abs=1.0)


def test_no_stretch_is_in_no_tile() -> None:
    assert (stretch_within(TILES, 50, []) == 0).all()
    assert (stretch_within(TILES, 50, [np.array([[10.0, 60], [40, 60]])]) == 0).all()


def test_tiles_that_hold_little_are_not_counted() -> None:
    length = np.array([40.0, 3.0, 0.0, 0.0])
    assert localisation_auc(np.array([0.9, 0.0, 0.3, 0.2]), length) == 1
    assert localisation_auc(np.array([0.25, 1.0, 0.3, 0.2]), length) == 0.5


def test_without_both_kinds_of_tiles_there_is_nothing_to_tell_apart() -> None:
    assert localisation_auc(np.array([0.9, 0.1]), np.array([40.0, 30.0])) is None
    assert localisation_auc(np.array([0.9, 0.1]), np.array([0.0, 3.0])) is None
