"""frequency: Parseval, one stripe, white noise, known slopes."""

import math

import pytest
import torch

from srlib.frequency import frequencies, hann, log_spectrum, power_spectrum, radial_profile


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
