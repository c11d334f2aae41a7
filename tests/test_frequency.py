"""frequency: Parseval, one stripe, white noise, known slopes."""

import math

import pytest
import torch

from srlib import images
from srlib.frequency import (
    ROUNDING,
    density,
    directional_profile,
    frequencies,
    hann,
    log_spectrum,
    power_spectrum,
    radial_profile,
)


def test_parseval_at_an_odd_size():
    image = torch.rand(2, 3, 17, 12, dtype=torch.float64)
    torch.testing.assert_close(power_spectrum(image, window=False).mean((-2, -1)), image.square().mean((-2, -1)))


def test_a_stripe_is_two_points():
    columns = torch.arange(32, dtype=torch.float64)
    stripe = torch.cos(2 * math.pi * 5 * columns / 32).expand(1, 1, 20, 32)
    power = power_spectrum(stripe, window=False)[0, 0]
    where = (power > 1e-9).nonzero().tolist()
    assert where == [[10, 11], [10, 21]]  # rows: zero frequency at 20 // 2; columns: 16 ± 5
    assert frequencies(20, 32)[10, 21].item() == pytest.approx(5 / 32)


def test_white_noise_is_flat_with_its_variance():
    noise = torch.randn(8, 1, 96, 128, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frequency, power = radial_profile(power_spectrum(noise))
    assert frequency[0] > 0 and frequency[-1] < 0.5
    torch.testing.assert_close(power[3:], torch.ones_like(power[3:]), atol=0.25, rtol=0)
    assert power[3:].mean().item() == pytest.approx(1, abs=0.03)


def test_profile_finds_a_made_up_slope():
    distance = frequencies(65, 65)
    power = distance.clamp_min(1e-3) ** -2
    frequency, profile = radial_profile(power)
    slope = (profile[4:].log().diff() / frequency[4:].log().diff()).mean()
    assert slope.item() == pytest.approx(-2, abs=0.05)


def test_profile_of_more_rings_than_frequencies_has_no_gap():
    frequency, profile = radial_profile(torch.ones(9, 7), bins=40)
    assert len(frequency) < 40 and (profile == 1).all()


def test_window_and_log():
    assert hann(9, 14).square().mean().item() == pytest.approx(1)
    assert log_spectrum(torch.full((1, 1, 8, 8), 0.5)).max().item() == pytest.approx(-120)
    with pytest.raises(TypeError, match="srlib.images"):
        power_spectrum(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_density_of_noise_does_not_depend_on_the_picture_or_the_window():
    wide, small = 0.5 + 0.1 * _noise(0, 1, 1, 161, 303), 0.5 + 0.1 * _noise(1, 1, 1, 97, 130)
    for picture, side in ((wide, 64), (wide, 33), (small, 64), (small, 17)):
        found = density(picture, side)
        assert found.shape == (1, side, side)
        assert radial_profile(found)[1][2:].mean().item() == pytest.approx(0.01, rel=0.06)


def test_density_of_one_window_is_its_power_spectrum_of_luma():
    picture = torch.rand(2, 3, 31, 31, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(density(picture, 31), power_spectrum(images.grey(picture))[:, 0])


def test_density_is_a_mean_over_windows_that_overlap_by_half():
    picture = _noise(3, 1, 1, 24, 16)
    rows = [power_spectrum(picture[0, 0, top : top + 16]) for top in (0, 8)]
    torch.testing.assert_close(density(picture, 16)[0], (rows[0] + rows[1]) / 2)


def test_rounding_to_bytes_adds_the_floor():
    picture = torch.rand(1, 3, 200, 210, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    error = (255 * picture).round() / 255 - picture
    assert radial_profile(density(error))[1][2:].mean().item() == pytest.approx(ROUNDING, rel=0.05)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135, 175])
def test_a_wave_is_found_in_its_direction(degrees):
    angle = math.radians(degrees)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    wave = 0.5 + 0.4 * torch.cos(2 * math.pi * 0.2 * (math.cos(angle) * x - math.sin(angle) * y))
    found, power = directional_profile(density(wave[None, None], 64), 0.1, 0.3, bins=12)
    assert found[power.argmax()].item() == pytest.approx(round(degrees / 15) % 12 * 15)


def test_noise_has_no_direction():
    _, power = directional_profile(density(_noise(5, 1, 1, 301, 300)), 0.1, 0.4)
    assert power.min() > 0.9 and power.max() < 1.1


def test_what_does_not_fit_says_so():
    with pytest.raises(ValueError, match=r"40 x 90 pixels holds no window of 64; choose a smaller side"):
        density(torch.rand(1, 1, 40, 90))
    with pytest.raises(ValueError, match="no wave between 0.4 and 0.401"):
        directional_profile(torch.rand(16, 16), 0.4, 0.401)
