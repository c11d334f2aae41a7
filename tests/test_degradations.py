"""degradations: kernels, adjoints by dot product, noise statistics, JPEG."""

import math

import pytest
import torch

from srlib.degradations import (
    JPEG,
    Blur,
    Decimate,
    Degradation,
    Downscale,
    GaussianNoise,
    PoissonNoise,
    anisotropic_gaussian,
    gaussian_kernel,
    motion_kernel,
)
from srlib.resample import resize


def moments(kernel):
    steps = torch.arange(kernel.shape[0], dtype=torch.float64) - kernel.shape[0] // 2
    x, y = steps.expand_as(kernel), -steps[:, None].expand_as(kernel)
    mean = torch.stack([(kernel * x).sum(), (kernel * y).sum()])
    covariance = torch.stack([(kernel * x * x).sum(), (kernel * y * y).sum(), (kernel * x * y).sum()])
    return mean, covariance


@pytest.mark.parametrize(
    "kernel", [gaussian_kernel(1.6), anisotropic_gaussian(3, 1, 30), motion_kernel(9, 45), motion_kernel(0.5, 0)]
)
def test_kernels_sum_to_one_and_are_centred(kernel):
    assert kernel.sum().item() == pytest.approx(1) and (kernel >= 0).all() and kernel.shape[0] % 2 == 1
    assert moments(kernel)[0].abs().max() < 1e-12


def test_gaussian_has_its_variance_and_is_round():
    kernel = gaussian_kernel(2.0)
    assert moments(kernel)[1][0].item() == pytest.approx(4, rel=1e-3)
    torch.testing.assert_close(kernel, kernel.rot90())
    assert gaussian_kernel(1.0, 7).shape == (7, 7)


def test_anisotropic_gaussian_turns_anticlockwise():
    xx, yy, xy = moments(anisotropic_gaussian(3, 1, 0))[1]
    assert xx.item() == pytest.approx(9, rel=1e-2) and yy.item() == pytest.approx(1, rel=1e-2) and abs(xy) < 1e-9
    xx, yy, xy = moments(anisotropic_gaussian(3, 1, 45))[1]
    assert xy.item() == pytest.approx(4, rel=1e-2) and xx.item() == pytest.approx(yy.item())


def test_motion_kernel_spreads_along_its_path():
    xx, yy, _ = moments(motion_kernel(12, 0))[1]
    assert xx.item() == pytest.approx(12**2 / 12 + 1 / 6, rel=1e-2)  # a uniform path under a tent of one pixel
    assert yy.item() == pytest.approx(0, abs=1e-12)
    assert moments(motion_kernel(12, 90))[1][1].item() == pytest.approx(xx.item())


def test_blur_is_a_convolution_not_a_correlation():
    image = torch.zeros(1, 1, 7, 9, dtype=torch.float64)
    image[..., 3, 4] = 1
    kernel = torch.arange(15, dtype=torch.float64).view(3, 5)
    torch.testing.assert_close(Blur(kernel)(image)[0, 0, 2:5, 2:7], kernel)


@pytest.mark.parametrize("boundary, mode", [("symmetric", "reflect"), ("periodic", "wrap"), ("zero", "constant")])
def test_blur_equals_scipy(boundary, mode):
    from scipy.ndimage import convolve

    image = torch.rand(1, 1, 13, 8, dtype=torch.float64)
    kernel = anisotropic_gaussian(2, 0.7, 25)
    reference = torch.from_numpy(convolve(image[0, 0].numpy(), kernel.numpy(), mode=mode))
    torch.testing.assert_close(Blur(kernel, boundary)(image)[0, 0], reference)


@pytest.mark.parametrize(
    "stages",
    [
        (Blur(anisotropic_gaussian(2, 1, 20)),),
        (Blur(motion_kernel(5, 30), "periodic"),),
        (Blur(gaussian_kernel(1), "zero"), Decimate(3, 1)),
        (Blur(gaussian_kernel(1.2)), Decimate(4)),
        (Downscale(3),),
        (Blur(gaussian_kernel(0.8)), Downscale(2, "lanczos3"), GaussianNoise(0.1), JPEG(50)),
    ],
)
@pytest.mark.parametrize("size", [(17, 22), (5, 6)])
def test_dot_product_with_the_adjoint(stages, size):
    degradation = Degradation(*stages)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    ax = degradation.linear(x)
    y = torch.randn_like(ax)
    torch.testing.assert_close((ax * y).sum(), (x * degradation.adjoint(y, size)).sum(), atol=1e-10, rtol=1e-10)


def test_decimate_keeps_the_named_pixels():
    image = torch.arange(30.0).view(1, 1, 5, 6)
    assert Decimate(2)(image).flatten().tolist() == [0, 2, 4, 12, 14, 16, 24, 26, 28]
    assert Decimate(3, 1)(image).flatten().tolist() == [7, 10, 25, 28]
    torch.testing.assert_close(Downscale(2)(image), resize(image, 0.5))


def test_noise_has_its_variance_its_seed_and_is_new_for_each_image():
    grey = torch.full((2, 1, 200, 201), 0.5)
    noisy = GaussianNoise(0.1)(grey, torch.Generator().manual_seed(0))
    assert noisy.std().item() == pytest.approx(0.1, rel=0.02) and not torch.equal(noisy[0], noisy[1])
    assert torch.equal(noisy, GaussianNoise(0.1)(grey, torch.Generator().manual_seed(0)))
    photons = PoissonNoise(100)(grey, torch.Generator().manual_seed(0))
    assert photons.mean().item() == pytest.approx(0.5, rel=0.01)
    assert photons.var().item() == pytest.approx(0.5 / 100, rel=0.05)


def test_jpeg_loses_more_at_lower_quality_and_keeps_a_flat_picture():
    image = torch.rand(2, 3, 33, 47, generator=torch.Generator().manual_seed(0))
    errors = [(JPEG(quality)(image) - image).square().mean().item() for quality in (10, 50, 95)]
    assert errors == sorted(errors, reverse=True)
    flat = torch.full((1, 1, 9, 7), 0.2)
    torch.testing.assert_close(JPEG(90)(flat), flat, atol=2 / 255, rtol=0)


def test_chain_is_reproducible_and_in_order():
    chain = Degradation(Blur(gaussian_kernel(1)), Decimate(2), GaussianNoise(0.02), JPEG(80))
    hr = torch.rand(2, 3, 32, 26)
    lr = chain(hr, torch.Generator().manual_seed(1))
    assert lr.shape == (2, 3, 16, 13)
    torch.testing.assert_close(lr, chain(hr, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: gaussian_kernel(0), "positive"),
        (lambda: gaussian_kernel(1, 8), "odd"),
        (lambda: motion_kernel(-1, 0), "positive"),
        (lambda: Blur(torch.ones(2, 3)), "odd"),
        (lambda: Blur(torch.ones(3)), r"\(kh, kw\)"),
        (lambda: Blur(torch.ones(3, 3), "reflect"), "symmetric, periodic or zero"),
        (lambda: Decimate(2, 2), "offset < scale"),
        (lambda: Degradation(GaussianNoise(0.1), Decimate(2)), "before noise"),
        (lambda: Degradation(Decimate(2)).adjoint(torch.rand(1, 1, 4, 4), (9, 9)), "degrades to"),
        (lambda: JPEG(50)(torch.rand(3, 8, 8)), r"\(N, 1 or 3, H, W\)"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_blur_of_a_sine_is_the_known_attenuation():
    columns = torch.arange(64, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * 8 * columns / 64).expand(1, 1, 5, 64)
    blurred = Blur(gaussian_kernel(1.5), "periodic")(wave)
    expected = math.exp(-2 * (math.pi * 8 / 64 * 1.5) ** 2)
    assert (blurred.abs().max() / wave.abs().max()).item() == pytest.approx(expected, rel=1e-3)
