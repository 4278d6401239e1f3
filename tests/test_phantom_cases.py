"""Phantom cases: one solid cut at several levels, with the truth of which profile is which."""

import csv
import json
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import openslide
import pytest
import shapely
from click.testing import CliRunner

from glomspike.cli.phantom import command
from glomspike.phantom.cases import CaseOrder, Laying, PlannedCase, plan_case, write_case
from glomspike.phantom.other_stains import MARKERS
from glomspike.phantom.placement import Placement, rotation, sample_tear
from glomspike.phantom.sections import box_um
from glomspike.phantom.solid import LEAST_PROFILE_UM, Surface3D, sample_block
from glomspike.phantom.solid_tuft import DepthGenerator
from glomspike.phantom.spikes import Lesion

WILD = Laying(any_turn=1.0, mirrored=0.5, torn=0.5, other_stains=1.0, together=0.5)
ORDER = CaseOrder(number=1, levels=4, glomeruli=4, seed=6, laying=WILD)
TISSUE = np.array([[0.0, 0.0], [1500, 0], [1500, 900], [0, 900]])


@cache
def case() -> PlannedCase:
    return plan_case(ORDER)


def test_profiles_of_a_glomerulus_lie_over_each_other_in_the_block_and_change_size() -> None:
    seen: dict[int, list[shapely.Polygon]] = {}
    for slide in case().slides:
        for section in slide.sections:
            for number, capsule in zip(section.numbers, section.capsules_um, strict=True):
                seen.setdefault(number, []).append(shapely.Polygon(capsule))
    assert set(seen) == {1, 2, 3, 4}
    for profiles in seen.values():
        for one, next_one in pairwise(profiles):
            assert one.intersection(next_one).area > 0.5 * min(one.area, next_one.area)
    assert any(np.ptp([profile.area for profile in profiles]) > 500 for profiles in seen.values())


def test_a_glomerulus_appears_grows_and_vanishes_with_depth() -> None:
    ball = Surface3D.sample(np.random.default_rng(1), np.zeros(2), 100.0, 90.0)
    radii = [ball.radius_at(depth) for depth in (0.0, 20.0, 60.0, 100.0, 150.0, 200.0)]
    assert radii[0] == radii[-1] == 0
    assert radii[1] < radii[2] < radii[3] == pytest.approx(90)
    assert radii[4] < radii[3]
    shown = shapely.Polygon(ball.outline_at(100.0))
    assert np.sqrt(shown.area / np.pi) == pytest.approx(90, rel=0.1)


def test_no_profile_is_smaller_than_what_could_be_called_a_glomerulus() -> None:
    for slide in case().slides:
        for section in slide.sections:
            for capsule in section.capsules_um:
                assert np.sqrt(shapely.Polygon(capsule).area / np.pi) > 0.85 * LEAST_PROFILE_UM


def test_textures_change_smoothly_with_depth() -> None:
    def field(depth_um: float) -> np.ndarray:
        return DepthGenerator(3, depth_um, 12.0).standard_normal((200, 200), dtype=np.float32)

    start = field(0.0).ravel()
    alike = [np.corrcoef(start, field(depth).ravel())[0, 1] for depth in (0.0, 3.0, 8.0, 24.0)]
    assert alike[0] == pytest.approx(1)
    assert alike[0] > alike[1] > 0.8 > alike[2] > 0.3 > abs(alike[3])
    assert field(5.0).std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_place_of_the_block_is_found_again_on_the_slide(mirrored: bool) -> None:
    rng = np.random.default_rng(4)
    tear = sample_tear(rng, TISSUE, [])
    assert tear is not None
    placement = Placement.sample(rng, TISSUE, 2.0, mirrored=mirrored, tear=tear).moved_to(np.array([70.0, 9]))
    points = rng.uniform(TISSUE.min(axis=0), TISSUE.max(axis=0), size=(200, 2))
    slide, far = placement.to_slide(points), tear.side_um(points) >= 0
    assert 0 < far.sum() < 200
    np.testing.assert_allclose(placement.to_block(slide[far], far=True), points[far], atol=0.01)
    np.testing.assert_allclose(placement.to_block(slide[~far]), points[~far], atol=0.01)


def test_sections_are_stretched_by_up_to_three_percent() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        placement = Placement.sample(rng, TISSUE, 1.0, mirrored=False, tear=None)
        start = rng.uniform(200, 700, size=(50, 2))
        stop = start + 20 * np.array([1.0, 0]) @ rotation(rng.uniform(0, 6))
        ratio = np.linalg.norm(placement.to_slide(stop) - placement.to_slide(start), axis=1) / 20
        assert (np.abs(ratio - 1) < 0.032).all()


def test_a_tear_spares_glomeruli_and_parts_the_tissue() -> None:
    rng = np.random.default_rng(6)
    turn = np.linspace(0, 2 * np.pi, 40)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1) * 90
    capsules = [ring + at for at in ([400, 450], [1100, 450])]
    tear = sample_tear(rng, TISSUE, capsules)
    assert tear is not None
    for capsule in capsules:
        assert len(set(tear.side_um(capsule) >= 0)) == 1
    placement = Placement.sample(rng, TISSUE, 0.0, mirrored=False, tear=tear)
    along = np.array([-tear.across[1], tear.across[0]])
    near, far = tear.at_um - 6 * tear.across + 0 * along, tear.at_um + 6 * tear.across
    gap = np.linalg.norm(np.diff(placement.to_slide(np.stack([near, far])), axis=0))
    assert gap > 25


def test_a_case_has_silver_and_each_section_a_place_of_its_own() -> None:
    markers = [slide.marker for slide in case().slides]
    assert "silver" in markers
    assert set(markers) <= {"silver", *MARKERS}
    assert sum(len(slide.sections) for slide in case().slides) == 4
    for slide in case().slides:
        boxes = [
            shapely.box(*low, *high)
            for low, high in (box_um(s.placement, s.tissue_um) for s in slide.sections)
        ]
        assert shapely.union_all(boxes).area == pytest.approx(sum(box.area for box in boxes))
        assert (np.array(shapely.union_all(boxes).bounds[2:]) <= slide.size_um + 1).all()


def test_loops_go_on_from_one_level_to_the_next() -> None:
    lesion = Lesion.sample(np.random.default_rng(2), 0.2)
    blocks = (sample_block(np.random.default_rng(seed), 1, (0.0, 30.0), lesion) for seed in range(2, 20))
    glomeruli = (block.glomeruli[0] for block in blocks)
    glomerulus = next(one for one in glomeruli if one.is_shown(10.0) and one.is_shown(25.0))
    start, near, far = (glomerulus.cut(depth).section.lumen_um < 0 for depth in (10.0, 12.0, 25.0))

    def alike(one: np.ndarray, other: np.ndarray) -> float:
        return float((one & other).sum() / (one | other).sum())

    assert alike(start, near) > 1.5 * alike(start, far)


@pytest.mark.slow
def test_a_case_is_written_as_slides_whose_truth_fits_the_pixels(tmp_path: Path) -> None:
    order = replace(ORDER, levels=2, glomeruli=1, laying=replace(WILD, together=1.0, torn=0.0))
    rows = write_case(order, tmp_path)
    assert [row[0] for row in rows] == ["case-0001"]
    truth = json.loads((tmp_path / "case-0001.json").read_text())
    assert len(truth["sections"]) == 2
    with openslide.OpenSlide(tmp_path / str(rows[0][1])) as slide:
        grey = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("L"), dtype=float)
    numbers = set()
    for section in truth["sections"]:
        tissue = shapely.Polygon(section["tissue0"])
        left, top, right, bottom = (int(edge) for edge in tissue.bounds)
        inside = grey[top:bottom, left:right].std()
        assert inside > 2 * grey[:300, :300].std()
        for profile in section["profiles"]:
            numbers.add(profile["glomerulus"])
            outline = shapely.Polygon(profile["outline0"])
            assert tissue.buffer(10).contains(outline)

            def along(inwards_um: float, outline: shapely.Polygon = outline) -> float:
                ring = np.array(outline.buffer(-inwards_um / truth["mpp"]).exterior.coords).astype(int)
                return float(grey[ring[:, 1], ring[:, 0]].mean())

            # Bowman's capsule, of whatever thickness, is a dark line along the outline
            assert min(along(0.5), along(1.0), along(2.0)) < along(10.0) - 5
    assert numbers == {1}


def test_the_command_writes_the_table_of_cases(tmp_path: Path) -> None:
    line = ["--out", str(tmp_path), "--cases", "1", "--levels", "1", "--glomeruli", "0"]
    assert CliRunner().invoke(command, line).exit_code == 0
    with (tmp_path / "cases.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["case"] == "case-0001"
    assert (row["modality"], row["marker"], row["level"], row["block"]) == ("om", "silver", "1", "A")
    assert (tmp_path / row["image"]).exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [(["--levels", "3"], "add --cases N"), (["--cases", "1", "--slides", "1"], "exclude each other")],
)
def test_levels_without_cases_and_slides_with_cases_are_refused(
    tmp_path: Path, line: list[str], said: str
) -> None:
    result = CliRunner().invoke(command, ["--out", str(tmp_path / "out"), *line])
    assert result.exit_code != 0
    assert said in str(result.exception) + result.output
    assert not (tmp_path / "out").exists()
