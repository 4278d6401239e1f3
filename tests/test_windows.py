"""Windows over a slide: glomeruli are whole in the window that owns them, and none is found twice."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glomspike.detect.windows import SLACK_UM, merged, windows_on, windows_over

LARGEST_UM = 275.0  # those of adults measure 150 to 300, nearly all less than this
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


def blobs(seed: int, side: int) -> np.ndarray:
    """Some tissue: discs and strips on a mask."""
    rng, mask = np.random.default_rng(seed), np.zeros((side, side), np.uint8)
    for _ in range(rng.integers(1, 5)):
        first, last = rng.integers(0, side, (2, 2)).tolist()
        cv2.line(mask, first, last, 1, int(rng.integers(1, side // 4)))
    return mask.astype(bool)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), coarser=st.floats(1.5, 5), side=st.sampled_from([40, 96, 160]))
def test_all_tissue_is_owned_by_a_window(seed: int, coarser: float, side: int) -> None:
    tissue = blobs(seed, 150)
    length_px = round(150 * coarser)
    windows = windows_on(tissue, length_px, length_px, side, 4.0)
    scale = length_px / 150
    centres = (np.argwhere(tissue)[:, ::-1] + 0.5) * scale
    owners = np.array([window.owns(centres, 0.0) for window in windows])
    assert owners.any(axis=0).all()
    for window, owned in zip(windows, owners, strict=True):
        corner = np.array([window.x_px, window.y_px])
        assert ((corner <= centres[owned]) & (centres[owned] < corner + side)).all()
    for window in windows:
        assert 0 <= window.x_px < length_px
        assert 0 <= window.y_px < length_px


def test_a_glomerulus_is_whole_in_the_windows_on_its_tissue() -> None:
    """Inside a picture; a slanting core of 1 mm, as biopsies have."""
    tissue = np.zeros((600, 600), np.uint8)
    cv2.line(tissue, (60, 80), (520, 500), 1, 63)  # mask of 16 µm/px
    windows = windows_on(tissue.astype(bool), 2400, 2400, 160, 4.0)
    radius = LARGEST_UM / 2 / 4.0
    for y, x in np.argwhere(tissue)[::50]:
        centre = np.array([[4 * x + 2.0, 4 * y + 2.0, radius]])
        owners = [window for window in windows if window.owns(centre, 0.0)[0]]
        assert owners
        for window in owners:
            assert (np.array([window.x_px, window.y_px]) <= centre[0, :2] - radius).all()
            assert (np.array([window.x_px, window.y_px]) + 160 >= centre[0, :2] + radius).all()


def test_a_core_has_no_more_windows_than_it_is_wide_and_long() -> None:
    tissue = np.zeros((600, 600), bool)
    tissue[40:552, 101:163] = True  # 0.99 mm wide, 8.19 mm long, at 16 µm/px
    step_um = 160 * 4.0 - 280
    assert len(windows_on(tissue, 2400, 2400, 160, 4.0)) == np.ceil(990 / step_um) * np.ceil(8190 / step_um)


def test_there_are_no_windows_without_tissue() -> None:
    assert windows_on(np.zeros((20, 30), bool), 120, 80, 160, 4.0) == ()
