"""Losses: values worked out by hand, gradients, and errors."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from srlib.losses.pixel import charbonnier, l1, low_frequency_l1, mse, periodic_l1, total_variation
from srlib.losses.weighted import Weighted


@pytest.fixture
def pair():
    rng = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 5, 7, generator=rng), torch.rand(2, 3, 5, 7, generator=rng)


def test_known_values():
    sr, hr = torch.zeros(1, 1, 2, 2), torch.tensor([[[[0.0, 0.1], [0.2, 0.5]]]])
    assert l1(sr, hr).item() == pytest.approx(0.2)
    assert mse(sr, hr).item() == pytest.approx((0.01 + 0.04 + 0.25) / 4)
    expected = sum(math.sqrt(d * d + 1e-6) for d in (0, 0.1, 0.2, 0.5)) / 4
    assert charbonnier(sr, hr).item() == pytest.approx(expected)
    # down: 0.2 and 0.4, right: 0.1 and 0.3
    assert total_variation(hr).item() == pytest.approx(0.3 + 0.2)


def test_the_minimum_of_mse_is_the_mean_and_of_l1_the_median():
    answers = torch.tensor([0.0, 0.1, 0.8]).view(3, 1, 1, 1)
    grid = torch.linspace(0, 1, 1001)
    for loss, best in ((mse, 0.3), (l1, 0.1)):
        values = torch.stack([loss(guess.expand(3, 1, 1, 1), answers) for guess in grid])
        assert grid[values.argmin()].item() == pytest.approx(best, abs=1e-3)


def test_charbonnier_at_zero_is_epsilon_and_far_away_is_l1(pair):
    sr, hr = pair
    assert charbonnier(hr, hr, 1e-3).item() == pytest.approx(1e-3, rel=1e-5)
    assert charbonnier(sr + 100, hr).item() == pytest.approx(l1(sr + 100, hr).item(), rel=1e-6)


def test_total_variation_of_a_constant_is_zero_and_ignores_brightness(pair):
    sr, hr = pair
    assert total_variation(torch.full((1, 2, 3, 4), 0.7)) == 0
    torch.testing.assert_close(total_variation(sr + 0.25, hr), total_variation(sr), atol=1e-6, rtol=0)


@pytest.mark.parametrize("loss", [l1, mse, charbonnier, total_variation, periodic_l1])
def test_gradients(loss, pair):
    sr, hr = (image.double().requires_grad_(True) for image in pair)
    assert gradcheck(loss, (sr, hr), atol=1e-6)


def test_weighted_is_the_sum_and_names_its_parts(pair):
    sr, hr = (image.requires_grad_(True) for image in pair)
    total, parts = Weighted(pixel=(2.0, l1), smooth=(0.5, total_variation))(sr, hr)
    assert list(parts) == ["pixel", "smooth"]
    torch.testing.assert_close(parts["pixel"], 2 * l1(sr, hr).detach())
    torch.testing.assert_close(total, 2 * l1(sr, hr) + 0.5 * total_variation(sr))
    assert total.requires_grad and not parts["pixel"].requires_grad


def test_weighted_computes_in_float32(pair):
    sr, hr = pair
    total, _ = Weighted(pixel=(1.0, mse))(hr.bfloat16() + 0, hr.bfloat16())
    assert total.dtype == torch.float32 and total == 0
    total, _ = Weighted(pixel=(1.0, mse))(sr.bfloat16(), hr)
    torch.testing.assert_close(total, mse(sr.bfloat16().float(), hr))


@pytest.mark.parametrize("loss", [l1, mse, charbonnier])
def test_shapes_that_would_broadcast_are_refused(loss):
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\) and \(2, 3, 4, 4\)"):
        loss(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 4, 4))


def test_other_errors():
    with pytest.raises(ValueError, match="epsilon must be positive, got 0"):
        charbonnier(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), 0)
    with pytest.raises(ValueError, match="at least 2 x 2"):
        total_variation(torch.zeros(1, 1, 1, 5))
    with pytest.raises(ValueError, match="at least one term"):
        Weighted()
    with pytest.raises(ValueError, match="'pixel' must be a finite number, got nan"):
        Weighted(pixel=(math.nan, l1))


def test_coarse_sees_a_tint_and_no_detail():
    hr = torch.full((2, 3, 35, 50), 0.5)
    tint = torch.tensor([0.1, 0.0, -0.2]).view(3, 1, 1)
    assert low_frequency_l1(hr + tint, hr).item() == pytest.approx(0.1)
    board = 0.2 * (-1.0) ** (torch.arange(35)[:, None] + torch.arange(50))
    assert low_frequency_l1(hr + board, hr).item() == pytest.approx(0, abs=1e-6) and l1(hr + board, hr).item() > 0.1
    assert low_frequency_l1(hr + tint, hr, 1).item() == pytest.approx(l1(hr + tint, hr).item())
    with pytest.raises(ValueError, match="at least 16 x 16 pixels"):
        low_frequency_l1(hr[..., :15], hr[..., :15])


def test_repeating_sees_a_grid_of_its_period_and_no_other():
    hr = torch.rand(2, 3, 39, 50, generator=torch.Generator().manual_seed(2))
    dots = torch.zeros(39, 50)
    dots[1::4, 2::4] = 1.6
    assert periodic_l1(hr + dots, hr).item() == pytest.approx(0.1, rel=1e-5)  # one place of sixteen
    assert periodic_l1(hr - 0.2, hr).item() == pytest.approx(0.2, rel=1e-5)
    board = 0.5 * (-1.0) ** (torch.arange(39)[:, None] + torch.arange(50))
    assert periodic_l1(hr + board, hr, 2).item() == pytest.approx(0.5, rel=1e-5)
    assert periodic_l1(hr + board, hr, 3).item() < 0.05
    for top in range(4):
        for left in range(4):
            part = (..., slice(top, 39), slice(left, 50))
            assert periodic_l1((hr + dots)[part], hr[part]).item() == pytest.approx(0.1, rel=1e-5)
    with pytest.raises(ValueError, match="at least 4 x 4 pixels"):
        periodic_l1(hr[..., :3], hr[..., :3])
