"""Kernels without a formula: they come back up to a half turn; and the list of blurs that the search starts from."""

import pytest
import torch

from srlib.degradations import anisotropic_gaussian, motion_kernel
from srlib.kernels.free import estimate_free, relative_distance
from srlib.kernels.shapes import disc_kernel, likely, resized, two_spots
from srlib.kernels.spectra import collect
from tests.kernels.scenes import blurred, photographs, scale_invariant

# None is in the list of starts: lengths, angles, radii and shares lie between those there.
ODD = {"motion": motion_kernel(8.4, 37), "disc": disc_kernel(2.7), "spots": two_spots(4.7, 50, 0.6, 1.0)}


def test_discs_and_spots_are_what_they_are_called():
    for radius in (0.4, 1.0, 2.7, 5.0):
        disc = disc_kernel(radius)
        assert disc.sum().item() == pytest.approx(1) and disc.min() >= 0 and len(disc) % 2 == 1
        torch.testing.assert_close(disc, disc.T)
        steps = torch.arange(len(disc), dtype=torch.float64) - len(disc) // 2
        if radius >= 1:  # along one axis r²/4 of a disc, and 1/12 since light is gathered by square taps
            variance = (disc.sum(0) * steps.square()).sum().item()
            assert variance == pytest.approx(radius**2 / 4 + 1 / 12, abs=0.09)
    assert disc_kernel(0.4).shape == (1, 1)
    spots = two_spots(6, 90, 0.75, 0.5)
    steps = torch.arange(len(spots), dtype=torch.float64) - len(spots) // 2
    up, right = (-(spots.sum(1) * steps).sum().item(), (spots.sum(0) * steps).sum().item())
    assert (up, right) == (pytest.approx(1.5, abs=1e-6), pytest.approx(0, abs=1e-9))  # 3 · 0.75 − 3 · 0.25
    with pytest.raises(ValueError, match="radius must be positive, got 0"):
        disc_kernel(0)


def test_starts_are_kernels():
    for size in (9, 17):
        found = likely(size)
        assert found.shape[1:] == (size, size) and len(found) > 60 and found.min() >= 0
        torch.testing.assert_close(found.sum((1, 2)), torch.ones(len(found), dtype=torch.float64))
    assert torch.equal(resized(torch.ones(1, 1), 3), torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]))


def test_the_distance_forgives_what_spectra_cannot_say():
    kernel = two_spots(4, 20, 0.7)
    assert relative_distance(kernel.flip(0, 1), kernel) == pytest.approx(0, abs=1e-9)
    assert relative_distance(kernel.roll((1, -2), (0, 1)), kernel) < 0.01
    assert relative_distance(kernel * 0, kernel) == pytest.approx(1)
    assert relative_distance(kernel.T.contiguous(), kernel) > 0.5


@pytest.mark.slow
def test_motion_comes_back_from_pictures_alike_at_every_scale():
    found = estimate_free(collect(blurred(scale_invariant(8, (263, 301)), ODD["motion"])))
    taps = found.taps
    assert taps.shape == (17, 17) and taps.min() >= 0 and taps.sum().item() == pytest.approx(1)
    steps = torch.arange(17, dtype=torch.float64) - 8
    assert max(abs((taps.sum(axis) * steps).sum().item()) for axis in (0, 1)) <= 0.51
    assert relative_distance(taps, ODD["motion"]) < 0.35


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0, 5])
@pytest.mark.parametrize("name", ODD)
def test_odd_kernels_come_back_from_photographs(name, noise):
    found = estimate_free(collect(blurred(photographs(150, 40), ODD[name], noise)))
    assert relative_distance(found.taps, ODD[name]) < 0.35
    assert found.misfit < 0.12


def test_a_gaussian_is_found_without_being_told():
    kernel = anisotropic_gaussian(2.1, 1.3, 70)
    found = estimate_free(collect(blurred(scale_invariant(4, (220, 230)), kernel)), steps=120, starts=2)
    assert relative_distance(found.taps, kernel) < 0.35


def test_an_even_side_is_refused():
    with pytest.raises(ValueError, match="odd and at least 3, got 16"):
        estimate_free(collect(scale_invariant(1, (200, 200))), size=16)
