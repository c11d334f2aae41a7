"""The experiment on learning without pairs, on pictures of noise and for two steps."""

import pytest
import torch

from benchmarks import cincgan
from benchmarks.cincgan import NOISE, SCALE, Denoised, cut, taken
from srlib.models.interpolators import bicubic
from srlib.training.steps.cycle import BACK


@pytest.fixture
def small(monkeypatch):
    rng = torch.Generator().manual_seed(0)
    hr = [torch.rand(1, 3, 132, 140, generator=rng) for _ in range(4)]
    found = [taken(each, number) for number, each in enumerate(hr[:2])], hr[:2], hr[2:]
    monkeypatch.setattr(cincgan, "halves", lambda: found)
    for name in ("OWN_STEPS", "JOINT_STEPS", "TUNING_STEPS"):
        monkeypatch.setattr(cincgan, name, 2)
    for cached in (cincgan.unpaired, cincgan.cycles):
        cached.cache_clear()
    yield
    for cached in (cincgan.unpaired, cincgan.cycles):
        cached.cache_clear()


def test_a_picture_has_the_noise_of_its_number_and_no_other():
    hr = torch.full((1, 3, 200, 200), 0.5)
    one, again, other = taken(hr, 1), taken(hr, 1), taken(hr, 2)
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert (one - 0.5).std().item() == pytest.approx(NOISE, rel=0.03)
    assert cut(torch.rand(1, 1, 43, 50)).shape == (1, 3, 40, 48)


def test_arms_that_go_on_leave_what_they_began_with(small):
    before = {name: value.clone() for name, value in cincgan.cycles(0, 2, *BACK.items())["g1"].state_dict().items()}
    net = cincgan.with_own_pairs(0, 2).eval()
    after = cincgan.cycles(0, 2, *BACK.items())["g1"].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    with torch.no_grad():
        assert net(torch.rand(1, 3, 9, 11)).shape == (1, 3, 9 * SCALE, 11 * SCALE)


@pytest.mark.parametrize("arm", ["joint", "gan_alone", "noise", "oracle"])
def test_every_kind_of_arm_gives_a_network(small, arm):
    net = cincgan.ARMS[arm](0, 2).eval()
    with torch.no_grad():
        assert net(torch.rand(1, 3, 9, 11)).shape == (1, 3, 9 * SCALE, 11 * SCALE)


def test_non_local_means_take_noise_out_before_the_network():
    flat = torch.full((1, 3, 40, 40), 0.5)
    noisy = flat + NOISE * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    errors = [(net(noisy) - 0.5).square().mean() for net in (bicubic(SCALE), Denoised(bicubic(SCALE)))]
    assert errors[1] < errors[0] / 5
