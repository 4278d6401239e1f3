"""Phantom slides: what they show, what their truth says, and that both are the same every time."""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import openslide
import pytest
import shapely

from glomspike import cli
from glomspike.annotate.imagescope import read_imagescope
from glomspike.annotate.layers import RegionType
from glomspike.phantom.glomerulus import GlomerulusPlan, Habit, plan_glomerulus, with_spikes
from glomspike.phantom.paint import Painter
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.slides import Order, plan_slide, visible_on_slide, write_phantoms
from glomspike.phantom.spikes import Growth, Lesion, only
from glomspike.phantom.stain import Stain
from glomspike.phantom.surface import STEP_UM
from glomspike.phantom.tissue import TissuePlan
from glomspike.phantom.truth import read_spikes, write_spikes, write_truth
from glomspike.phantom.tuft import Section, depth_in, spread
from glomspike.phantom.visibility import Visibility

ORDER = Order(number=1, glomeruli=2, seed=5, boxed_share=1.0)


@cache
def slide_of_the_order() -> tuple[TissuePlan, Stain, Scanner, np.random.Generator]:
    return plan_slide(ORDER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantoms")
    assert list(write_phantoms(out, 1, 2, 5, 1.0, 1)) == ["phantom-0001"]
    return out


def test_openslide_takes_it_for_an_aperio_slide_with_scale_objective_and_thumbnail(folder: Path) -> None:
    _, _, scanner, _ = slide_of_the_order()
    with openslide.OpenSlide(folder / "phantom-0001.svs") as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert float(slide.properties["openslide.mpp-x"]) == scanner.mpp
        assert float(slide.properties["openslide.objective-power"]) == scanner.objective
        assert slide.level_count >= 2
        assert "thumbnail" in slide.associated_images


def test_levels_show_the_same_picture(folder: Path) -> None:
    with openslide.OpenSlide(folder / "phantom-0001.svs") as slide:
        fine = slide.read_region((400, 400), 0, (1600, 1600)).convert("RGB").reduce(16)
        coarse = slide.read_region((400, 400), 1, (400, 400)).convert("RGB").reduce(4)
    difference = np.abs(np.asarray(fine, float) - np.asarray(coarse, float))
    assert difference.mean() < 3


def test_jpeg_2000_slides_open_as_well(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(40, 220, 700).astype(np.uint8)[:, None], (600, 700, 3))
    file = File(0.25, 40, 80, "jpeg2000")
    write_pyramid(tmp_path / "a.svs", lambda x, y, w, h: ramp[y : y + h, x : x + w], 700, 600, file)
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        shown = np.asarray(slide.read_region((0, 0), 0, (700, 600)).convert("RGB"), int)
    assert np.abs(shown - ramp).mean() < 3


@pytest.mark.parametrize("height", [1025, 1027, 2049])
def test_a_last_row_too_low_for_the_next_level_is_written(tmp_path: Path, height: int) -> None:
    grey = np.full((height, 1100, 3), 128, np.uint8)
    file = File(0.25, 40, 80, "jpeg")
    write_pyramid(tmp_path / "a.svs", lambda x, y, w, h: grey[y : y + h, x : x + w], 1100, height, file)
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert slide.dimensions == (1100, height)
        assert slide.level_dimensions[1] == (275, height // 4)
        assert abs(int(slide.read_region((0, height - 1), 0, (1, 1)).getpixel((0, 0))[0]) - 128) < 3


def test_truth_names_each_glomerulus_once_with_circle_outline_and_label(folder: Path) -> None:
    layers = {layer.name: layer.regions for layer in read_imagescope(folder / "phantom-0001.xml")}
    plan, _, _, _ = slide_of_the_order()
    assert len(layers["Spiked glomeruli"]) == sum(g.spiked for g in plan.glomeruli) == 1
    assert len(layers["Other glomeruli"]) == len(plan.glomeruli) - 1
    assert len(layers["Outlines"]) == len(plan.glomeruli)
    assert 0 < len(layers["Spike tiles"]) <= 6
    for region in layers["Spike tiles"]:
        left, top, right, bottom = region.box_viewer
        assert (right - left, bottom - top) == pytest.approx((50, 50))
    for circle in (*layers["Spiked glomeruli"], *layers["Other glomeruli"]):
        assert circle.type is RegionType.ELLIPSE


def test_boxes_lie_on_spikes(folder: Path) -> None:
    layers = {layer.name: layer.regions for layer in read_imagescope(folder / "phantom-0001.xml")}
    spikes0 = np.concatenate([glomerulus.spikes0 for glomerulus in read_spikes(folder / "phantom-0001.json")])
    for region in layers["Spike tiles"]:
        left, top, right, bottom = region.box_viewer
        inside = (spikes0 > (left, top)).all(axis=1) & (spikes0 < (right, bottom)).all(axis=1)
        assert inside.sum() >= 2


def test_the_json_says_where_spikes_are_and_how_dense(folder: Path) -> None:
    plan, _, scanner, _ = slide_of_the_order()
    for truth, made in zip(read_spikes(folder / "phantom-0001.json"), plan.glomeruli, strict=True):
        assert truth.spiked == made.spiked
        assert (len(truth.spikes0) > 0) == made.spiked == (truth.spikes_per_100_um > 0)
        assert 0 <= truth.spiked_share <= 1
        if made.spiked:
            lines0 = np.concatenate(truth.stretches0)
            line_um = np.concatenate(made.growth.lines_um)
            np.testing.assert_allclose(lines0 * scanner.mpp, line_um, atol=0.06 * scanner.mpp)
            low, high = made.capsule_um.min(axis=0), made.capsule_um.max(axis=0)
            assert (truth.spikes0 * scanner.mpp > low).all()
            assert (truth.spikes0 * scanner.mpp < high).all()


def test_the_table_lists_every_slide_with_its_truth_and_patient(folder: Path) -> None:
    with (folder / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"image": "phantom-0001.svs", "xml": "phantom-0001.xml", "patient": "phantom-0001"}]


def test_the_same_seed_gives_the_same_files_whatever_the_workers(folder: Path, tmp_path: Path) -> None:
    list(write_phantoms(tmp_path / "again", 2, 2, 5, 1.0, 2))
    for name in ("phantom-0001.svs", "phantom-0001.xml", "phantom-0001.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_or_number_gives_another_slide() -> None:
    bare = replace(ORDER, glomeruli=0)
    stains = {plan_slide(order)[1] for order in (bare, replace(bare, seed=6), replace(bare, number=2))}
    assert len(stains) == 3


def test_a_block_is_the_same_painted_alone_or_within_a_larger_one() -> None:
    plan, stain, scanner, _ = slide_of_the_order()
    painter = Painter(plan, stain, scanner, seed=3)
    large = painter.block(512, 256, 1024, 1024)
    small = painter.block(768, 640, 256, 256)
    difference = np.abs(large[384:640, 256:512].astype(int) - small)
    assert np.percentile(difference, 99) <= 2


def test_spikes_darken_the_outside_of_the_membrane_and_nothing_else() -> None:
    plan, stain, _, _ = slide_of_the_order()
    sharp = Scanner(0.25, 40, 0.15, 0.0, (0.0, 0.0), 0.0, 0.5, 1.0, 0.0, "jpeg", 90)
    spiked = next(g for g in plan.glomeruli if g.spiked)
    bare = replace(plan, glomeruli=tuple(replace(g, growth=Growth()) for g in plan.glomeruli))
    box_px = np.floor(spiked.capsule_um.min(axis=0) / 0.25).astype(int)
    size_px = np.ceil(np.ptp(spiked.capsule_um, axis=0) / 0.25).astype(int)
    shown = [Painter(p, stain, sharp, seed=3).block(*box_px, *size_px).mean(axis=2) for p in (plan, bare)]
    darker = shown[1] - shown[0]
    columns, rows = ((spiked.growth.places_um / 0.25) - box_px).astype(int).T
    assert np.median(darker[rows, columns]) > 15
    near = cv2.dilate(_marked(darker.shape, rows, columns), np.ones((33, 33), np.uint8)) > 0
    assert np.abs(darker[~near]).max() < 3


def _marked(shape: tuple[int, ...], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 1
    return mask


def _glomerulus(seed: int) -> GlomerulusPlan:
    rng = np.random.default_rng(seed)
    return plan_glomerulus(rng, Habit.sample(rng), np.array([300.0, 200.0]), 70.0)


@pytest.mark.parametrize("seed", range(5))
def test_spikes_stand_outwards_half_to_two_and_a_half_micrometres_long_on_bare_membrane(seed: int) -> None:
    plain = _glomerulus(seed)
    assert not plain.spiked
    rng = np.random.default_rng(seed)
    spiked = with_spikes(rng, plain, Lesion.sample(rng, 0.2))
    assert spiked.spiked
    section, away = spiked.section, []
    for stretch in spiked.growth.stretches:
        length_um = np.linalg.norm(stretch.tip_um - stretch.base_um, axis=1)
        assert length_um.min() > 0.49
        assert length_um.max() < 2.7
        gaps_um = np.linalg.norm(np.diff(stretch.base_um, axis=0), axis=1)
        assert 0.5 < np.median(gaps_um) < 2.4
        # tips lie farther from the lumen than the membrane that carries them
        away.append(
            section.at(section.lumen_um, stretch.tip_um) - section.at(section.lumen_um, stretch.base_um)
        )
    assert np.median(np.concatenate(away)) > 0.3


def test_spikes_spread_from_one_short_stretch_to_the_whole_membrane() -> None:
    plain = _glomerulus(7)
    usual = Lesion.sample(np.random.default_rng(0), 0.2)
    shares = []
    for extent in (0.0, 0.5, 1.0):
        plan = with_spikes(np.random.default_rng(1), plain, replace(usual, extent=extent, spacing_um=1.2))
        shares.append(plan.growth.length_um / plan.membrane_um)
    assert 0 < shares[0] < 0.1 < shares[1] < shares[2]
    assert shares[2] > 0.5


def test_every_patient_has_look_alikes_anatomy_stain_and_scanner_of_its_own() -> None:
    plans = [plan_slide(Order(number, 1, 9, 0.0)) for number in range(1, 4)]
    assert len({stain.silver for _, stain, _, _ in plans}) == 3
    assert len({scanner.psf_um for _, _, scanner, _ in plans}) == 3
    counts = [len(g.mimics.strokes) + len(g.mimics.grains) for p, *_ in plans for g in p.glomeruli]
    assert max(counts) > 40
    assert len(set(counts)) == 3


def test_stains_range_from_grey_to_black_and_backgrounds_from_white_to_yellow() -> None:
    stains = [Stain.sample(np.random.default_rng(seed)) for seed in range(60)]
    silver = [np.mean(stain.silver) for stain in stains]
    yellow = [stain.background[0] - stain.background[2] for stain in stains]
    assert min(silver) < 1.3
    assert max(silver) > 2.8
    assert min(yellow) < 0
    assert max(yellow) > 35


def test_membranes_are_about_a_micrometre_thick() -> None:
    thickness = []
    for seed in range(4):
        section = _glomerulus(seed).section
        bare = (np.abs(section.lumen_um) < 0.5) & (section.matrix == 0)
        thickness.append(np.median(section.wall_um[bare]))
    assert min(thickness) > 0.5
    assert 0.8 < np.median(thickness) < 2.5


def test_faces_are_sampled_evenly_and_their_normals_leave_the_lumen() -> None:
    plan = _glomerulus(3)
    for face in plan.faces:
        steps = np.linalg.norm(np.diff(face.line_um, axis=0), axis=1)
        assert abs(np.median(steps) - STEP_UM) < 0.1
        np.testing.assert_allclose(np.linalg.norm(face.out, axis=1), 1, atol=1e-6)


def _alone(
    growth: Growth, stain: Stain, scanner: Scanner, section: Section | None = None
) -> tuple[Visibility, GlomerulusPlan]:
    """Which of the spikes of a glomerulus are seen on its picture, and the glomerulus."""
    plan, _, _, _ = slide_of_the_order()
    spiked = replace(next(g for g in plan.glomeruli if g.spiked), growth=growth)
    spiked = replace(spiked, section=section or spiked.section)
    painter = Painter(replace(plan, glomeruli=(spiked,)), stain, scanner, seed=3)
    return visible_on_slide(painter, spiked), spiked


def test_spikes_are_seen_when_sharp_and_not_when_blurred_or_drowned_in_ink() -> None:
    plan, stain, _, _ = slide_of_the_order()
    growth = next(g for g in plan.glomeruli if g.spiked).growth
    sharp = Scanner(0.25, 40, 0.12, 0.0, (0.0, 0.0), 0.0, 0.5, 1.0, 0.5, "jpeg", 90)
    parts = len(growth.stretches) + len(growth.sheets)
    seen, spiked = _alone(growth, stain, sharp)
    assert len(seen) == parts
    assert np.mean(seen[: len(growth.stretches)]) > 0.8
    assert not any(_alone(growth, stain, replace(sharp, psf_um=1.2))[0])
    drowned = replace(spiked.section, wall_um=spiked.section.wall_um + 4.0)
    assert not any(_alone(growth, stain, sharp, drowned)[0][: len(growth.stretches)])
    assert not only(spiked.growth, (False,) * parts).lines_um
    kept = only(spiked.growth, (True,) + (False,) * (parts - 1))
    assert kept.stretches == growth.stretches[:1]


def test_a_glomerulus_of_whose_spikes_none_can_be_seen_is_undetermined(tmp_path: Path) -> None:
    plan, _, _, rng = slide_of_the_order()
    hidden = tuple((False,) * len(g.growth.lines_um) for g in plan.glomeruli)
    write_truth(tmp_path / "a.xml", plan.glomeruli, hidden, 0.25, 1.0, rng)
    write_spikes(tmp_path / "a.json", plan.glomeruli, hidden, 0.25)
    layers = {layer.name: layer.regions for layer in read_imagescope(tmp_path / "a.xml")}
    assert len(layers["Undetermined glomeruli"]) == 1
    assert not layers["Spiked glomeruli"]
    assert not layers["Spike tiles"]
    spiked = next(one for one in read_spikes(tmp_path / "a.json") if one.spiked)
    assert spiked.stretches0
    assert not any(spiked.seen)
    assert spiked.spiked_share == spiked.spikes_per_100_um == 0


def test_a_fur_is_dense_and_rises_from_a_half_dense_zone_and_a_comb_is_not() -> None:
    rng = np.random.default_rng(0)
    furs, combs = ([kind(rng, 0.15) for _ in range(60)] for kind in (Lesion.fur, Lesion.comb))
    assert np.median([one.spacing_um for one in furs]) < 1.0 < np.median([one.spacing_um for one in combs])
    assert all(0.8 <= one.length_um < 2.2 for one in furs)
    assert sum(one.extent == 1 for one in furs) > 2 * sum(one.extent == 1 for one in combs)
    assert all(one.zone is None for one in combs)
    plain = _glomerulus(2)
    (stretch, *_) = with_spikes(rng, plain, furs[0]).growth.stretches
    zone = stretch.bands[0]
    assert 0.1 < zone.silver < 0.6
    depth_um = np.linalg.norm(zone.outer_um - zone.inner_um, axis=1)
    assert 0.5 < np.median(depth_um) < 3.0


def test_where_there_is_no_edge_the_distance_to_it_is_a_number() -> None:
    far_um = depth_in(np.array([[-9.0, -9.0], [-8.0, -9.0], [-8.0, -8.0]]), np.zeros(2), (40, 60))
    assert np.isfinite(far_um).all()
    assert (far_um < 0).all()


def test_an_empty_part_of_the_tuft_has_no_nuclei() -> None:
    assert spread(np.random.default_rng(0), shapely.Polygon(), 5.0).shape == (0, 2)


def test_a_table_that_is_not_of_phantoms_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "samples.csv").write_text("image,patient\nmine.svs,p\n")
    with pytest.raises(SystemExit) as end:
        cli.main(["phantom", "--out", str(tmp_path), "--slides", "1"])
    assert end.value.code == 1
    assert "samples.csv: is not of phantoms and is not replaced" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["samples.csv"]
