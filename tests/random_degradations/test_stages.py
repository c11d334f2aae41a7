"""stages: each against the operator of the library, or against what its noise must be."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from srlib.degradations import Blur, anisotropic_gaussian, gaussian_kernel, motion_kernel
from srlib.random_degradations import stages
from srlib.random_degradations.kernels import sinc_kernel
from srlib.resample import cubic, resize

SIZES = [(37, 26), (23, 44), (64, 64)]


def picture(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def tensor(array):
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def two_peaks(size):
    kernel = torch.zeros(size, size, dtype=torch.float64)
    kernel[0, 1], kernel[-2, -1] = 0.7, 0.3
    return kernel


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "kernel",
    [
        gaussian_kernel(1.2, 9),
        gaussian_kernel(2.5, 21),
        anisotropic_gaussian(2.5, 0.8, 30, 11),
        anisotropic_gaussian(3, 1, 55, 21),
        sinc_kernel(0.2, 17),
        motion_kernel(6, 20),
        two_peaks(7),
        two_peaks(15),
        torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([-1.0, 2, -1])).double(),
    ],
)
def test_blur_as_the_operator(size, kernel):
    image = picture(*size)
    expected = Blur(kernel)(tensor(image).double())
    torch.testing.assert_close(tensor(stages.blur(image, kernel.numpy())).double(), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5)])
@pytest.mark.parametrize("kernel", [gaussian_kernel(2, 21), anisotropic_gaussian(3, 1, 55, 21)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_smaller_than_the_kernel_keeps_its_size_and_its_level(size, kernel, channels):
    image = np.full((*size, channels), 0.3, np.float32)
    result = stages.blur(image, kernel.numpy())
    assert result.shape == image.shape
    np.testing.assert_allclose(result, 0.3, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (9,)])
def test_a_kernel_has_a_centre(shape):
    with pytest.raises(ValueError, match="must be square with an odd side"):
        stages.blur(picture(9, 8), np.ones(shape))


def test_the_three_modes():
    image = picture(36, 28)
    half = stages.resized(image, (18, 14), "area")
    np.testing.assert_allclose(half, image.reshape(18, 2, 14, 2, 3).mean((1, 3)), atol=1e-6)
    for mode, kernel in (("bilinear", "bilinear"), ("bicubic", cubic(-0.75))):
        for target in ((23, 17), (45, 31)):
            found = tensor(stages.resized(image, target, mode))
            expected = resize(tensor(image), size=target, kernel=kernel, antialias=False)
            inside = (..., slice(3, -3), slice(3, -3))  # beyond the border OpenCV repeats, and resize mirrors
            torch.testing.assert_close(found[inside], expected[inside], atol=3e-3, rtol=0)  # its positions are float32
    assert stages.resized(image[..., :1], (9, 40), "area").shape == (9, 40, 1)
    with pytest.raises(ValueError, match="no mode 'nearest'; there are area, bilinear, bicubic"):
        stages.resized(image, (3, 3), "nearest")


@pytest.mark.parametrize("mode", stages.MODES)
@pytest.mark.parametrize("target", [(20, 13), (50, 33), (7, 90)])
def test_resizing_moves_nothing(mode, target):
    """A ramp from 0 at one edge of the picture to 1 at the other stays that ramp."""
    ramp = np.broadcast_to(((np.arange(40) + 0.5) / 40)[:, None, None], (40, 26, 3)).astype(np.float32)
    found = stages.resized(np.ascontiguousarray(ramp), target, mode)[:, 0, 0]
    expected = (np.arange(target[0]) + 0.5) / target[0]
    inside = (expected > 0.08) & (expected < 0.92)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-2 if mode == "area" else 2e-3)


@pytest.mark.parametrize("sigma", [1 / 255, 10 / 255, 30 / 255])
@pytest.mark.parametrize("grey", [False, True])
def test_gaussian_noise_has_its_sigma(sigma, grey):
    flat = np.full((150, 201, 3), 0.5, np.float32)
    noise = stages.gaussian_noise(flat, sigma, grey, np.random.default_rng(0)) - flat
    assert noise.std() == pytest.approx(sigma, rel=0.02) and abs(noise.mean()) < sigma / 40
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1] - grey) < 0.02


@pytest.mark.parametrize("level", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("strength", [0.05, 3.0])
def test_poisson_noise_has_its_variance(level, strength):
    level = round(level * 255) / 255
    flat = np.full((150, 201, 3), level, np.float32)
    noise = stages.poisson_noise(flat, strength, False, np.random.default_rng(0)) - flat
    assert noise.var() == pytest.approx(strength**2 * level / 256, rel=0.03)
    assert abs(noise.mean()) < 4 * noise.std() / flat.size**0.5
    photons = noise / strength * 256 + level * 256
    np.testing.assert_allclose(photons, photons.round(), atol=0.05)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_grey_poisson_noise_is_that_of_the_luma():
    colour = np.float32([1.0, 0.2, 0.0])
    flat = np.broadcast_to(colour, (150, 201, 3)).copy()
    noise = stages.poisson_noise(flat, 2.0, True, np.random.default_rng(0)) - flat
    luma = round((0.299 + 0.2 * 0.587) * 255) / 255
    assert noise[..., 0].var() == pytest.approx(4 * luma / 256, rel=0.03)
    np.testing.assert_allclose(noise, noise[..., :1].repeat(3, 2), atol=1e-6)
    grey = stages.poisson_noise(flat[..., :1], 1.0, True, np.random.default_rng(0))
    assert grey.shape == (150, 201, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_jpeg_as_pillow(channels, size):
    image = stages.blur(picture(*size, channels), gaussian_kernel(2, 13).numpy())
    for quality in (30, 95):
        pixels = np.round(image * 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(file, "JPEG", quality=quality, subsampling=2)
        expected = np.asarray(Image.open(file)).reshape(image.shape) / 255
        found = stages.jpeg(image, quality)
        assert np.abs(found - expected).mean() < 0.7 / 255  # two builds of a decoder may round apart
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_allclose(found * 255, np.round(found * 255), atol=1e-4)


def test_jpeg_keeps_red_red():
    red = np.broadcast_to(np.float32([0.8, 0.1, 0.2]), (24, 17, 3)).copy()
    np.testing.assert_allclose(stages.jpeg(red, 95), red, atol=3 / 255)
