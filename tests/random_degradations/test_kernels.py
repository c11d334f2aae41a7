"""kernels: sums, widths and heights by their formulas, and the distributions that they are drawn from."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import gamma

from srlib.degradations import anisotropic_gaussian, gaussian_kernel
from srlib.random_degradations.kernels import (
    SHAPES,
    DrawnKernel,
    KernelRanges,
    generalised_gaussian,
    plateau_gaussian,
    sinc_kernel,
)

COUNT = 4000


def covariance(kernel):
    """(xx, yy, xy), y upwards."""
    steps = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    x, y = steps.expand_as(kernel), -steps[:, None].expand_as(kernel)
    assert max(abs((kernel * x).sum()), abs((kernel * y).sum())) < 1e-12
    return [(kernel * product).sum().item() for product in (x * x, y * y, x * y)]


def test_with_beta_1_it_is_the_gaussian():
    torch.testing.assert_close(generalised_gaussian(3, 1.2, 30, 1, 21), anisotropic_gaussian(3, 1.2, 30, 21))
    torch.testing.assert_close(generalised_gaussian(1.5, 1.5, 77, 1, 13), gaussian_kernel(1.5, 13))


@pytest.mark.parametrize("beta", [0.7, 1.0, 1.8, 4.0])
@pytest.mark.parametrize("angle", [0, 30, 90])
def test_the_covariance_of_a_generalised_gaussian(beta, angle):
    wide, narrow, turn = 6.0, 3.0, math.radians(angle)
    factor = 2 ** (1 / beta) * gamma(2 / beta) / gamma(1 / beta) / 2  # mean of xᵀ Σ⁻¹ x / 2 in the plane
    expected = [
        wide**2 * math.cos(turn) ** 2 + narrow**2 * math.sin(turn) ** 2,
        wide**2 * math.sin(turn) ** 2 + narrow**2 * math.cos(turn) ** 2,
        (wide**2 - narrow**2) * math.sin(turn) * math.cos(turn),
    ]
    found = covariance(generalised_gaussian(wide, narrow, angle, beta, 121))
    assert found == pytest.approx([factor * value for value in expected], rel=0.01, abs=1e-9)


@pytest.mark.parametrize("beta", [1.0, 1.6, 2.0])
def test_a_plateau_is_half_as_high_one_sigma_away(beta):
    kernel = plateau_gaussian(4, 2, 0, beta, 21)
    middle = kernel[10, 10]
    assert (kernel[10, 14] / middle).item() == pytest.approx(0.5)
    assert (kernel[8, 10] / middle).item() == pytest.approx(0.5)
    assert (kernel[10, 18] / middle).item() == pytest.approx(1 / (1 + 4**beta))


@pytest.mark.parametrize("cutoff", [0.1, 1 / 6, 0.3])
def test_a_sinc_passes_what_is_below_its_cutoff(cutoff):
    size = 201
    response = torch.fft.fft2(sinc_kernel(cutoff, size)).abs()
    frequency = torch.hypot(*torch.meshgrid(*[torch.fft.fftfreq(size, dtype=torch.float64)] * 2, indexing="ij"))
    assert (response[frequency < cutoff - 0.03] - 1).abs().max() < 0.12
    assert response[frequency > cutoff + 0.03].max() < 0.12


def test_a_sinc_has_the_rings_of_the_bessel_function():
    kernel = sinc_kernel(0.25, 21)
    assert kernel.min() < 0
    first_zero = 3.8317 / (2 * math.pi * 0.25)  # of J1, in pixels: 2.44
    row = kernel[10, 10:]
    assert (row[: math.floor(first_zero) + 1] > 0).all() and row[math.ceil(first_zero)] < 0
    torch.testing.assert_close(kernel, kernel.rot90())


def test_every_drawn_kernel_sums_to_one_and_only_a_sinc_goes_below_zero():
    rng, ranges = np.random.default_rng(0), KernelRanges(sinc=0.3)
    for _ in range(300):
        drawn = ranges.draw(rng)
        kernel = drawn.kernel()
        assert kernel.shape == (drawn.size, drawn.size) and kernel.sum().item() == pytest.approx(1)
        assert drawn.kind == "sinc" or kernel.min() >= 0
        torch.testing.assert_close(kernel, kernel.rot90(2))
        if drawn.kind.endswith(" isotropic") or drawn.kind == "isotropic":
            torch.testing.assert_close(kernel, kernel.rot90())


def test_kinds_are_drawn_as_often_as_they_should_be():
    rng = np.random.default_rng(1)
    counts = Counter(KernelRanges().draw(rng).kind for _ in range(COUNT))
    shares = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)  # of Real-ESRGAN
    wanted = {name: 0.9 * share for name, share in zip(SHAPES, shares, strict=True)} | {"sinc": 0.1}
    found = np.array([counts[name] for name in wanted])
    assert found.sum() == COUNT
    assert stats.chisquare(found, COUNT * np.array([*wanted.values()])).pvalue > 1e-4


def test_numbers_are_uniform_in_their_ranges():
    rng = np.random.default_rng(2)
    drawn = [KernelRanges().draw(rng) for _ in range(COUNT)]

    def uniform(values, low, high):
        return len(values) > 50 and stats.kstest(values, "uniform", (low, high - low)).pvalue > 1e-4

    gaussians = [kernel for kernel in drawn if kernel.kind != "sinc"]
    assert uniform([kernel.sigma_x for kernel in gaussians], 0.2, 3)
    slanted = [kernel for kernel in gaussians if kernel.kind.endswith("anisotropic")]
    assert uniform([kernel.sigma_y for kernel in slanted], 0.2, 3)
    assert uniform([kernel.angle for kernel in slanted], 0, 180)
    assert abs(np.corrcoef([(kernel.sigma_x, kernel.sigma_y) for kernel in slanted], rowvar=False)[0, 1]) < 0.1
    assert uniform([kernel.beta for kernel in gaussians if kernel.kind.startswith("gen")], 0.5, 4)
    assert uniform([kernel.beta for kernel in gaussians if kernel.kind.startswith("plat")], 1, 2)
    assert all(kernel.sigma_x == kernel.sigma_y for kernel in gaussians if kernel not in slanted)
    sincs = [kernel for kernel in drawn if kernel.kind == "sinc"]
    assert uniform([kernel.cutoff for kernel in sincs if kernel.size < 13], 1 / 6, 0.5)
    assert uniform([kernel.cutoff for kernel in sincs if kernel.size >= 13], 0.1, 0.5)
    sizes = Counter(kernel.size for kernel in drawn)
    assert sorted(sizes) == [7, 9, 11, 13, 15, 17, 19, 21]
    assert stats.chisquare([*sizes.values()]).pvalue > 1e-4
    last = [KernelRanges().draw_sinc(rng) for _ in range(400)]
    assert uniform([kernel.cutoff for kernel in last], 1 / 6, 0.5)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: generalised_gaussian(0, 1, 0, 1, 7), "must be positive, got 0, 1 and 1"),
        (lambda: plateau_gaussian(1, 1, 0, -1, 7), "must be positive"),
        (lambda: plateau_gaussian(1, 1, 0, 1, 8), "must be odd"),
        (lambda: sinc_kernel(0, 7), "cutoff must be positive, got 0"),
        (lambda: sinc_kernel(0.2, 6), "must be odd"),
        (lambda: KernelRanges(shapes=(0.5, 0.5)), r"there are 6 shapes \(isotropic, .*\), got 2"),
        (lambda: KernelRanges(shapes=(0.5, 0, 0, 0, 0, 0)), "must sum to one, got 0.5"),
        (lambda: DrawnKernel("isotropic", 7).kernel(), "must be positive"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
