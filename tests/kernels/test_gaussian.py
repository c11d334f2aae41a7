"""The classical estimate: known Gaussians come back, from pictures that no setting was chosen on."""

import math
import time

import pytest
import torch

from book._tools.probe import LINE_SECONDS, probe
from srlib.degradations import anisotropic_gaussian, motion_kernel
from srlib.kernels.gaussian import GaussianBlur, estimate_gaussian
from srlib.kernels.spectra import KernelError, collect
from srlib.resample import resize
from tests.kernels.scenes import blurred, photographs, scale_invariant

BLURS = [(1.2, 1.2, 0), (2.0, 2.0, 0), (3.0, 3.0, 0), (2.4, 1.0, 0), (2.4, 1.0, 30)]


def off(angle: float, truth: float) -> float:
    """Between two directions, in degrees."""
    return abs((angle - truth + 90) % 180 - 90)


@pytest.mark.parametrize("blur", BLURS)
def test_a_gaussian_comes_back_from_pictures_alike_at_every_scale(blur):
    pictures = scale_invariant(6, (263, 301))
    found = estimate_gaussian(collect(blurred(pictures, anisotropic_gaussian(*blur))), bootstrap=0)
    assert found.sigma == pytest.approx(blur[:2], rel=0.05) and found.fits
    assert blur[0] == blur[1] or off(found.angle, blur[2]) < 2


@pytest.mark.slow
@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("noise", [0, 5])
@pytest.mark.parametrize("blur", BLURS)
def test_a_gaussian_comes_back_from_photographs(blur, noise, halved):
    pictures = photographs(150, 40)
    pictures = [resize(picture, 0.5) for picture in pictures] if halved else pictures
    found = estimate_gaussian(collect(blurred(pictures, anisotropic_gaussian(*blur), noise)), bootstrap=0)
    # Under this noise a blur of 3 pixels leaves a photograph of 240 x 160 pixels little to measure.
    bound = (0.12 if halved and blur[0] == 3 else 0.1) if noise else 0.05
    assert found.sigma == pytest.approx(blur[:2], rel=bound) and found.fits
    assert blur[0] == blur[1] or off(found.angle, blur[2]) < 4
    if noise:  # independent in red, green and blue
        assert found.noise * 255 == pytest.approx(5 * math.hypot(0.299, 0.587, 0.114), rel=0.03)


@pytest.mark.slow
def test_forty_photographs_take_two_seconds_of_the_processor():
    pictures = blurred(photographs(150, 40), anisotropic_gaussian(2, 2, 0))
    unit = min(probe()[0] for _ in range(3))
    start = time.process_time()
    estimate_gaussian(collect(pictures))
    assert (time.process_time() - start) / unit * LINE_SECONDS < 2


def test_the_errors_cover_what_was_missed_and_shrink_with_pictures():
    pictures = blurred(scale_invariant(8, (391, 405), seed=3), anisotropic_gaussian(2.4, 1.0, 30), 2)
    few, many = (estimate_gaussian(collect(some)) for some in (pictures[:1], pictures))
    assert many.angle_error < 3 and off(many.angle, 30) < 3 * max(1, many.angle_error)
    for found in (few, many):
        for sigma, error, truth in zip(found.sigma, found.sigma_error, (2.4, 1.0), strict=True):
            assert abs(sigma - truth) < 3 * error and error < 0.5
    assert many.sigma_error[0] < few.sigma_error[0]


def test_the_same_pictures_give_the_same_errors():
    spectra = collect(blurred(scale_invariant(2, (200, 220)), anisotropic_gaussian(1.5, 1.5, 0)))
    assert estimate_gaussian(spectra) == estimate_gaussian(spectra)
    assert estimate_gaussian(spectra, seed=1).sigma == estimate_gaussian(spectra).sigma


def test_sharp_pictures_have_no_blur_and_their_noise_is_open():
    found = estimate_gaussian(collect(blurred(scale_invariant(8, (391, 405)), None)))
    assert max(found.sigma) < 0.3 and found.noise_error > 1 / 255


def test_motion_is_no_gaussian_and_is_said_to_be_none():
    assert not estimate_gaussian(collect(blurred(scale_invariant(4, (220, 230)), motion_kernel(8, 40)))).fits


def test_pictures_of_noise_are_refused():
    rng = torch.Generator().manual_seed(0)
    with pytest.raises(KernelError, match=r"nothing above their noise \(about 2\d\.\d/255\)"):
        estimate_gaussian(collect([0.5 + 0.1 * torch.randn(1, 1, 200, 211, generator=rng) for _ in range(4)]))


def test_the_kernel_for_shrunk_pictures_is_what_shrinking_takes():
    blur = GaussianBlur((2.0, 1.0), 30.0, 0.0, 0.1)
    assert blur.at_scale(2) == pytest.approx((math.sqrt(3), math.sqrt(3) / 2))
    assert blur.at_scale(4)[0] == pytest.approx(1.93649, abs=1e-5)
    torch.testing.assert_close(blur.kernel(2, 13), anisotropic_gaussian(3**0.5, 3**0.5 / 2, 30.0, 13))
    torch.testing.assert_close(blur.kernel(), anisotropic_gaussian(2.0, 1.0, 30.0))
    with pytest.raises(ValueError, match="scale must be above 1, got 1"):
        blur.at_scale(1)
