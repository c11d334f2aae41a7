"""Registration against skimage, against known motions, and on pictures that cannot be registered."""

import pytest
import torch
from skimage.registration import phase_cross_correlation

from srlib.burst.forward_model import burst
from srlib.burst.registration import lucas_kanade, phase_correlation, register
from srlib.data.datasets import photo
from srlib.warp import rigid


def scene(name="astronaut"):
    return photo(name).double().mean(1, keepdim=True)[..., 20:219, 100:331]


def fourier_shift(image, down, right):
    """A periodic picture, moved exactly."""
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64) for n in image.shape[-2:])
    phase = -2 * torch.pi * (down * rows[:, None] + right * columns)
    spectrum = torch.fft.fft2(image) * torch.polar(torch.ones_like(phase), phase)
    return torch.fft.ifft2(spectrum).real


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.27, -5.81), (-0.5, 12.34), (60.0, -40.25)])
def test_phase_correlation_equals_skimages(shift):
    image = scene()
    moved = fourier_shift(image, *shift)
    found = phase_correlation(image, moved, window=False)
    theirs = phase_cross_correlation(image[0, 0].numpy(), moved[0, 0].numpy(), upsample_factor=100)[0]
    torch.testing.assert_close(found, -torch.from_numpy(theirs), atol=0.01, rtol=0)
    torch.testing.assert_close(found, torch.tensor(shift, dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (-3.3, 2.6), (11.7, 6.2)])
def test_lucas_kanade_finds_a_shift(name, shift):
    image = scene(name)
    found = lucas_kanade(image, fourier_shift(image, *shift))
    torch.testing.assert_close(found, torch.tensor(shift, dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize("motion", [(0.7, -0.4, 0.8), (-2.2, 1.5, -1.5)])
def test_lucas_kanade_finds_a_turn_as_well(motion):
    image = scene()
    start = torch.tensor([round(motion[0]), round(motion[1]), 0.0])
    found = lucas_kanade(image, rigid(image, *motion), start=start, turn=True)
    torch.testing.assert_close(found, torch.tensor(motion, dtype=torch.float64), atol=0.02, rtol=0)


def test_a_colour_picture_is_one_picture():
    image = photo("coffee")[..., 50:150, 80:200]
    found = lucas_kanade(image, rigid(image, 1.3, 0.6))
    torch.testing.assert_close(found, torch.tensor([1.3, 0.6], dtype=torch.float64), atol=0.02, rtol=0)


def test_a_noisy_aliased_burst():
    hr = photo("astronaut").double().mean(1, keepdim=True)
    frames, shifts = burst(hr, torch.Generator().manual_seed(3), frames=8)
    found = register(frames)
    assert found.shape == (8, 2) and not found[0].any()
    assert (found - shifts)[1:].square().mean().sqrt() < 0.05


@pytest.mark.parametrize("method", [phase_correlation, lucas_kanade])
def test_errors(method):
    image = scene()
    with pytest.raises(ValueError, match=r"the same size, got \(199, 231\) and \(100, 231\)"):
        method(image, image[..., :100, :])
    with pytest.raises(ValueError, match="without contrast"):
        method(image, torch.full_like(image, 0.5))
    with pytest.raises(ValueError, match="NaN or infinite"):
        method(image, image / 0)


def test_what_hardly_overlaps_is_refused_and_named():
    image = scene()[..., :40, :40]
    with pytest.raises(ValueError, match="40 x 40 pixels overlap too little"):
        lucas_kanade(image, image, start=torch.tensor([18.0, 0.0]))
    with pytest.raises(ValueError, match="frame 2: a picture without contrast"):
        register(torch.stack([image[0], image[0], torch.zeros_like(image[0])]))
