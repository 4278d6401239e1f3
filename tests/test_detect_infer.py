"""Circles on a slide: each glomerulus once and in place, whatever windows, bounds, scale and damage."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from discs import DarkDiscs, disc_picture, model
from pyramids import break_tiles, scanned_slide, write_aperio
from torch import nn

from glomspike.detect.infer import detect
from glomspike.detect.model import STRIDE, Maps
from glomspike.errors import SlideError
from glomspike.findings import Mpp
from glomspike.slide.reader import Slide, open_slide
from glomspike.slide.source import Bounds
from glomspike.slide.tissue import Tissue, find_tissue

RADIUS_UM = 80.0
DETECTOR_MPP = 4.0
WINDOW_PX = 256  # of the tests: small, so that a small slide has several


def detector(threshold: float = 0.5) -> object:
    network = DarkDiscs(RADIUS_UM / DETECTOR_MPP, WINDOW_PX)
    return model("detector", network, DETECTOR_MPP, WINDOW_PX, {"score": threshold})


def everywhere(slide: Slide) -> Tissue:
    tissue = find_tissue(slide)
    return Tissue(np.ones_like(tissue.mask), tissue.frame, tissue.mpp)


def found_on(slide: Slide) -> np.ndarray:
    found = detect(slide, everywhere(slide), detector(), lambda done, whole: None)
    return np.array([(c.x0, c.y0, c.radius_um) for c in found.circles]).reshape(-1, 3)


def discs_um(width_um: float, height_um: float) -> np.ndarray:
    """Centres of discs all over, at borders of windows and of the slide too."""
    rows = np.arange(60, height_um - 60, 190)
    return np.array([(x, y) for y in rows for x in np.arange(70, width_um - 60, 185)])


@pytest.mark.parametrize("mpp", [2.0, 4.0])
def test_every_glomerulus_is_found_once_across_windows(tmp_path: Path, mpp: float) -> None:
    centres0 = discs_um(3000, 2000) / mpp
    discs = [(x, y, RADIUS_UM / mpp) for x, y in centres0]
    write_aperio(tmp_path / "s.svs", disc_picture(int(3000 / mpp), int(2000 / mpp), discs), mpp=mpp)
    with open_slide(tmp_path / "s.svs") as slide:
        circles = found_on(slide)
    order = np.lexsort((centres0[:, 0], centres0[:, 1]))
    by_place = circles[np.lexsort((circles[:, 0], np.round(circles[:, 1] * mpp / 190)))]
    assert len(circles) == len(centres0)
    assert np.abs(by_place[:, :2] - centres0[order]).max() * mpp <= 12
    assert circles[:, 2] == pytest.approx(RADIUS_UM)
    assert np.all(np.diff(circles[:, 1]) >= 0)


def test_circles_are_in_pixels_of_the_whole_slide_not_of_its_bounds(tmp_path: Path) -> None:
    mpp = Mpp(2.0, 4.0)
    picture = disc_picture(1200, 600, [])
    cv2.ellipse(picture, (700, 300), (40, 20), 0, 0, 360, (60, 60, 60), -1)
    cv2.imwrite(str(tmp_path / "s.png"), picture)
    with scanned_slide(tmp_path / "s.png", mpp, Bounds(400, 100, 700, 450)) as slide:
        (circle,) = found_on(slide)
    assert circle[:2] == pytest.approx((700.5, 300.5), abs=4)


def test_no_window_is_read_where_there_is_no_tissue(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(600, 600, [(300.0, 300.0, 20.0)]), mpp=4.0)
    told: list[tuple[int, int]] = []
    with open_slide(tmp_path / "s.svs") as slide:
        tissue = everywhere(slide)
        none = Tissue(np.zeros_like(tissue.mask), tissue.frame, tissue.mpp)
        found = detect(slide, none, detector(), lambda done, whole: told.append((done, whole)))
    assert (found.circles, found.unreadable_windows, told) == ((), 0, [(0, 0)])


def test_progress_is_told_until_all_windows_are_done(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(600, 600, []), mpp=4.0)
    told: list[tuple[int, int]] = []
    with open_slide(tmp_path / "s.svs") as slide:
        detect(slide, everywhere(slide), detector(), lambda done, whole: told.append((done, whole)))
    done, wholes = zip(*told, strict=True)
    assert len(set(wholes)) == 1
    assert (done[0], done[-1]) == (0, wholes[0])
    assert sorted(done) == list(done)


def test_damage_is_counted_and_costs_only_what_lies_in_it(tmp_path: Path) -> None:
    discs = [(100.0, 300.0, 20.0), (500.0, 300.0, 20.0)]
    write_aperio(tmp_path / "s.svs", disc_picture(600, 600, discs), mpp=4.0)
    break_tiles(tmp_path / "s.svs", 0, [4 * 10 + 7])
    with open_slide(tmp_path / "s.svs") as slide:
        found = detect(slide, everywhere(slide), detector(), lambda done, whole: None)
    assert found.unreadable_windows >= 1
    assert (100, 300) in [(round(c.x0, -1), round(c.y0, -1)) for c in found.circles]


def test_a_slide_of_which_nothing_can_be_decoded_is_no_slide_without_glomeruli(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(600, 600, [(300.0, 300.0, 20.0)]), mpp=4.0)
    break_tiles(tmp_path / "s.svs", 0, range(100))
    with open_slide(tmp_path / "s.svs") as slide, pytest.raises(SlideError, match="not one region"):
        detect(slide, everywhere(slide), detector(), lambda done, whole: None)


class CornerDetector(nn.Module):
    """Finds a circle a little beyond each corner of its window."""

    def __init__(self) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(5.0))

    def forward(self, images: torch.Tensor) -> Maps:
        side = images.shape[-1] // STRIDE
        centre = torch.full((len(images), 1, side, side), -9.0)
        centre[..., :: side - 1, :: side - 1] = self.sure
        radius = torch.full_like(centre, 5.0 * images.shape[-1] / WINDOW_PX)
        return Maps(centre, radius, torch.full((len(images), 2, side, side), -0.5))


def test_centres_stay_on_the_slide_and_nothing_is_found_beyond_it(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(150, 150, []), mpp=4.0)
    cornered = model("detector", CornerDetector(), DETECTOR_MPP, WINDOW_PX, {"score": 0.5})
    with open_slide(tmp_path / "s.svs") as slide:
        (circle,) = detect(slide, everywhere(slide), cornered, lambda done, whole: None).circles
    assert (circle.x0, circle.y0) == (0, 0)
    assert circle.radius_um == pytest.approx(5 * STRIDE * DETECTOR_MPP)


def test_only_circles_that_reach_the_detectors_threshold_count(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", disc_picture(300, 300, [(150.0, 150.0, 17.4)]), mpp=4.0)
    with open_slide(tmp_path / "s.svs") as slide:
        unsure = detect(slide, everywhere(slide), detector(0.02), lambda done, whole: None).circles
        assert len(unsure) == 1
        assert 0.02 < unsure[0].score < 0.999
        above = detector(unsure[0].score + 1e-3)
        assert detect(slide, everywhere(slide), above, lambda done, whole: None).circles == ()
