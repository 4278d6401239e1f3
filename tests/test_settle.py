"""What becomes of detections once they are outlined."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import MPP, round_outline, slide_facts

from glomspike.findings import Circle, Classification, Mpp, Outline
from glomspike.geometry.circles import circle_iou
from glomspike.results.warnings import dropped_warnings
from glomspike.segment.crop import circle_of_outline
from glomspike.segment.outline import outline_of_circle
from glomspike.segment.settle import reported_circle, settle

SLIDE = slide_facts()
LESION = Classification.likeliest({"globally sclerosed": 0.9, "not sclerosed": 0.1})


def circle(x0=10_000.0, y0=8_000.0, radius_um=100.0, score=0.5) -> Circle:
    return Circle(x0, y0, radius_um, score)


def outline(x0=10_000.0, y0=8_000.0, radius_um=90.0, *, cut=False) -> Outline:
    return replace(round_outline(x0, y0, radius_um, MPP), touches_edge=cut)


def sliver(length_um=190.0, width_um=60.0) -> Outline:
    corners_um = np.array([(0, 0), (length_um, 0), (length_um, width_um), (0, width_um)])
    return Outline(np.array([10_000.0, 8_000.0]) + corners_um / MPP.x, length_um * width_um, False)


def test_the_reported_circle_is_the_outlines_with_the_detectors_score_and_class() -> None:
    detected = replace(circle(score=0.31), lesion=LESION)
    ((one,), dropped, merged) = as_tuple(settle([detected], [outline(10_040.0)], SLIDE))
    assert (dropped, merged) == (0, 0)
    assert (one.circle.x0, one.circle.y0) == pytest.approx((10_040.0, 8_000.0), abs=0.1)
    assert one.circle.radius_um == pytest.approx(90.0, rel=1e-4)
    assert (one.circle.score, one.circle.lesion) == (0.31, LESION)


def as_tuple(settlement):
    return settlement.glomeruli, settlement.dropped, settlement.merged


@pytest.mark.parametrize(
    "found", [None, outline(radius_um=60.0), outline(radius_um=180.0), sliver()],
    ids=["none", "too small", "too large", "too thin"],
)  # fmt: skip
def test_a_detection_that_its_outline_does_not_fit_is_dropped(found: Outline | None) -> None:
    settled = settle([circle(), circle(20_000.0)], [found, outline(20_000.0)], SLIDE)
    assert [round(one.circle.x0) for one in settled.glomeruli] == [20_000]
    assert settled.dropped == 1


def test_a_cut_glomerulus_stays_whatever_its_outline_and_lies_between_both_circles() -> None:
    part = outline(10_060.0, radius_um=50.0, cut=True)
    (one,) = settle([circle()], [part], SLIDE).glomeruli
    assert one.circle.x0 == pytest.approx(10_030.0, abs=0.1)
    assert one.circle.radius_um == pytest.approx(75.0, rel=1e-3)


def test_a_circle_that_stands_for_an_outline_is_reported_as_it_is() -> None:
    detected = circle()
    (one,) = settle([detected], [outline_of_circle(detected, SLIDE)], SLIDE).glomeruli
    assert one.circle == detected


def test_of_two_detections_of_one_glomerulus_the_surer_remains() -> None:
    detected = [circle(9_900.0, score=0.4), circle(10_100.0, score=0.6), circle(20_000.0)]
    settled = settle(detected, [outline(), outline(10_010.0), outline(20_000.0)], SLIDE)
    assert [one.circle.score for one in settled.glomeruli] == [0.6, 0.5]
    assert settled.merged == 1


def test_glomeruli_are_in_the_reading_order_of_what_is_reported() -> None:
    detected = [circle(y0=8_000.0), circle(20_000.0, y0=8_010.0)]
    settled = settle(detected, [outline(y0=8_040.0), outline(20_000.0, y0=8_000.0)], SLIDE)
    assert [round(one.circle.x0) for one in settled.glomeruli] == [20_000, 10_000]


@given(
    x_um=st.floats(2_000, 3_000),
    y_um=st.floats(2_000, 3_000),
    radius_um=st.floats(30, 200),
    mpp=st.builds(Mpp, st.floats(0.2, 0.5), st.floats(0.2, 0.5)),
)
def test_on_pixels_of_any_shape_the_outlines_circle_is_round_in_micrometres(
    x_um: float, y_um: float, radius_um: float, mpp: Mpp
) -> None:
    drawn = round_outline(x_um / mpp.x, y_um / mpp.y, radius_um, mpp)
    slide = slide_facts(mpp=mpp)
    detected = Circle(drawn.polygon0[:, 0].mean() + 5, drawn.polygon0[:, 1].mean(), radius_um, 0.5)
    found = reported_circle(detected, drawn, slide)
    assert found.radius_um == pytest.approx(radius_um, rel=0.01)
    both = np.array(
        [[c.x0 * mpp.x, c.y0 * mpp.y, c.radius_um] for c in (found, circle_of_outline(drawn, slide))]
    )
    assert circle_iou(both[:1], both[1:])[0, 0] == pytest.approx(1.0, abs=1e-6)


def test_dropped_detections_are_said() -> None:
    assert list(dropped_warnings(0)) == []
    assert next(dropped_warnings(1)).startswith("1 detection was dropped")
    assert next(dropped_warnings(3)).startswith("3 detections were dropped")
