"""The experiment on losses of spectra: what a source's code computes has no gradient, and the arms are the declared."""

import math

import numpy as np
import pytest
import torch

from benchmarks.frequency_losses import BANDS, TERMS, detached_amplitude
from srlib.losses.frequency import amplitude_l1, focal_frequency, spectral_l1
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.edsr import EDSR

SIGMA = 5  # levels of 255


def gradients(term):
    """Of the weights of a small network, by L1 and one more term."""
    torch.manual_seed(0)
    net = EDSR(scale=2, blocks=1, width=4)
    lr, hr = torch.rand(2, 3, 7, 9), torch.rand(2, 3, 14, 18)
    total, parts = Weighted(pixel=(1.0, l1), **term)(net(lr), hr)
    total.backward()
    return total.item(), parts, [parameter.grad for parameter in net.parameters()]


def noisy(side, batch):
    """Pictures whose spectrum is strong everywhere, and the same with noise of σ = 5 levels."""
    rng = torch.Generator().manual_seed(side + batch)
    hr = torch.rand(batch, 3, side, side, generator=rng, dtype=torch.float64)
    return hr + SIGMA / 255 * torch.randn(hr.shape, generator=rng, dtype=torch.float64), hr


def test_the_sources_term_gives_no_weight_a_gradient():
    alone, _, without = gradients({})
    total, parts, with_it = gradients(TERMS["source"])
    assert all(torch.equal(a, b) for a, b in zip(without, with_it, strict=True))
    assert total > 10 * alone and parts["frequency"] > 10 * alone  # only the number in the log is another
    sr = torch.rand(1, 3, 5, 6, requires_grad=True)
    assert not detached_amplitude(sr, torch.rand(1, 3, 5, 6)).requires_grad


@pytest.mark.parametrize("arm", ["spectral", "amplitude", "focal"])
def test_the_other_terms_give_every_weight_another_gradient(arm):
    _, _, without = gradients({})
    _, parts, with_it = gradients(TERMS[arm])
    assert parts["frequency"] > 0
    assert not any(torch.equal(a, b) for a, b in zip(without, with_it, strict=True))


@pytest.mark.parametrize("side, batch, value", [(48, 1, 134), (96, 1, 270), (192, 1, 539), (96, 4, 67.3)])
def test_its_value_grows_with_the_patch_and_falls_with_the_batch(side, batch, value):
    """Where noise is the weaker, its part in step with the picture moves the amplitude: σ · side / √π."""
    found = detached_amplitude(*noisy(side, batch)).item()
    assert found == pytest.approx(SIGMA * side / math.sqrt(math.pi) / batch, rel=0.02)
    assert found == pytest.approx(value, rel=0.02)


def test_its_value_from_the_library():
    sr, hr = noisy(24, 3)
    assert detached_amplitude(sr, hr).item() == pytest.approx(255 * 24 / 3 * amplitude_l1(sr, hr).item(), rel=1e-6)


def test_one_bright_pixel_by_hand():
    """Its amplitude is the same at every frequency: 255 levels, over a batch of two."""
    hr = torch.zeros(2, 1, 4, 6)
    sr = hr.clone()
    sr[:, :, 1, 2] = 1
    assert detached_amplitude(sr, hr).item() == pytest.approx(255 / 2)


def test_the_terms_and_their_weights_are_the_declared_ones():
    assert TERMS == {
        "l1": {},
        "spectral": {"frequency": (0.1, spectral_l1)},
        "amplitude": {"frequency": (0.1, amplitude_l1)},
        "focal": {"frequency": (10.0, focal_frequency)},
        "source": {"frequency": (1.0, detached_amplitude)},
    }


def test_the_bands_are_octaves_up_to_nyquist():
    edges = np.array(list(BANDS.values()))
    assert (edges[:, 1] == 2 * edges[:, 0]).all() and (edges[1:, 0] == edges[:-1, 1]).all() and edges[-1, 1] == 0.5
    assert list(BANDS) == [f"power_{1 / low:.0f}_{1 / high:.0f}" for low, high in BANDS.values()]
