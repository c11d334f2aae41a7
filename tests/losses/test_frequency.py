"""Losses on spectra: values by hand, Parseval, gradients, and what each of them cannot see."""

import math

import pytest
import torch

from srlib.losses.frequency import _mean, amplitude_l1, focal_frequency, spectral_l1
from srlib.losses.pixel import mse

LOSSES = [spectral_l1, amplitude_l1, focal_frequency]
ODD = [(7, 9), (8, 8), (5, 12), (1, 1), (2, 1), (1, 2), (33, 16)]


def pair(height, width, dtype=torch.float64):
    rng = torch.Generator().manual_seed(height * 100 + width)
    return (torch.rand(2, 3, height, width, generator=rng, dtype=dtype) for _ in range(2))


def cosine(size, cycles):
    return torch.cos(2 * math.pi * cycles * torch.arange(size) / size).expand(1, 1, size, size)


@pytest.mark.parametrize(
    "picture, values",
    [
        (torch.eye(4)[1][:, None] * torch.eye(4)[2], (0.25, 0.25, 0.0625)),  # a point: every bin has modulus 1/4
        (torch.full((8, 8), 0.5), (0.0625, 0.0625, 0.25)),  # one bin of 64, with 4
        (cosine(8, 1)[0, 0], (0.125, 0.125, 0.5)),  # two bins with 4
        (cosine(8, 4)[0, 0], (0.125, 0.125, 1.0)),  # Nyquist: one bin with 8, that no other mirrors
    ],
)
def test_values_by_hand(picture, values):
    found = [loss(picture[None, None], torch.zeros(1, 1, *picture.shape)).item() for loss in LOSSES]
    assert found == pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize("size", ODD)
def test_half_a_spectrum_counts_as_the_whole(size):
    sr, hr = pair(*size)
    whole = torch.fft.fft2(sr - hr, norm="ortho").abs()
    assert spectral_l1(sr, hr).item() == pytest.approx(whole.mean().item(), rel=1e-12)
    half = torch.fft.rfft2(sr - hr, norm="ortho").abs().square()
    assert _mean(half, size[1]).item() == pytest.approx(mse(sr, hr).item(), rel=1e-12)  # Parseval
    amplitudes = (torch.fft.fft2(sr, norm="ortho").abs() - torch.fft.fft2(hr, norm="ortho").abs()).abs()
    assert amplitude_l1(sr, hr).item() == pytest.approx(amplitudes.mean().item(), rel=1e-12)


@pytest.mark.parametrize("size", [(7, 9), (8, 6)])
def test_the_focal_loss_from_its_equations(size):
    sr, hr = pair(*size)
    difference = torch.fft.fft2(sr, norm="ortho") - torch.fft.fft2(hr, norm="ortho")
    weight = difference.abs() / difference.abs().amax((-2, -1), keepdim=True)
    assert focal_frequency(sr, hr).item() == pytest.approx((weight * difference.abs() ** 2).mean().item(), rel=1e-12)
    assert focal_frequency(sr, hr, alpha=0).item() == pytest.approx(mse(sr, hr).item(), rel=1e-12)
    assert focal_frequency(sr, hr) < mse(sr, hr)


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_pictures_cost_nothing_and_others_have_a_gradient(loss):
    sr, hr = pair(7, 9)
    assert loss(hr, hr) == 0
    sr.requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(sr, hr), sr)
    assert gradient.isfinite().all() and gradient.abs().mean() > 1e-6
    (gradient,) = torch.autograd.grad(loss(sr, sr.detach()), sr)
    assert (gradient == 0).all()  # not NaN, where moduli are zero


@pytest.mark.parametrize("loss", [spectral_l1, amplitude_l1])
def test_gradients_are_those_of_the_values(loss):
    sr, hr = pair(5, 6)
    assert torch.autograd.gradcheck(loss, (sr.requires_grad_(True), hr))


def test_the_weight_of_the_focal_loss_has_no_gradient():
    sr, hr = pair(5, 6)
    sr.requires_grad_(True)
    difference = torch.fft.fft2(sr - hr, norm="ortho")
    weight = difference.abs().detach()
    by_hand = (weight / weight.amax((-2, -1), keepdim=True) * difference.abs().square()).mean()
    torch.testing.assert_close(*(torch.autograd.grad(loss, sr)[0] for loss in (focal_frequency(sr, hr), by_hand)))


def test_amplitudes_do_not_see_where_things_are():
    hr, _ = pair(16, 24, torch.float32)
    moved = hr.roll((3, 5), (-2, -1))
    assert amplitude_l1(moved, hr) <= 1e-7
    assert spectral_l1(moved, hr) > 0.1


@pytest.mark.parametrize("loss, same", [(spectral_l1, True), (amplitude_l1, True), (focal_frequency, False)])
def test_noise_costs_the_same_in_patches_of_any_size(loss, same):
    rng = torch.Generator().manual_seed(0)
    small, large = (
        loss(torch.randn(8, 3, side, side, generator=rng) * 0.1, torch.zeros(8, 3, side, side)).item()
        for side in (32, 128)
    )
    assert (abs(large / small - 1) < 0.01) == same


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_changes_nothing(loss):
    sr, hr = pair(8, 9, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(sr, hr)
    assert inside.dtype == torch.float32 and torch.equal(inside, loss(sr, hr))
    assert loss(sr.bfloat16(), hr.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("loss", LOSSES)
def test_other_shapes_are_refused(loss):
    with pytest.raises(ValueError, match="one shape"):
        loss(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))
    with pytest.raises(ValueError, match="N, C, H, W"):
        loss(torch.rand(3, 4, 4), torch.rand(3, 4, 4))
    with pytest.raises(ValueError, match="alpha"):
        focal_frequency(torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4), alpha=-1)
