"""Annotated pictures: glomeruli from masks and ImageScope layers, in the pixels of the loaded picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from discs import disc_mask, disc_picture
from pyramids import write_aperio
from results import slide_facts

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import AREA, OTHER, OUTLINES, SPIKE_TILES, SPIKED
from glomspike.errors import SamplesError, SlideError
from glomspike.findings import Label, Mpp
from glomspike.learn.samples import Sample
from glomspike.learn.truth import load_picture, load_pictures, slide_truth

DISCS = [(60.0, 50.0, 30.0), (140.0, 100.0, 20.0)]


def sample(folder: Path, image: str, **others: object) -> Sample:
    values = {
        "mpp": None,
        "mask": None,
        "xml": None,
        "label": None,
        "patient": "p",
        "split": "train",
    } | others
    return Sample(folder / "samples.csv", folder / image, **values)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture of two discs with its mask, its outlines and circles as layers, and one box."""
    cv2.imwrite(str(tmp_path / "a.png"), disc_picture(200, 160, DISCS))
    cv2.imwrite(str(tmp_path / "mask.png"), disc_mask(200, 160, DISCS).astype(np.uint8) * 7)
    write_layers(tmp_path / "a.xml", layers(), Mpp(1, 1))
    return tmp_path


def layers() -> list[Layer]:
    circles = [np.array([[x - r, y - r], [x + r, y + r]]) for x, y, r in DISCS]
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    outlines = [
        np.array([x, y]) + 0.8 * r * np.stack([np.cos(turn), np.sin(turn)], axis=1) for x, y, r in DISCS
    ]
    box = np.array([[50, 40], [70, 40], [70, 55], [50, 55]], dtype=float)
    return [
        Layer(SPIKED.name, SPIKED.colour, (Region(RegionType.ELLIPSE, circles[0]),)),
        Layer(OTHER.name, OTHER.colour, (Region(RegionType.ELLIPSE, circles[1]),)),
        Layer(OUTLINES.name, OUTLINES.colour, tuple(Region(RegionType.POLYGON, o) for o in outlines)),
        Layer(SPIKE_TILES.name, SPIKE_TILES.colour, (Region(RegionType.RECTANGLE, box),)),
    ]


def test_each_region_of_a_mask_is_a_glomerulus_with_its_enclosing_circle(folder: Path) -> None:
    picture = load_picture(sample(folder, "a.png", mask=folder / "mask.png"))
    assert picture.circles_px == pytest.approx(np.array(DISCS), abs=0.6)
    areas = [shapely.Polygon(g.outline_px).area for g in picture.truth.glomeruli]
    assert areas == pytest.approx([np.pi * r**2 for _, _, r in DISCS], rel=0.02)


def test_specks_of_a_mask_are_none_and_coloured_masks_are_read(folder: Path) -> None:
    mask = np.zeros((160, 200, 3), np.uint8)
    mask[disc_mask(200, 160, DISCS)] = (0, 0, 255)
    mask[2:4, 2:4] = 255
    cv2.imwrite(str(folder / "red.png"), mask)
    assert len(load_picture(sample(folder, "a.png", mask=folder / "red.png")).truth.glomeruli) == 2


def test_outlines_are_joined_with_the_circles_around_them_and_take_their_label(folder: Path) -> None:
    truth = load_picture(sample(folder, "a.png", xml=folder / "a.xml")).truth
    assert [g.label for g in truth.glomeruli] == ["spiked", "normal"]
    assert [g.radius_px for g in truth.glomeruli] == pytest.approx([24, 16], abs=0.2)
    assert truth.spike_boxes_px.tolist() == [[50, 40, 20, 15]]


def test_circles_alone_are_glomeruli_without_an_outline(folder: Path) -> None:
    write_layers(folder / "circles.xml", layers()[:2], Mpp(1, 1))
    picture = load_picture(sample(folder, "a.png", xml=folder / "circles.xml"))
    assert picture.circles_px == pytest.approx(np.array(DISCS))
    assert all(g.outline_px is None for g in picture.truth.glomeruli)


def test_what_is_in_the_mask_is_not_counted_again_from_the_layers(folder: Path) -> None:
    only_first = disc_mask(200, 160, DISCS[:1]).astype(np.uint8)
    cv2.imwrite(str(folder / "first.png"), only_first)
    truth = load_picture(sample(folder, "a.png", mask=folder / "first.png", xml=folder / "a.xml")).truth
    assert [g.radius_px for g in truth.glomeruli] == pytest.approx([30, 16], abs=0.7)


@pytest.mark.parametrize("label", ["spiked", "undetermined"])
def test_a_label_of_the_row_is_that_of_all_its_glomeruli(folder: Path, label: Label) -> None:
    truth = load_picture(sample(folder, "a.png", xml=folder / "a.xml", label=label)).truth
    assert [g.label for g in truth.glomeruli] == [label, label]


def test_negative_regions_are_left_out(folder: Path) -> None:
    hole = Region(RegionType.POLYGON, np.array([[0, 0], [30, 0], [30, 30]], dtype=float), negative=True)
    write_layers(folder / "n.xml", [Layer("Outlines", (0, 0, 0), (hole,))], Mpp(1, 1))
    assert load_picture(sample(folder, "a.png", xml=folder / "n.xml")).truth.glomeruli == ()


@pytest.mark.parametrize("mpp", [2.0, 0.25])
def test_the_truth_is_scaled_with_the_picture(folder: Path, mpp: float) -> None:
    picture = load_picture(sample(folder, "a.png", mask=folder / "mask.png", mpp=0.5), mpp)
    factor = 0.5 / mpp
    assert picture.pixels.shape == (160 * factor, 200 * factor, 3)
    assert picture.circles_px == pytest.approx(np.array(DISCS) * factor, abs=0.6 * factor + 0.01)
    x, y, _ = picture.circles_px[0]
    assert picture.pixels[int(y), int(x)].mean() < 100 < picture.pixels[2, 2].mean()


def test_without_a_scale_pixels_are_the_pictures_own(folder: Path) -> None:
    picture = load_picture(sample(folder, "a.png", mask=folder / "mask.png"), 4.0)
    assert picture.mpp is None
    assert picture.pixels.shape == (160, 200, 3)


def test_a_slide_is_loaded_at_the_scale_that_is_asked_for(folder: Path) -> None:
    write_aperio(folder / "a.svs", disc_picture(200, 160, DISCS), mpp=0.5)
    write_layers(folder / "s.xml", layers(), Mpp(0.5, 0.5))
    picture, plain = load_pictures(
        [
            sample(folder, "a.svs", xml=folder / "s.xml"),
            sample(folder, "a.png", xml=folder / "a.xml", mpp=0.5),
        ],
        1.0,
    )
    assert picture.pixels.shape == (80, 100, 3)
    assert picture.circles_px == pytest.approx(plain.circles_px, abs=0.01)
    assert picture.truth.spike_boxes_px.tolist() == [[25, 20, 10, 7.5]]


def test_layers_of_a_slide_with_bounds_are_counted_from_them(folder: Path) -> None:
    bounded = slide_facts(bounds=(1000, 500, 8000, 8000))
    truth = slide_truth(sample(folder, "a.png", xml=folder / "a.xml"), bounded)
    assert (truth.glomeruli[0].x_px, truth.glomeruli[0].y_px) == pytest.approx((1060, 550), abs=0.1)
    assert truth.spike_boxes_px.tolist() == [[1050, 540, 20, 15]]


def test_annotations_that_leave_parts_open_are_not_taken_for_the_whole_truth(folder: Path) -> None:
    area = Layer(
        AREA.name, AREA.colour, (Region(RegionType.RECTANGLE, np.array([[0, 0], [9, 0], [9, 9], [0, 9]])),)
    )
    write_layers(folder / "part.xml", [*layers(), area], Mpp(1, 1))
    with pytest.raises(SamplesError, match="does not annotate some parts of the slide"):
        load_picture(sample(folder, "a.png", xml=folder / "part.xml"))


def test_a_glomerulus_of_the_mask_has_the_label_of_the_layers(folder: Path) -> None:
    truth = load_picture(sample(folder, "a.png", mask=folder / "mask.png", xml=folder / "a.xml")).truth
    assert [(g.label, round(g.radius_px)) for g in truth.glomeruli] == [("spiked", 30), ("normal", 20)]


def test_a_mask_of_another_size_is_refused_with_both_sizes(folder: Path) -> None:
    cv2.imwrite(str(folder / "small.png"), np.zeros((10, 20), np.uint8))
    with pytest.raises(
        SamplesError, match="mask is 20 x 10, its image is 200 x 160; make them the same size"
    ):
        load_picture(sample(folder, "a.png", mask=folder / "small.png"))


@pytest.mark.parametrize("name", ["no.png", "no.tif"])
def test_a_file_that_is_no_picture_is_one_line(folder: Path, name: str) -> None:
    (folder / name).write_text("not a picture")
    with pytest.raises((SamplesError, SlideError)) as failure:
        load_picture(sample(folder, name, mpp=0.5), 4.0)
    assert name in str(failure.value)
    assert "\n" not in str(failure.value)
