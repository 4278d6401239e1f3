"""The synthetic spikes' networks: generator, discriminator, adaptive augmentation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from glomspike.classify.synthesis.adaptive import MOST, TARGET, adapted, augmented, moved, recoloured
from glomspike.classify.synthesis.discriminator import Discriminator
from glomspike.classify.synthesis.generator import Generator, ModulatedConv
from glomspike.classify.synthesis.layers import blurred, doubled
from glomspike.classify.synthesis.train import gradient_penalty


def test_a_modulated_convolution_is_one_with_scaled_and_normalised_weights_for_each_picture() -> None:
    torch.manual_seed(0)
    convolution = ModulatedConv(5, 7, 3, 4, demodulate=True)
    x, style = torch.randn(3, 5, 8, 8), torch.randn(3, 4)
    scales = convolution.scales(style)
    for i in range(3):
        weight = convolution.weight * convolution.gain * scales[i][None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = functional.conv2d(x[i : i + 1], weight, padding=1)
        torch.testing.assert_close(convolution(x, style)[i : i + 1], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("side_px", [8, 32])
def test_networks_make_and_take_pictures_of_their_side(side_px: int) -> None:
    torch.manual_seed(0)
    pictures = Generator(side_px, 6)(torch.randn(4, 6))
    assert pictures.shape == (4, 3, side_px, side_px)
    assert Discriminator(side_px, 6)(pictures).shape == (4,)


def test_pictures_differ_by_their_numbers_and_hardly_by_noise_that_is_not_learnt_yet() -> None:
    torch.manual_seed(0)
    generator = Generator(16, 8)
    z = torch.randn(2, 8)
    torch.testing.assert_close(generator(z), generator(z))
    assert not torch.allclose(generator(z)[0], generator(z)[1])


def test_halving_and_doubling_keep_what_is_smooth_in_its_place() -> None:
    ramp = torch.arange(16.0).expand(1, 2, 16, 16)
    halved = blurred(ramp, 0)[..., ::2, ::2]
    assert halved.shape == (1, 2, 8, 8)
    torch.testing.assert_close(halved[0, 0, 3, 1:-1], torch.arange(2.5, 14, 2))
    torch.testing.assert_close(doubled(halved)[0, 0, 7, 3:-3], torch.arange(3.0, 13))


def test_the_gradient_penalty_is_the_squared_slope() -> None:
    class Slope(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 3 * x.sum(dim=(1, 2, 3)) / 4

    assert float(gradient_penalty(Slope(), torch.zeros(5, 1, 4, 4))) == pytest.approx(16 * (3 / 4) ** 2)


def test_the_penalty_reaches_every_weight_of_the_discriminator_that_its_slope_depends_on() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(16, 4)
    gradient_penalty(discriminator, torch.randn(4, 3, 16, 16)).backward()
    weights = {name: p.grad for name, p in discriminator.named_parameters() if name.endswith("weight")}
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in weights.values())


def test_p_rises_while_the_discriminator_overfits_falls_while_it_does_not_and_stays_in_bounds() -> None:
    p = 0.0
    for _ in range(3):
        p = adapted(p, TARGET + 0.1, 0.1)
    assert p == pytest.approx(0.3)
    assert adapted(p, TARGET - 0.1, 0.1) == pytest.approx(0.2)
    assert adapted(0.0, 0.0, 0.1) == 0
    assert adapted(0.79, 1.0, 0.1) == MOST


def test_at_p_of_zero_nothing_is_changed() -> None:
    pictures = torch.randn(4, 3, 16, 16)
    assert augmented(pictures, 0) is pictures


@given(seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_moved_pixels_are_pixels_of_the_picture_within_an_eighth_turned_or_mirrored(seed: int) -> None:
    torch.manual_seed(seed)
    side = 16
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    picture = torch.stack([x, y, x * 0]).float()[None]
    found = moved(picture, 1.0)[0, :2].numpy()
    middle = found[:, 4:12, 4:12]  # nothing reflected within an eighth of the border
    step_x, step_y = np.diff(middle, axis=2), np.diff(middle, axis=1)
    assert np.abs(step_x).sum(axis=0).max() == np.abs(step_y).sum(axis=0).max() == 1
    assert np.ptp(step_x, axis=(1, 2)).max() == np.ptp(step_y, axis=(1, 2)).max() == 0
    assert np.abs(found.mean(axis=(1, 2)) - 7.5).max() <= 2


def test_moving_reaches_all_eight_directions() -> None:
    torch.manual_seed(0)
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 2, 3] = picture[0, 0, 2, 4] = picture[0, 0, 3, 3] = 1
    found = {tuple(map(tuple, np.argwhere(m.numpy() > 0) - np.argwhere(m.numpy() > 0).min(axis=0)))
             for m in moved(picture.expand(400, -1, -1, -1), 1.0)[:, 0]}  # fmt: skip
    assert len(found) == 4  # an angle and its mirror image have the same four
    picture[0, 0, 2, 5] = 1
    found = {tuple(map(tuple, np.argwhere(m.numpy() > 0) - np.argwhere(m.numpy() > 0).min(axis=0)))
             for m in moved(picture.expand(400, -1, -1, -1), 1.0)[:, 0]}  # fmt: skip
    assert len(found) == 8


def test_other_colours_keep_the_picture_and_let_gradients_through() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(8, 3, 16, 16, requires_grad=True)
    changed = recoloured(pictures, 1.0)
    for before, after in zip(pictures.detach().flatten(2), changed.detach().flatten(2), strict=True):
        design = torch.cat([before, torch.ones(1, before.shape[1])]).T
        left_over = design @ torch.linalg.lstsq(design, after.T).solution - after.T
        assert float(left_over.abs().max()) < 1e-4  # colours change alike all over the picture
    changed.sum().backward()
    assert pictures.grad is not None
    assert float(pictures.grad.abs().min()) > 0


def test_a_turn_of_hue_leaves_grey_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(torch, "randn", torch.zeros)
    coloured = torch.rand(6, 3, 4, 4)
    grey = coloured.mean(dim=1, keepdim=True).expand_as(coloured)
    torch.testing.assert_close(recoloured(grey, 1.0), grey, atol=1e-5, rtol=1e-5)
    changed = recoloured(coloured, 1.0)
    torch.testing.assert_close(changed.norm(dim=1), coloured.norm(dim=1), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(changed, coloured, atol=1e-2)
