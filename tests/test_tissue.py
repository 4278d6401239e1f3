"""Tissue: found in every stain on every glass, and not found where there is none."""

from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outside import outside
from PIL import Image
from pyramids import break_tiles, scanned_slide, waves, write_aperio

from glomspike.findings import Mpp
from glomspike.geometry.frames import FieldFrame
from glomspike.slide.reader import open_slide
from glomspike.slide.source import Bounds
from glomspike.slide.tissue import Tissue, find_tissue, tissue_mask

MPP = 2.0
WIDTH0, HEIGHT0 = 900, 700  # 1.8 x 1.4 mm

GLASS = {
    "white": (252, 252, 252),
    "saturated": (255, 255, 255),
    "grey": (214, 216, 215),
    "dark": (150, 153, 148),
    "yellowish": (240, 230, 202),
}
# Colours relative to the glass: of what lies between the lines, and of the lines.
STAINS = {
    "silver": ((0.93, 0.92, 0.92), (0.12, 0.10, 0.10)),
    "pale silver": ((0.97, 0.97, 0.97), (0.62, 0.60, 0.60)),
    "PAS": ((0.90, 0.78, 0.88), (0.62, 0.32, 0.55)),
    "H&E": ((0.93, 0.76, 0.84), (0.45, 0.30, 0.60)),
    "trichrome": ((0.85, 0.45, 0.50), (0.40, 0.55, 0.78)),
    "immunostain": ((0.93, 0.93, 0.95), (0.72, 0.60, 0.45)),
}


@cache
def core_mask():
    """A biopsy core across the slide."""
    mask = np.zeros((HEIGHT0, WIDTH0), np.uint8)
    cv2.ellipse(mask, (450, 350), (380, 150), 15, 0, 360, 1, -1)
    return mask.astype(bool)


@cache
def glass(shade):
    """Empty glass with the camera's noise and a little dust."""
    rng = np.random.default_rng(1)
    picture = np.full((HEIGHT0, WIDTH0, 3), GLASS[shade], np.float32)
    for _ in range(6):
        x0, y0 = rng.integers(10, WIDTH0 - 10), rng.integers(10, HEIGHT0 - 10)
        cv2.circle(picture, (int(x0), int(y0)), int(rng.integers(1, 6)), (70, 70, 70), -1)
    return picture + 4 * rng.standard_normal(picture.shape, np.float32)


@cache
def tubules(stain):
    """Cut tubules, 50 µm across with membranes of 2 to 4 µm, as a factor of the glass's colour."""
    rng = np.random.default_rng(2)
    between, lines = STAINS[stain]
    picture = np.full((HEIGHT0, WIDTH0, 3), between, np.float32)
    for y0 in range(0, HEIGHT0, 26):
        for x0 in range(0, WIDTH0, 26):
            centre = (x0 + int(rng.integers(-3, 4)), y0 + int(rng.integers(-3, 4)))
            cv2.circle(picture, centre, int(rng.integers(9, 13)), lines, int(rng.integers(1, 3)))
            cv2.circle(picture, centre, 4, (1.0, 1.0, 1.0), -1)
    return picture


def core(stain, shade):
    return np.where(core_mask()[..., None], glass(shade) * tubules(stain), glass(shade))


def tissue_of(picture, path, mpp=MPP):
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path)
    with open_slide(path, mpp) as slide:
        return find_tissue(slide)


def share_found(tissue, truth):
    """Of the true tissue, and of the glass that is more than 50 µm away from it."""
    found = cv2.resize(tissue.mask.astype(np.uint8), truth.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    near = cv2.dilate(truth.astype(np.uint8), np.ones((51, 51), np.uint8)) > 0
    return found[truth].mean(), found[~near].mean()


@pytest.mark.parametrize("shade", GLASS)
@pytest.mark.parametrize("stain", STAINS)
def test_every_stain_is_found_on_every_glass(tmp_path, stain, shade):
    on_tissue, on_glass = share_found(tissue_of(core(stain, shade), tmp_path / "a.tif"), core_mask())
    assert on_tissue > 0.98
    assert on_glass < 0.005


@pytest.mark.parametrize("shade", GLASS)
def test_glass_with_noise_and_dust_is_empty(tmp_path, shade):
    assert tissue_of(glass(shade), tmp_path / "a.tif").mask.mean() < 0.003


@pytest.mark.parametrize("stain", STAINS)
def test_a_field_without_any_glass_is_all_tissue(tmp_path, stain):
    picture = glass("white") * tubules(stain)
    assert tissue_of(picture, tmp_path / "a.tif").mask.mean() > 0.98


def test_the_dark_corners_of_a_microscope_field_are_glass_or_tissue_as_they_are(tmp_path):
    y, x = np.mgrid[-1 : 1 : HEIGHT0 * 1j, -1 : 1 : WIDTH0 * 1j]
    light = 1 - 0.25 * (x**2 + y**2)
    on_tissue, on_glass = share_found(
        tissue_of(core("silver", "grey") * light[..., None], tmp_path / "a.tif"), core_mask()
    )
    assert on_tissue > 0.99
    assert on_glass < 0.005


@pytest.mark.parametrize("padding", [0, 255])
def test_what_was_never_scanned_is_no_tissue(tmp_path, padding):
    picture = core("silver", "yellowish")
    picture[:120] = padding
    picture[:, :100] = padding
    truth = core_mask().copy()
    truth[:120] = truth[:, :100] = False
    on_tissue, on_glass = share_found(tissue_of(picture, tmp_path / "a.tif"), truth)
    assert on_tissue > 0.98
    assert on_glass < 0.005


@pytest.mark.parametrize("colour", [(225, 190, 210), (90, 90, 90)])
def test_smooth_stained_tissue_is_found_too(tmp_path, colour):
    picture = glass("white").copy()
    picture[core_mask()] = colour
    assert share_found(tissue_of(picture, tmp_path / "a.tif"), core_mask())[0] > 0.99


def test_a_vessel_is_filled_and_the_gap_between_cores_is_not(tmp_path):
    picture = glass("white") * tubules("PAS")
    cv2.circle(picture, (300, 300), 45, GLASS["white"], -1)  # 180 µm across
    picture[:, 500:700] = GLASS["white"]
    tissue = tissue_of(picture, tmp_path / "a.tif")
    assert tissue.fraction(250, 250, 100, 100) == 1
    assert tissue.fraction(540, 0, 120, HEIGHT0) == 0


def test_the_mask_covers_the_bounds(tmp_path):
    picture = np.clip(core("PAS", "white"), 0, 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    with scanned_slide(tmp_path / "a.png", Mpp(2.0, 1.0), Bounds(100, 60, 800, 640)) as slide:
        tissue = find_tissue(slide)
    assert tissue.mpp == 8
    assert tissue.mask.shape == (80, 200)
    assert tissue.frame == FieldFrame(100, 60, 4.0, 8.0)
    assert tissue.fraction(410, 310, 80, 80) == 1


@pytest.mark.parametrize(("width0", "height0"), [(1200, 910), (1198, 912), (1200, 912)])
def test_the_edge_of_a_slide_of_tinted_glass_is_no_tissue(tmp_path, width0, height0):
    """Coarse levels end within a pixel of level 0's edge: what lies beyond is white and no rim of tissue."""
    tinted = np.full((height0, width0, 3), (225, 194, 173), np.uint8)
    path = write_aperio(tmp_path / "a.svs", tinted, factors=(16,), mpp=1.0)
    with open_slide(path) as slide:
        tissue = find_tissue(slide)
    assert tissue.mpp == 16
    assert not tissue.mask.any()


def test_what_cannot_be_read_may_be_tissue(tmp_path):
    white = np.full((512, 512, 3), 255, np.uint8)
    path = write_aperio(tmp_path / "a.svs", white, mpp=4.0, compression="jpeg")
    break_tiles(path, page=0, tiles=[0])
    with open_slide(path) as slide:
        tissue = find_tissue(slide)
    assert tissue.fraction(0, 0, 64, 64) == 1
    assert tissue.fraction(300, 300, 200, 200) == 0


def test_a_level_of_fitting_scale_is_taken_as_it_is(tmp_path):
    path = write_aperio(tmp_path / "a.svs", waves(900, 700), (4, 16), mpp=0.7)
    with open_slide(path) as slide:
        assert find_tissue(slide).mpp == pytest.approx(11.2)


FRAME = FieldFrame(100.0, 50.0, 4.0, 8.0)
MASK = np.random.default_rng(0).random((9, 7)) > 0.5


@given(st.integers(0, 60), st.integers(0, 110), st.integers(1, 60), st.integers(1, 60))
def test_a_fraction_is_the_share_of_level_0_pixels(x0, y0, width0, height0):
    pixels0 = np.zeros((200, 160), bool)
    pixels0[50:122, 100:128] = np.kron(MASK, np.ones((8, 4), bool))
    x0, y0 = x0 + 80, y0 + 30
    expected = pixels0[y0 : y0 + height0, x0 : x0 + width0].sum() / (width0 * height0)
    assert Tissue(MASK, FRAME, 8.0).fraction(x0, y0, width0, height0) == pytest.approx(expected)


def test_a_fraction_knows_parts_of_pixels():
    tissue = Tissue(np.array([[True, False]]), FieldFrame(0, 0, 4, 4), 1.0)
    assert tissue.fraction(3, 0, 2, 4) == pytest.approx(0.5)
    assert tissue.fraction(3.5, 1, 2, 1) == pytest.approx(0.25)
    assert tissue.fraction(-10, -10, 5, 5) == 0


@pytest.mark.parametrize(("folder", "mpp"), [("pas-fields", 0.5), ("hubmap-lowmag", 4.0)])
def test_every_real_glomerulus_lies_in_tissue(folder, mpp):
    for path in sorted((outside(folder) / "images").iterdir()):
        mask_path = next((outside(folder) / "masks").glob(f"{path.stem}.*"))
        truth = np.asarray(Image.open(mask_path).convert("RGB")).max(axis=2) > 0
        if truth.any():
            with open_slide(path, mpp) as slide:
                assert share_found(find_tissue(slide), truth)[0] > 0.98, path.name


@pytest.mark.parametrize(("folder", "mpp"), [("stain-patches", 0.5), ("vegf-fields", 0.7)])
def test_real_fields_full_of_tissue_are_all_tissue(folder, mpp):
    for path in sorted(outside(folder).glob("*.jpg")):
        with open_slide(path, mpp) as slide:
            assert find_tissue(slide).mask.mean() > 0.97, path.name


def test_real_dark_microscope_fields_of_silver_are_mostly_tissue():
    for path in sorted(outside("pasm-fields").glob("*PASM*.jpg")):
        with open_slide(path, 0.5) as slide:
            assert find_tissue(slide).mask.mean() > 0.8, path.name


@pytest.mark.parametrize("gap_px", [14, 20])
@pytest.mark.parametrize("quality", [75, 90])
def test_sections_close_to_each_other_stay_apart(gap_px: int, quality: int) -> None:
    """At 16 µm/px, where compression makes the glass beside tissue rough."""
    rng = np.random.default_rng(1)
    picture = np.full((80, 160, 3), 222, np.uint8)
    for left, right in ((20, 80 - gap_px // 2), (80 + gap_px // 2, 140)):
        shape = (60, right - left, 1)
        picture[10:70, left:right] = rng.integers(130, 235, shape) * np.array([0.85, 0.8, 1.0])
    _, code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    shown = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]
    count, _, stats, _ = cv2.connectedComponentsWithStats(tissue_mask(shown, 16.0).astype(np.uint8))
    assert count == 3
    assert stats[1:, cv2.CC_STAT_AREA].sum() == pytest.approx(60 * (120 - gap_px), rel=0.15)
