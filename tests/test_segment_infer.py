"""Outlines on a slide: those of the glomeruli in their circles, in the slide's own pixels."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from discs import DarkPixels, disc_picture, model
from pyramids import scanned_slide, write_aperio

from glomspike.findings import Circle, Mpp, Outline
from glomspike.networks.models import Model
from glomspike.segment.crop import crop_of
from glomspike.segment.infer import outline_glomeruli
from glomspike.slide.reader import Slide, open_slide
from glomspike.slide.source import Bounds

DISCS = [(150.0, 120.0, 60.0), (400.0, 250.0, 80.0)]


def segmenter() -> Model:
    return model("segmenter", DarkPixels(), 1.0, 128, {"probability": 0.5})


def circles(mpp: float, off_um: float = 0.0, wrong: float = 1.0) -> list[Circle]:
    return [Circle(x + off_um / mpp, y - off_um / mpp, r * mpp * wrong, 0.9) for x, y, r in DISCS]


def outlined(slide: Slide, around: list[Circle]) -> tuple[Outline | None, ...]:
    crops = [crop_of(slide, circle, segmenter().card.input_px) for circle in around]
    return outline_glomeruli(slide.facts, crops, segmenter())


@pytest.mark.parametrize(("off_um", "wrong"), [(0.0, 1.0), (12.0, 1.25), (-8.0, 0.95)])
def test_glomeruli_are_outlined_though_their_circles_are_inexact(
    tmp_path: Path, off_um: float, wrong: float
) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(600, 400, DISCS), factors=(4,), mpp=1.0)
    with open_slide(tmp_path / "s.svs") as slide:
        outlines = outlined(slide, circles(1.0, off_um, wrong))
    for outline, (x, y, radius) in zip(outlines, DISCS, strict=True):
        assert outline is not None
        polygon = shapely.Polygon(outline.polygon0)
        assert polygon.is_valid
        assert polygon.centroid.coords[0] == pytest.approx((x, y), abs=1)
        assert outline.area_um2 == pytest.approx(np.pi * radius**2, rel=0.03)
        assert not outline.touches_edge


def test_on_oblong_pixels_and_within_bounds_outlines_stay_in_place(tmp_path: Path) -> None:
    picture = np.full((400, 600, 3), 200, np.uint8)
    cv2.ellipse(picture, (300, 200), (80, 40), 0, 0, 360, (60, 60, 60), -1)
    cv2.imwrite(str(tmp_path / "s.png"), picture)
    with scanned_slide(tmp_path / "s.png", Mpp(1.0, 2.0), Bounds(100, 50, 450, 300)) as slide:
        (outline,) = outlined(slide, [Circle(300.5, 200.5, 80.0, 0.9)])
    assert outline is not None
    assert outline.polygon0.mean(axis=0) == pytest.approx((300.5, 200.5), abs=3)
    assert np.ptp(outline.polygon0, axis=0) == pytest.approx((161, 81), abs=4)
    assert outline.area_um2 == pytest.approx(np.pi * 80**2, rel=0.04)


def test_a_glomerulus_that_the_slide_cuts_is_outlined_up_to_its_edge(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(300, 300, [(0.0, 150.0, 60.0)]), mpp=1.0)
    with open_slide(tmp_path / "s.svs") as slide:
        (outline,) = outlined(slide, [Circle(5.0, 150.0, 60.0, 0.9)])
    assert outline is not None
    assert outline.touches_edge
    assert outline.area_um2 == pytest.approx(np.pi * 60**2 / 2, rel=0.05)


def test_where_the_segmenter_sees_nothing_there_is_no_outline(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(600, 400, DISCS[:1]), mpp=1.0)
    with open_slide(tmp_path / "s.svs") as slide:
        first, second = outlined(slide, circles(1.0))
    assert first is not None
    assert second is None


def test_glomeruli_do_not_change_one_another(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(600, 400, DISCS), mpp=1.0)
    with open_slide(tmp_path / "s.svs") as slide:
        together = outlined(slide, circles(1.0) * 2)
        singly = [outlined(slide, [circle])[0] for circle in circles(1.0) * 2]
    for one, other in zip(together, singly, strict=True):
        assert one is not None
        assert other is not None
        assert one.polygon0 == pytest.approx(other.polygon0, abs=1e-3)
