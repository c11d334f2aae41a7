"""The spectra that estimates start from: what halving does to signal and noise, and which regions there are."""

import pytest
import torch

from srlib.kernels.spectra import KernelError, collect, grid
from srlib.resample import resize


@pytest.mark.parametrize("size", [32, 48, 96])
def test_noise_through_bicubic_halving_keeps_its_known_share(size):
    plane = grid(size)
    whole = torch.cat([plane.noise, plane.noise[:, 1:-1]], 1)  # the other half plane is its mirror
    assert whole.mean().item() == pytest.approx(0.163555, abs=1e-5)


def test_the_shape_of_halved_noise_is_that_of_halved_noise():
    rng = torch.Generator().manual_seed(0)
    noise = resize(torch.randn(300, 1, 64, 64, generator=rng, dtype=torch.float64), 0.5)[:, 0]
    power = torch.fft.rfft2(noise, norm="ortho").abs().square().mean(0)
    inner = (power / grid(32).noise)[:, 1:-1]
    assert inner.mean().item() == pytest.approx(1, abs=0.04)  # the border is mirrored
    assert (inner.log().abs() < 0.35).all()  # 300 exponential values scatter by 6 %


def test_white_noise_has_the_power_of_its_variance_at_both_sizes():
    rng = torch.Generator().manual_seed(1)
    found = collect([0.5 + 0.1 * torch.randn(1, 1, 203, 251, generator=rng) for _ in range(6)])
    full, half = found.mean()
    assert full.mean().item() == pytest.approx(0.01, rel=0.03)
    assert (half / grid(found.size).noise)[:, 1:-1].mean().item() == pytest.approx(0.01, rel=0.05)


def test_the_window_fits_most_pixels_and_small_pictures_are_counted():
    rng = torch.Generator().manual_seed(2)
    large, small = torch.rand(1, 3, 197, 301, generator=rng), torch.rand(1, 1, 65, 70, generator=rng)
    found = collect([large, small, torch.full((1, 3, 200, 230), 0.4)])
    assert (found.size, found.pictures, found.skipped, found.flat) == (96, 1, 1, 1)
    assert found.full.shape[1:] == (96, 49) and found.picture.tolist() == [0] * len(found.full)
    assert collect([small]).size == 32


def test_a_huge_picture_has_no_more_than_its_share_of_regions():
    assert len(collect([torch.rand(1, 1, 2000, 1400)]).picture) <= 64


@pytest.mark.parametrize(
    "pictures, message",
    [
        ([], "no pictures"),
        ([torch.rand(1, 3, 63, 200)], "at least 64 pixels a side, not 63"),
        ([torch.full((1, 3, 100, 100), 0.3), torch.ones(1, 1, 128, 128)], "are flat"),
    ],
)
def test_pictures_that_say_nothing_are_refused(pictures, message):
    with pytest.raises(KernelError, match=message):
        collect(pictures)
