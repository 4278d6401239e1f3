"""Phantom slides: what they show, what their truth says, and that both are the same every time."""

import csv
from pathlib import Path

import numpy as np
import openslide
import pytest

from glomspike.annotate.imagescope import read_imagescope
from glomspike.annotate.layers import RegionType
from glomspike.phantom.curves import normals, signed_area
from glomspike.phantom.glomerulus import Anatomy, plan_glomerulus
from glomspike.phantom.paint import Painter
from glomspike.phantom.slides import MPP, Order, plan_slide, write_phantoms
from glomspike.phantom.spikes import Lesion, with_spikes

ORDER = Order(number=1, glomeruli=2, seed=5, boxed_share=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantoms")
    assert list(write_phantoms(out, 1, 2, 5, 1.0, 1)) == ["phantom-0001"]
    return out


def test_openslide_takes_it_for_an_aperio_slide_with_scale_objective_and_thumbnail(folder: Path) -> None:
    with openslide.OpenSlide(folder / "phantom-0001.svs") as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert float(slide.properties["openslide.mpp-x"]) == MPP
        assert slide.properties["openslide.objective-power"] == "40"
        assert slide.level_count >= 2
        assert "thumbnail" in slide.associated_images


def test_levels_show_the_same_picture(folder: Path) -> None:
    with openslide.OpenSlide(folder / "phantom-0001.svs") as slide:
        fine = slide.read_region((400, 400), 0, (1600, 1600)).convert("RGB").reduce(16)
        coarse = slide.read_region((400, 400), 1, (400, 400)).convert("RGB").reduce(4)
    difference = np.abs(np.asarray(fine, float) - np.asarray(coarse, float))
    assert difference.mean() < 3


def test_truth_names_each_glomerulus_once_with_circle_outline_and_label(folder: Path) -> None:
    layers = {layer.name: layer.regions for layer in read_imagescope(folder / "phantom-0001.xml")}
    plan, _, _ = plan_slide(ORDER)
    assert len(layers["Spiked glomeruli"]) == sum(g.spiked for g in plan.glomeruli) == 1
    assert len(layers["Other glomeruli"]) == len(plan.glomeruli) - 1
    assert len(layers["Outlines"]) == len(plan.glomeruli)
    assert 0 < len(layers["Spike tiles"]) <= 6
    for region in layers["Spike tiles"]:
        left, top, right, bottom = region.box_viewer
        assert (right - left, bottom - top) == (50, 50)
    for circle in (*layers["Spiked glomeruli"], *layers["Other glomeruli"]):
        assert circle.type is RegionType.ELLIPSE


def test_boxes_lie_on_spikes(folder: Path) -> None:
    layers = {layer.name: layer.regions for layer in read_imagescope(folder / "phantom-0001.xml")}
    plan, _, _ = plan_slide(ORDER)
    bases = np.concatenate([p for g in plan.glomeruli for p in g.patches]) / MPP
    for region in layers["Spike tiles"]:
        left, top, right, bottom = region.box_viewer
        inside = (bases > (left, top)).all(axis=1) & (bases < (right, bottom)).all(axis=1)
        assert inside.sum() >= 2


def test_the_table_lists_every_slide_with_its_truth_and_patient(folder: Path) -> None:
    with (folder / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"image": "phantom-0001.svs", "xml": "phantom-0001.xml", "patient": "phantom-0001"}]


def test_the_same_seed_gives_the_same_files_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    list(write_phantoms(tmp_path / "again", 1, 2, 5, 1.0, 1))
    list(write_phantoms(tmp_path / "other", 1, 2, 6, 1.0, 1))
    for name in ("phantom-0001.svs", "phantom-0001.xml"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()


def test_a_block_is_the_same_painted_alone_or_within_a_larger_one() -> None:
    plan, stain, _ = plan_slide(ORDER)
    painter = Painter(plan, stain, MPP, seed=3)
    large = painter.block(512, 256, 1024, 1024)
    small = painter.block(768, 640, 256, 256)
    difference = np.abs(large[384:640, 256:512].astype(int) - small)
    assert np.percentile(difference, 99) <= 2


def test_spikes_are_silver_outside_the_membrane() -> None:
    plan, stain, _ = plan_slide(ORDER)
    painter = Painter(plan, stain, MPP, seed=3)
    glomerulus = next(g for g in plan.glomeruli if g.spiked)
    low, high = glomerulus.capsule_um.min(axis=0), glomerulus.capsule_um.max(axis=0)
    x, y = np.floor(low / MPP).astype(int)
    width, height = np.ceil((high - low) / MPP).astype(int)
    grey = painter.block(int(x), int(y), int(width), int(height)).mean(axis=2)
    on_spikes = np.array([(s.base_um + s.tip_um) / 2 for loop in glomerulus.loops for s in loop.spikes])
    smooth = [loop for loop in glomerulus.loops if not loop.spikes]
    beside = np.concatenate([loop.membrane_um + 1.6 * normals(loop.membrane_um) for loop in smooth])
    assert np.median(_at(grey, on_spikes, (x, y))) < 0.75 * np.median(_at(grey, beside, (x, y)))


def _at(grey: np.ndarray, points_um: np.ndarray, corner_px: tuple[int, int]) -> np.ndarray:
    columns, rows = (points_um / MPP - corner_px).astype(int).T
    return grey[rows, columns]


@pytest.mark.parametrize("seed", range(5))
def test_spikes_stand_outwards_half_to_two_and_a_half_micrometres_long(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain = plan_glomerulus(rng, Anatomy.sample(rng), np.array([300.0, 200.0]), 90.0)
    spiked = with_spikes(rng, plain, Lesion.sample(rng))
    assert not plain.spiked
    assert spiked.spiked
    for loop in spiked.loops:
        assert signed_area(loop.membrane_um) > 0
        out = normals(loop.membrane_um)
        for spike in loop.spikes:
            nearest = np.linalg.norm(loop.membrane_um - spike.base_um, axis=1).argmin()
            along = spike.tip_um - spike.base_um
            assert 0.49 < np.hypot(*along) < 2.5
            assert along @ out[nearest] > 0


def test_membranes_are_one_to_one_and_a_half_micrometres_thick_on_average() -> None:
    rng = np.random.default_rng(1)
    thickness = []
    for _ in range(12):
        plan = plan_glomerulus(rng, Anatomy.sample(rng), np.zeros(2), 80.0)
        thickness.append(np.mean([loop.thickness_um.mean() for loop in plan.loops]))
    assert min(thickness) > 0.95
    assert max(thickness) < 1.6
