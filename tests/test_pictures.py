"""The pictures of a glomerulus and of a slide."""

import cv2
import numpy as np
import pytest
from results import glomerulus, slide_facts, slide_result, spike_score

from glomspike.annotate.layers import PIXELS
from glomspike.findings import Mpp
from glomspike.geometry.frames import FieldFrame
from glomspike.report.colours import jet
from glomspike.report.overview import draw_overview, write_overview
from glomspike.report.pictures import write_glomerulus_pictures
from glomspike.slide.field import Field

SIDE_PX = 300


@pytest.fixture
def field():
    pixels = np.random.default_rng(0).integers(40, 200, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    frame = FieldFrame.at(9_700.0, 7_700.0, Mpp(0.25, 0.25), 0.5)
    return Field(pixels, np.ones((SIDE_PX, SIDE_PX), bool), frame, 0.5)


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def disc():
    """Inside the 45 µm outline round level-0 (10000, 8000): a disc of 90 px about the field's middle."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] + 0.5
    return np.hypot(x - 150, y - 150)


def test_patch_image_and_mask_show_the_same_field(tmp_path, field):
    write_glomerulus_pictures(tmp_path, glomerulus(7, radius_um=50.0), field, None)
    image = read(tmp_path / "images" / "0007.png")
    mask = read(tmp_path / "masks" / "0007.png")
    patch = read(tmp_path / "patches" / "0007.png")
    np.testing.assert_array_equal(image[..., ::-1], field.pixels)
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(patch, np.where(mask[..., None] == 255, image, 0))
    assert (mask[disc() < 88] == 255).all()
    assert (mask[disc() > 92] == 0).all()


def test_the_mask_has_the_area_of_the_outline(tmp_path, field):
    found = glomerulus(radius_um=50.0)
    write_glomerulus_pictures(tmp_path, found, field, None)
    area_um2 = (read(tmp_path / "masks" / "0001.png") == 255).sum() * 0.5**2
    np.testing.assert_allclose(area_um2, found.outline.area_um2, rtol=0.02)


def test_without_a_score_there_is_no_heatmap(tmp_path, field):
    write_glomerulus_pictures(tmp_path, glomerulus(), field, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "masks", "patches"]


def test_the_heatmap_is_hot_only_where_there_is_heat_and_has_a_bar_beside_it(tmp_path, field):
    heat = np.full((SIDE_PX, SIDE_PX), np.nan, np.float32)
    heat[disc() < 85] = 0.0
    heat[140:160, 140:160] = 1.0
    write_glomerulus_pictures(tmp_path, glomerulus(radius_um=50.0), field, heat)
    picture = read(tmp_path / "heatmaps" / "0001.png")[..., ::-1].astype(int)
    assert picture.shape[0] == SIDE_PX
    assert picture.shape[1] > SIDE_PX
    outside, cold = disc() > 95, (disc() > 30) & (disc() < 80)
    np.testing.assert_array_equal(picture[:, :SIDE_PX][outside], field.pixels[outside])
    shift = picture[:, :SIDE_PX] - field.pixels
    assert shift[cold][:, 0].max() < 0 < shift[145:155, 145:155, 0].mean()
    bar = picture[:, SIDE_PX:].reshape(-1, 3)
    for probability in (0.0, 0.5, 1.0):
        assert (bar == jet(np.array(probability)).astype(int)).all(axis=1).any()


def test_large_ids_keep_all_their_digits(tmp_path, field):
    write_glomerulus_pictures(tmp_path, glomerulus(12_345), field, None)
    assert (tmp_path / "masks" / "12345.png").is_file()


def test_a_folder_that_is_gone_is_told(tmp_path, field):
    with pytest.raises(FileNotFoundError):
        write_glomerulus_pictures(tmp_path / "gone", glomerulus(), field, None)


def test_jet_runs_from_blue_to_red():
    cold, middle, hot = jet(np.array([0.0, 0.5, 1.0])).astype(int)
    assert cold[2] > 100 > cold[0]
    assert middle[1] > 200
    assert hot[0] > 100 > hot[2]


def ring_colours(picture, x_px, y_px, radius_px):
    angle = np.deg2rad(np.arange(90, 270, 3))  # the id stands to the right
    points = np.round(np.stack([x_px + radius_px * np.cos(angle), y_px + radius_px * np.sin(angle)])) - 0.5
    x, y = points.astype(int)
    return np.median(picture[y, x].astype(int), axis=0)


def test_the_overview_circles_each_glomerulus_in_its_colour():
    thumbnail = np.full((750, 1000, 3), 230, np.uint8)
    scored = glomerulus(1, x0=8_000.0, y0=8_000.0, radius_um=400.0, spikes=spike_score(0.9))
    unscored = glomerulus(2, x0=24_000.0, y0=20_000.0, radius_um=400.0)
    picture = draw_overview(thumbnail, FieldFrame(0, 0, 40, 40), slide_result(scored, unscored))
    assert picture.shape[0] == 750
    assert picture.shape[1] > 1000
    np.testing.assert_allclose(ring_colours(picture, 200, 200, 40), jet(np.array(0.9)), atol=60)
    np.testing.assert_allclose(ring_colours(picture, 600, 500, 40), [128] * 3, atol=60)
    assert (thumbnail == 230).all()


def test_an_id_at_the_right_edge_stands_inside_the_picture():
    thumbnail = np.full((300, 400, 3), 230, np.uint8)
    slide = slide_facts(mpp=PIXELS)
    edge = glomerulus(8, x0=368.0, y0=150.0, radius_um=30.0, mpp=PIXELS)
    picture = draw_overview(thumbnail, FieldFrame(0, 0, 1, 1), slide_result(edge, slide=slide))
    assert (picture[143:157, 322:334] < 100).any()


def test_an_overview_of_nothing_is_the_slide(tmp_path):
    thumbnail = np.full((300, 400, 3), 230, np.uint8)
    write_overview(tmp_path / "overview.png", thumbnail, FieldFrame(0, 0, 1, 1), slide_result())
    assert (read(tmp_path / "overview.png")[:, :400] == 230).all()
