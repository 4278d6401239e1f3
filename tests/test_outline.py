"""From a probability map to the outline of the one glomerulus that is meant."""

import numpy as np
import pytest
import shapely
from discs import disc_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from results import slide_facts

from glomspike.findings import Circle, Mpp
from glomspike.geometry.frames import FieldFrame
from glomspike.segment.outline import glomerulus_polygon, outline_of_circle, outline_on_slide

SIDE_PX = 96
MIDDLE = (SIDE_PX / 2, SIDE_PX / 2)


def probability(*circles: tuple[float, float, float]) -> np.ndarray:
    return np.where(disc_mask(SIDE_PX, SIDE_PX, circles), 0.95, 0.05).astype(np.float32)


def polygon_of(surface: np.ndarray) -> shapely.Polygon:
    vertices_px = glomerulus_polygon(surface, MIDDLE)
    assert vertices_px is not None
    return shapely.Polygon(vertices_px)


def test_the_region_in_the_middle_is_outlined_though_another_is_larger() -> None:
    polygon = polygon_of(probability((48, 48, 12), (14, 48, 18)))
    assert polygon.centroid.coords[0] == pytest.approx(MIDDLE, abs=0.2)
    assert polygon.area == pytest.approx(np.pi * 144, rel=0.03)


def test_with_nothing_in_the_middle_the_largest_region_is_outlined() -> None:
    polygon = polygon_of(probability((20, 20, 14), (80, 80, 8)))
    assert polygon.centroid.coords[0] == pytest.approx((20, 20), abs=0.2)


def test_holes_are_filled() -> None:
    surface = probability((48, 48, 30))
    surface[disc_mask(SIDE_PX, SIDE_PX, [(48, 48, 10)])] = 0.05
    assert polygon_of(surface).area == pytest.approx(np.pi * 900, rel=0.02)


def test_a_region_that_the_crop_cuts_is_closed_along_the_border() -> None:
    polygon = polygon_of(probability((48, 10, 30)))
    assert polygon.is_valid
    assert polygon.bounds[1] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("circles", [(), ((48, 48, 4),)])
def test_nothing_or_a_speck_is_no_glomerulus(circles: tuple) -> None:
    assert glomerulus_polygon(probability(*circles), MIDDLE) is None


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (12, 12), elements=st.floats(0, 1, width=32)))
def test_every_outline_is_a_simple_polygon(surface: np.ndarray) -> None:
    vertices_px = glomerulus_polygon(surface, (6.0, 6.0))
    if vertices_px is not None:
        polygon = shapely.Polygon(vertices_px)
        assert polygon.is_valid
        assert polygon.area > 0
        assert (vertices_px[0] != vertices_px[-1]).any()


def test_an_outline_on_a_slide_has_its_true_area_on_oblong_pixels() -> None:
    slide = slide_facts(mpp=Mpp(0.25, 0.5))
    outline = outline_of_circle(Circle(10_000.0, 8_000.0, 100.0, 0.9), slide)
    assert outline.area_um2 == pytest.approx(np.pi * 100**2, rel=0.01)
    assert not outline.touches_edge
    assert outline.polygon0.mean(axis=0) == pytest.approx((10_000, 8_000), abs=1)
    assert np.ptp(outline.polygon0, axis=0) == pytest.approx((800, 400), rel=0.01)


@pytest.mark.parametrize(
    ("x0", "y0"), [(200.0, 8_000.0), (39_900.0, 8_000.0), (10_000.0, 100.0), (10_000.0, 29_700.0)]
)
def test_an_outline_ends_where_the_slide_ends_and_says_so(x0: float, y0: float) -> None:
    slide = slide_facts()
    outline = outline_of_circle(Circle(x0, y0, 100.0, 0.9), slide)
    assert outline.touches_edge
    assert outline.area_um2 < 0.95 * np.pi * 100**2
    assert outline.polygon0.min() >= 0
    assert (outline.polygon0 <= (slide.width0, slide.height0)).all()


def test_the_larger_part_is_kept_where_the_edge_parts_an_outline() -> None:
    horseshoe_px = np.array(
        [[0, 0], [-30, 0], [-30, 10], [-10, 10], [-10, 30], [-30, 30], [-30, 45], [0, 45]]
    )
    frame = FieldFrame(15.0, 100.0, 1.0, 1.0)
    outline = outline_on_slide(horseshoe_px.astype(float), frame, slide_facts(mpp=Mpp(1.0, 1.0)))
    assert outline is not None
    assert shapely.Polygon(outline.polygon0).is_valid
    beyond = FieldFrame(-5.0, 100.0, 1.0, 1.0)
    assert outline_on_slide(horseshoe_px.astype(float), beyond, slide_facts()) is None
