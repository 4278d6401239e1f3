"""Frames: every conversion there and back, and where a viewer's origin and axes are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glomspike.findings import Mpp, SlideFacts
from glomspike.geometry.frames import (
    FieldFrame,
    from_millimetres,
    from_viewer,
    to_millimetres,
    to_viewer,
)

coordinates = st.floats(-1e6, 1e6)
points = arrays(np.float64, st.tuples(st.integers(0, 6), st.just(2)), elements=coordinates)
scales = st.floats(0.05, 64)
frames = st.builds(FieldFrame, coordinates, coordinates, scales, scales)
lengths0 = st.integers(1, 200_000)
slides = st.builds(
    SlideFacts,
    name=st.just("slide"),
    vendor=st.sampled_from(["aperio", "leica", "mirax", "hamamatsu", "picture"]),
    width0=lengths0,
    height0=lengths0,
    mpp=st.just(Mpp(0.25, 0.25)),
    bounds_x0=st.integers(0, 100_000),
    bounds_y0=st.integers(0, 100_000),
    bounds_width0=lengths0,
    bounds_height0=lengths0,
)


@given(frames, points)
def test_a_field_takes_points_there_and_back(frame, points0):
    assert np.allclose(frame.to_level0(frame.from_level0(points0)), points0, rtol=0, atol=1e-6)


@given(slides, st.sampled_from(["imagescope", "qupath", "dicom"]), points)
def test_a_viewer_takes_points_there_and_back(slide, viewer, points0):
    assert np.allclose(from_viewer(to_viewer(points0, slide, viewer), slide, viewer), points0, atol=1e-6)


@given(st.builds(Mpp, st.floats(0.05, 5), st.floats(0.05, 5)), points)
def test_millimetres_take_points_there_and_back(mpp, points0):
    assert np.allclose(from_millimetres(to_millimetres(points0, mpp), mpp), points0, atol=1e-6)


def test_a_millimetre_is_a_thousand_micrometres():
    assert np.allclose(to_millimetres(np.array([[4_000.0, 4_000.0]]), Mpp(0.25, 0.5)), [[1, 2]])


def test_dicom_counts_from_the_corner_of_the_scan():
    assert np.array_equal(to_viewer(np.array([[110.0, 230.0]]), bounded("mirax"), "dicom"), [[110, 230]])


@given(frames)
def test_a_fields_corner_is_its_nought(frame):
    corner0 = np.array([[frame.corner_x0, frame.corner_y0]])
    assert np.array_equal(frame.to_level0(np.zeros((1, 2))), corner0)


def test_a_frame_knows_axes_of_different_scale():
    frame = FieldFrame.at(10, 20, Mpp(0.25, 0.5), 1.0)
    assert np.array_equal(frame.to_level0(np.array([[1.0, 1.0]])), [[14, 22]])


def bounded(vendor):
    return SlideFacts("slide", vendor, 10_000, 8_000, Mpp(0.25, 0.25), 100, 200, 3_000, 2_000)


@pytest.mark.parametrize("viewer", ["imagescope", "qupath"])
def test_viewers_count_from_the_bounds(viewer):
    assert np.array_equal(to_viewer(np.array([[110.0, 230.0]]), bounded("mirax"), viewer), [[10, 30]])


def test_imagescope_turns_leica_slides_clockwise():
    corners0 = np.array([[100.0, 200.0], [3_100.0, 200.0], [100.0, 2_200.0]])
    shown = to_viewer(corners0, bounded("leica"), "imagescope")
    assert np.array_equal(shown, [[2_000, 0], [2_000, 3_000], [0, 0]])


def test_qupath_does_not_turn_them():
    assert np.array_equal(to_viewer(np.array([[100.0, 200.0]]), bounded("leica"), "qupath"), [[0, 0]])
