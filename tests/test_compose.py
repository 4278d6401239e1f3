"""Composed fields: glomeruli of crops set into tissue, whose outlines are then known."""

from pathlib import Path

import numpy as np
import pytest
from discs import disc_mask, disc_picture

from glomspike.detect.compose import LARGEST_DIAMETER_UM, LEAST_DIAMETER_UM, composed, set_in
from glomspike.detect.cut import KnownGlomerulus
from glomspike.learn.samples import Sample
from glomspike.learn.truth import Picture, Truth, outlined

MPP = 4.0
SIDE_PX = 128
TURN = np.linspace(0, 2 * np.pi, 90, endpoint=False)


def crop() -> Picture:
    """A dark disc of 80 px radius in the middle of a bright crop."""
    disc = [(112.0, 112.0, 80.0)]
    assert disc_mask(224, 224, disc).any()
    outline = 112 + 80 * np.stack([np.cos(TURN), np.sin(TURN)], axis=1)
    sample = Sample(Path("t.csv"), Path("c.png"), None, None, None, None, "p", "train")
    return Picture(sample, disc_picture(224, 224, disc), None, Truth((outlined(outline),), np.zeros((0, 4))))


def tissue(seed: int) -> np.ndarray:
    """Bright ground with the texture of tissue."""
    return np.random.default_rng(seed).integers(150, 256, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_outlines_are_true_of_what_was_set_in(seed: int) -> None:
    ground, rng = tissue(seed), np.random.default_rng(seed)
    pixels, glomeruli = composed(ground, [], [[crop()]], tissue(9), MPP, rng)
    for known in glomeruli:
        circle = outlined(known.outline_px)
        assert LEAST_DIAMETER_UM - 1 <= 2 * circle.radius_px * MPP <= LARGEST_DIAMETER_UM + 1
        inside = disc_mask(SIDE_PX, SIDE_PX, [(circle.x_px, circle.y_px, 0.4 * circle.radius_px)])
        # A disc of one colour, in place of the ground's noise.
        assert pixels[inside].std(axis=0).max() < 0.6 * ground[inside].std()


def test_glomeruli_keep_clear_of_one_another() -> None:
    known = KnownGlomerulus(64 + 30 * np.stack([np.cos(TURN), np.sin(TURN)], axis=1))
    for seed in range(10):
        _, glomeruli = composed(
            tissue(seed), [known], [[crop()]], tissue(9), MPP, np.random.default_rng(seed)
        )
        circles = [outlined(one.outline_px) for one in glomeruli]
        for number, one in enumerate(circles):
            for other in circles[:number]:
                apart = np.hypot(one.x_px - other.x_px, one.y_px - other.y_px)
                assert apart > one.radius_px + other.radius_px


def test_some_of_what_is_set_in_is_no_glomerulus() -> None:
    changed_without_outline = 0
    for seed in range(60):
        ground = tissue(seed)
        pixels, glomeruli = composed(
            ground, [], [[crop()]], 255 - tissue(9), MPP, np.random.default_rng(seed)
        )
        if not glomeruli and not np.array_equal(pixels, ground):
            changed_without_outline += 1
    assert changed_without_outline > 0


def test_composing_is_repeatable() -> None:
    one, other = (composed(tissue(1), [], [[crop()]], tissue(2), MPP, np.random.default_rng(5)) for _ in "ab")
    assert np.array_equal(one[0], other[0])
    assert all(np.array_equal(a.outline_px, b.outline_px) for a, b in zip(one[1], other[1], strict=True))


def test_a_crop_set_in_comes_as_near_to_the_tissue_as_is_wanted() -> None:
    ground, centre = tissue(3) // 2 + 100, np.array([64.0, 64.0])
    inside = disc_mask(SIDE_PX, SIDE_PX, [(64, 64, 18)])
    differences = []
    for alike in (0.0, 1.0):
        pixels = ground.copy()
        set_in(pixels, crop(), centre, 24.0, np.random.default_rng(1), alike=alike)
        differences.append(abs(pixels[inside].mean() - ground[inside].mean()))
    assert differences[1] < 0.5 * differences[0]
