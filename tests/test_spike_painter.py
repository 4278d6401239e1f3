"""Spikes painted on photographs: on the outer side of capillary walls, and nowhere else."""

import cv2
import numpy as np
import pytest

from datasets.spike_painter import (
    Lesion,
    chosen_stretches,
    find_membranes,
    optical_density,
    with_spikes,
    with_thickening,
)

MPP = 0.25
SIDE = 240
PAPER, BLACK, BLUE = (225, 220, 230), (30, 25, 35), (60, 60, 190)
RADIUS_UM, WALL_UM = 8.0, 1.2
LESION = Lesion(extent=1.0, length_um=1.4, spacing_um=1.4, width_um=0.45, form="bristle")
MIDDLE = (SIDE / 2, SIDE / 2)


def picture(*middles, colour=BLACK):
    """Loops on light ground: the outer radius of each is `RADIUS_UM`."""
    fine = np.full((SIDE * 8, SIDE * 8, 3), PAPER, np.uint8)
    for x, y in middles:
        radius = round((RADIUS_UM - WALL_UM / 2) / MPP * 8)
        cv2.circle(fine, (round(x * 8), round(y * 8)), radius, colour, round(WALL_UM / MPP * 8))
    small = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 0.25 / MPP)


def inside():
    return cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (SIDE // 2, SIDE // 2), SIDE // 2 - 4, 1, -1) > 0


def distance_um(points, middle=MIDDLE):
    return np.linalg.norm(points - np.array(middle), axis=-1) * MPP


def from_middle_um():
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return distance_um(np.stack([x, y], axis=-1))


def test_a_loop_is_found_along_its_outer_edge():
    found = find_membranes(picture(MIDDLE), inside(), MPP)
    edge = np.concatenate([membrane.edge_px for membrane in found])
    assert sum(membrane.length_um for membrane in found) == pytest.approx(2 * np.pi * 7.4, rel=0.2)
    np.testing.assert_allclose(distance_um(edge), RADIUS_UM, atol=0.4)


def test_outward_is_away_from_the_lumen():
    for membrane in find_membranes(picture(MIDDLE), inside(), MPP):
        ahead = distance_um(membrane.edge_px + membrane.outward) - distance_um(membrane.edge_px)
        np.testing.assert_allclose(ahead, MPP, rtol=0.05)


def test_the_blur_found_is_the_pictures():
    (membrane,) = find_membranes(picture(MIDDLE), inside(), MPP)
    assert membrane.blur_um == pytest.approx(0.25, abs=0.1)


def test_blue_rings_are_no_membranes():
    black, blue = picture((60, 120)), picture((180, 120), colour=BLUE)
    found = find_membranes(np.minimum(black, blue), inside(), MPP)
    assert found
    assert all((membrane.edge_px[:, 0] < 120).all() for membrane in found)


def test_a_wall_between_two_lumens_has_no_outer_side():
    apart_px = (2 * RADIUS_UM - WALL_UM) / MPP
    left, right = (SIDE / 2 - apart_px / 2, SIDE / 2), (SIDE / 2 + apart_px / 2, SIDE / 2)
    edge = np.concatenate([m.edge_px for m in find_membranes(picture(left, right), inside(), MPP)])
    assert (distance_um(edge) > 2.0).all()
    assert (edge[:, 0] < SIDE / 2).any()
    assert (edge[:, 0] > SIDE / 2).any()


def test_spikes_stand_on_the_outer_side_only():
    plain = picture(MIDDLE)
    membranes = find_membranes(plain, inside(), MPP)
    painted, middles = with_spikes(np.random.default_rng(0), plain, membranes, LESION, MPP)
    added = optical_density(painted) - optical_density(plain)
    radius = from_middle_um()
    assert np.abs(added[radius < RADIUS_UM - WALL_UM - 0.5]).max() < 0.05
    assert np.abs(added[radius > RADIUS_UM + 1.5 * LESION.length_um + 1.0]).max() < 0.05
    assert added[(radius > RADIUS_UM) & (radius < RADIUS_UM + 1.2)].max() > 0.5
    assert ((distance_um(middles) > RADIUS_UM) & (distance_um(middles) < RADIUS_UM + 1.5)).all()


def test_spikes_stand_about_their_spacing_apart():
    plain = picture(MIDDLE)
    membranes = find_membranes(plain, inside(), MPP)
    _, middles = with_spikes(np.random.default_rng(0), plain, membranes, LESION, MPP)
    length_um = sum(membrane.length_um for membrane in membranes)
    assert len(middles) == pytest.approx(length_um / LESION.spacing_um, rel=0.25)


@pytest.mark.parametrize("form", ["bristle", "club", "joined"])
def test_every_form_leaves_gaps_that_a_thickening_does_not(form):
    plain = picture(MIDDLE)
    membranes = find_membranes(plain, inside(), MPP)
    lesion = Lesion(1.0, 1.5, 1.8, 0.45, form)
    spiked, _ = with_spikes(np.random.default_rng(1), plain, membranes, lesion, MPP)
    thick = with_thickening(plain, membranes, lesion, MPP)

    def unevenness(pixels):
        ring = (from_middle_um() > RADIUS_UM + 0.3) & (from_middle_um() < RADIUS_UM + 0.55)
        return optical_density(pixels).mean(axis=2)[ring].std()

    assert unevenness(spiked) > 2 * unevenness(thick)


def test_a_thickening_brings_about_as_much_ink_as_spikes():
    plain = picture(MIDDLE)
    membranes = find_membranes(plain, inside(), MPP)
    spiked, _ = with_spikes(np.random.default_rng(0), plain, membranes, LESION, MPP)
    thick = with_thickening(plain, membranes, LESION, MPP)
    ink = [(optical_density(pixels) - optical_density(plain)).sum() for pixels in (spiked, thick)]
    assert ink[0] == pytest.approx(ink[1], rel=0.5)


def test_the_same_seed_paints_the_same():
    plain = picture(MIDDLE)
    membranes = find_membranes(plain, inside(), MPP)
    one, other, third = (
        with_spikes(np.random.default_rng(seed), plain, membranes, LESION, MPP)[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, other)
    assert (one != third).any()


@pytest.mark.parametrize("extent", [0.1, 0.5, 1.0])
def test_stretches_make_up_the_extent(extent):
    places = [(x, y) for x in (45, 120, 195) for y in (75, 165)]
    membranes = find_membranes(picture(*places), np.ones((SIDE, SIDE), bool), MPP)
    whole_um = sum(membrane.length_um for membrane in membranes)
    longest_um = max(membrane.length_um for membrane in membranes)
    chosen = chosen_stretches(np.random.default_rng(0), membranes, extent)
    share_um = sum(stretch.length_um for stretch in chosen)
    assert extent * whole_um <= share_um + 1e-6
    assert share_um <= extent * whole_um + longest_um
