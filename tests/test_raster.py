"""Outlines as masks and masks as outlines: neither grows nor shrinks what it is given."""

import numpy as np
import pytest
import shapely
from discs import disc_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glomspike.findings import Mpp, Outline
from glomspike.geometry.frames import FieldFrame
from glomspike.geometry.raster import filled, inside_outline, largest, traced, vertices

SIDE_PX = 96


def ring(x: float, y: float, radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return np.array([x, y]) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


@settings(max_examples=30, deadline=None)
@given(st.floats(40, 56), st.floats(40, 56), st.floats(10, 38))
def test_a_filled_disc_has_its_area_and_place(x: float, y: float, radius: float) -> None:
    mask = filled(ring(x, y, radius), SIDE_PX)
    rows, columns = np.nonzero(mask)
    assert (mask.sum() / np.pi) ** 0.5 == pytest.approx(radius, abs=0.35)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.2)


@settings(max_examples=30, deadline=None)
@given(st.floats(40, 56), st.floats(40, 56), st.floats(10, 38))
def test_a_traced_disc_has_its_area_and_place_and_fills_to_itself(x: float, y: float, radius: float) -> None:
    mask = disc_mask(SIDE_PX, SIDE_PX, [(x, y, radius)])
    polygon = traced(mask.astype(np.float32))
    assert polygon is not None
    assert polygon.area == pytest.approx(mask.sum(), rel=0.01)
    assert polygon.centroid.coords[0] == pytest.approx((x, y), abs=0.2)
    assert (filled(vertices(polygon), SIDE_PX) != mask).mean() < 0.005


def test_the_edge_runs_where_the_surface_is_one_half() -> None:
    ramp = np.tile(np.linspace(1, 0, 11, dtype=np.float32), (20, 1))
    polygon = traced(ramp)
    assert polygon is not None
    # From the padding's half on the left to the middle of the sixth pixel.
    assert polygon.bounds[0] == pytest.approx(0, abs=0.1)
    assert polygon.bounds[2] == pytest.approx(5.5, abs=1e-5)


def test_of_several_regions_the_largest_is_traced_without_its_holes() -> None:
    mask = disc_mask(SIDE_PX, SIDE_PX, [(30, 30, 20), (80, 80, 10)])
    mask &= ~disc_mask(SIDE_PX, SIDE_PX, [(30, 30, 8)])
    polygon = traced(mask.astype(np.float32))
    assert polygon is not None
    assert polygon.centroid.coords[0] == pytest.approx((30, 30), abs=0.2)
    assert polygon.area == pytest.approx(np.pi * 400, rel=0.02)


@given(arrays(np.float32, (6, 7), elements=st.floats(0, 1, width=32)))
def test_whatever_is_traced_is_a_simple_polygon(surface: np.ndarray) -> None:
    polygon = traced(surface)
    if polygon is None:
        assert (surface <= 0.5).all() or surface.max() < 0.51
    else:
        assert polygon.is_valid
        assert polygon.area > 0
        assert len(vertices(polygon)) >= 3


def test_nothing_is_traced_as_nothing() -> None:
    assert traced(np.zeros((5, 5), np.float32)) is None
    assert largest(shapely.LineString([(0, 0), (1, 1)])) is None


def test_an_outline_on_a_slide_marks_the_pixels_of_a_field_that_lie_inside() -> None:
    mpp = Mpp(0.25, 0.5)
    frame = FieldFrame.at(1000.0, 600.0, mpp, 1.0)
    outline = Outline(frame.to_level0(ring(48, 40, 20)), 0.0, False)
    mask = inside_outline(outline, frame, (SIDE_PX, SIDE_PX))
    assert (mask != disc_mask(SIDE_PX, SIDE_PX, [(48, 40, 20)])).mean() < 0.01
