"""Windows over a slide: every glomerulus is whole in a window that owns it, and none is found twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glomspike.detect.windows import SLACK_UM, merged, windows_over

LARGEST_UM = 315.0  # those of adults measure 150 to 300
WINDOW_PX = 256
sizes = st.integers(1, 3000)


@pytest.mark.parametrize("mpp", [2.0, 4.0])
@settings(max_examples=60, deadline=None)
@given(width=sizes, height=sizes, across=st.floats(0, 1), down=st.floats(0, 1), radius=st.floats(0.1, 0.5))
def test_a_glomerulus_is_whole_in_every_window_that_owns_its_centre(
    mpp: float, width: int, height: int, across: float, down: float, radius: float
) -> None:
    circle = np.array([[across * width, down * height, radius * LARGEST_UM / mpp]])
    x, y, r = circle[0]
    windows = windows_over(width, height, WINDOW_PX, mpp)
    owners = [window for window in windows if window.owns(circle, 0.0)[0]]
    assert len(owners) == 1
    (window,) = owners
    # What lies beyond the picture's own border is in no window, and need not be.
    assert window.x_px <= max(0, x - r)
    assert window.y_px <= max(0, y - r)
    assert window.x_px + WINDOW_PX >= min(width, x + r)
    assert window.y_px + WINDOW_PX >= min(height, y + r)


@given(width=sizes, height=sizes)
def test_windows_cover_the_picture(width: int, height: int) -> None:
    windows = windows_over(width, height, WINDOW_PX, 4.0)
    assert min(window.x_px for window in windows) == min(window.y_px for window in windows) == 0
    assert max(window.x_px for window in windows) + WINDOW_PX >= width
    assert max(window.y_px for window in windows) + WINDOW_PX >= height
    # No window more than needed: the last begins within the picture.
    assert max(window.x_px for window in windows) < max(width, 1)


def test_windows_that_disagree_on_a_centre_own_it_both() -> None:
    slack_px = SLACK_UM / 4
    left, right = windows_over(400, 100, WINDOW_PX, 4.0)
    border = left.core_right_px
    assert border == right.core_left_px
    for x in (border - slack_px + 0.01, border, border + slack_px - 0.01):
        circle = np.array([[x, 50.0, 30.0]])
        assert left.owns(circle, slack_px)[0]
        assert right.owns(circle, slack_px)[0]
    assert not left.owns(np.array([[border + slack_px, 50.0, 30.0]]), slack_px)[0]


def test_a_glomerulus_seen_twice_is_merged_and_neighbours_are_not() -> None:
    seen = np.array([[100, 100, 30, 0.7], [103, 99, 31, 0.9], [162, 100, 30, 0.8]], dtype=float)
    assert merged(seen).tolist() == [[103, 99, 31, 0.9], [162, 100, 30, 0.8]]


@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 600), height=st.integers(1, 600), side=st.sampled_from([32, 64, 96]))
def test_windows_no_wider_than_a_glomerulus_still_cover_the_picture(
    width: int, height: int, side: int
) -> None:
    windows = windows_over(width, height, side, 4.0)
    assert max(window.x_px for window in windows) + side >= width
    assert max(window.y_px for window in windows) + side >= height
    for x in (0.5, width / 3, width - 0.5):
        assert sum(window.owns(np.array([[x, height / 2, 9.0]]), 0.0)[0] for window in windows) == 1
