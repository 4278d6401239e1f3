"""What is measured on the real picture of spikes and on normal silver: places, membrane, fringes of walls."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from discs import DarkTiles, disc_mask, model, write_samples

from benchmarks.quality.fringe_likeness import fringe
from benchmarks.quality.real_spikes import ClassifiedPart, measured_normal
from glomspike.classify.membrane import crosses_membrane
from glomspike.networks.models import Model

SQUARE = np.array([[0, 0], [400, 0], [400, 400], [0, 400]], dtype=float)


def classifier() -> Model:
    return model("classifier", DarkTiles(), 0.25, 50, {"spiked": 0.5})


def test_a_place_has_the_highest_of_the_tiles_that_hold_it_whatever_the_scale(tmp_path: Path) -> None:
    picture = np.full((400, 400, 3), 220, np.uint8)
    picture[:200, :200] = 40
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    for mpp in (0.17, 0.25):
        seen = ClassifiedPart.of(classifier(), tmp_path / "a.png", mpp, SQUARE)
        assert seen.highest_at(80, 80) > 0.9
        assert seen.highest_at(320, 80) < 0.1
        assert seen.drawn().shape == seen.field.pixels.shape


def test_tiles_hold_membrane_where_a_tenth_of_them_is_ink(tmp_path: Path) -> None:
    picture = np.full((400, 400, 3), 220, np.uint8)
    picture[195:205] = 40
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    seen = ClassifiedPart.of(classifier(), tmp_path / "a.png", 0.25, SQUARE)
    top = seen.grid.corners_px[:, 1]
    crossing = crosses_membrane(seen.grid)
    assert crossing[(top + 50 >= 205) & (top <= 195)].all()
    assert not crossing[(top + 50 < 198) | (top > 202)].any()


def test_normal_silver_counts_false_tiles_and_leaves_out_what_is_too_coarse(tmp_path: Path) -> None:
    light, half = np.full((2, 300, 300, 3), 210, np.uint8)
    half[:, 150:] = 40
    mask = disc_mask(300, 300, [(150, 150, 130)])
    rows = [
        {"image": image, "mpp": mpp, "mask": mask, "patient": f"p{number}", "split": "test"}
        for number, (image, mpp) in enumerate(((light, 0.25), (half, 0.25), (half, 1.2)))
    ]
    found = {m.name: m for m in measured_normal(classifier(), [write_samples(tmp_path, rows)])}
    assert found["false_positive_rate"].value == 0.5
    assert found["false_positive_rate"].n == 2
    assert found["highest_tile"].value > 0.9
    assert 200 < found["false_tiles_of_2000"].value < 1200


def ring(bristles: int, zone: float) -> np.ndarray:
    """A closed wall with a zone of some ink around it, 2 µm at 0.17 µm/px, and so many bristles in that."""
    y, x = np.mgrid[:1600, :1600] + 0.5
    away = np.hypot(x - 800, y - 800)
    ink = (np.abs(away - 500) < 20).astype(np.float32)
    outside = np.where(np.abs(away - 565) < 45, np.float32(zone), np.float32(0))
    for turn in np.linspace(0, 2 * np.pi, bristles, endpoint=False):
        way = np.array([np.cos(turn), np.sin(turn)])
        cv2.line(outside, *np.round(800 + way * [[500], [590]]).astype(int).tolist(), 1.0, 10)
    small = cv2.resize(np.maximum(ink, outside), (400, 400), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.0)
    return np.repeat((240 * np.exp(-2 * small))[..., None], 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def everywhere() -> np.ndarray:
    return np.ones((400, 400), dtype=np.bool_)


def test_a_fringe_has_more_ripples_the_more_bristles_and_more_ink_outwards(everywhere: np.ndarray) -> None:
    plain, sparse, dense = (fringe(ring(count, 0.0), 0.17, everywhere) for count in (0, 40, 150))
    assert plain is not None
    assert sparse is not None
    assert dense is not None
    counts = [one.rows()["bristles per µm"] for one in (plain, sparse, dense)]
    assert counts[0] < 0.05 < counts[1] < counts[2]
    zone = fringe(ring(0, 0.5), 0.17, everywhere)
    assert zone is not None
    name = "density 1.2 µm outwards"
    assert zone.rows()[name] > plain.rows()[name] + 0.1


def test_a_picture_without_walls_has_no_fringe(everywhere: np.ndarray) -> None:
    flat = np.full((400, 400, 3), 200, np.uint8)
    assert fringe(flat, 0.17, everywhere) is None
