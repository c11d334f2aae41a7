"""Steps of frequency consistent adaptation, and the stream that the comparator learns from."""

import math

import pytest
import torch

from srlib.data.rescaled import RescaledStream
from srlib.degradations import anisotropic_gaussian
from srlib.frequency import directional_profile, power_spectrum
from srlib.images import quantised
from srlib.models.fca import Comparator, KernelEstimator, WaveletDiscriminator
from srlib.models.learned_kernels import GaussianKernel
from srlib.resample import resize
from srlib.training.run import Run
from srlib.training.steps.adaptation import adapting, comparing, order_accuracy

PICTURES = [torch.rand(1, 3, 90, 101, generator=torch.Generator().manual_seed(k)) for k in range(3)]


def stream(**settings):
    return RescaledStream(PICTURES, **({"size": 16, "samples": 10} | settings))


def test_a_sample_depends_on_seed_and_index_alone():
    one, other = stream(seed=3), stream(seed=3)
    for number, layer in enumerate(one.batch(range(2, 5))):
        assert torch.equal(layer, torch.stack([other[i][number] for i in (2, 3, 4)]))
    assert not torch.equal(one[2][0], stream(seed=4)[2][0])


def test_the_curriculum_falls_evenly_in_its_logarithm():
    factors = [stream().factor(i) for i in (0, 5, 10, 99)]
    assert factors == pytest.approx([3.5, math.sqrt(3.5 * 1.2), 1.2, 1.2])


def test_patches_are_crops_that_were_rescaled():
    other, plain, shrunk, enlarged, direction = stream(factors=(2.0, 2.0), seed=1)[0]
    assert all(patch.shape == (3, 16, 16) for patch in (other, plain, shrunk, enlarged)) and direction == 0

    def is_crop(patch, size):
        windows = (
            p[..., a : a + size, b : b + size] for p in PICTURES for a in range(91 - size) for b in range(102 - size)
        )
        return any(torch.equal(quantised(resize(w, size=(16, 16)) if size != 16 else w)[0], patch) for w in windows)

    assert is_crop(plain, 16) and is_crop(enlarged, 8)


def test_a_direction_is_the_one_that_was_rescaled():
    smooth = [torch.linspace(0, 1, 101).expand(1, 3, 90, 101)]  # a ramp along the rows
    for index in range(6):
        _, plain, shrunk, enlarged, direction = RescaledStream(smooth, size=16, samples=99, directional=True, seed=2)[
            index
        ]
        steps = [patch.diff(dim=-1)[..., 4:-4].mean().item() / 0.01 for patch in (plain, shrunk, enlarged)]
        assert steps[0] == pytest.approx(1, abs=0.01), steps
        assert (steps[1] > 1.5, steps[2] < 0.7) == (direction.item() == 0,) * 2, steps


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"factors": (1.0, 2.0)}, "above 1"), ({"size": 30}, "has no patch of 105, which shrinks to 30")],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        stream(**settings)
    with pytest.raises(ValueError, match="no pictures"):
        RescaledStream([])


def test_half_of_the_samples_are_turned():
    """Upright stripes lean by 45° in about half of the samples, and never otherwise."""
    stripes = [(0.5 + 0.4 * torch.cos(torch.arange(120.0))).expand(1, 3, 120, 120)]
    angles = []
    for index in range(40):
        plain = RescaledStream(stripes, size=16, factors=(2.0, 2.0), turn=True, seed=5)[index][1]
        angle, power = directional_profile(power_spectrum(plain[0].double()), 0.1, 0.3, bins=4)
        angles.append(angle[power.argmax()].item())
    assert set(angles) == {0.0, 45.0} and 10 < angles.count(45.0) < 30
    with pytest.raises(ValueError, match="turned by 45° leaves 62 pixels, and no patch of 70"):
        RescaledStream(PICTURES, size=20, turn=True)


def comparator(outputs=1):
    torch.manual_seed(0)
    return Comparator(branch=2, width=4, outputs=outputs, norm=False, high_pass=True)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_comparing_step_is_one_update_towards_plus_and_minus_one(outputs):
    net, batch = comparator(outputs), stream(directional=outputs == 2).batch(range(3))
    codes = [net.encode(patch).mean((2, 3)) for patch in batch[:4]]
    target = torch.eye(outputs)[batch[4]]
    expected = {
        "shrunk": (codes[2] - codes[1] - target).abs().mean(),
        "plain": (codes[0] - codes[1]).abs().mean(),
        "enlarged": (codes[3] - codes[1] + target).abs().mean(),
    }
    before = [p.clone() for p in net.parameters()]
    gradients = torch.autograd.grad(sum(expected.values()), list(net.parameters()))
    told = comparing()({"c": net}, {"c": torch.optim.SGD(net.parameters(), 0.1)}, batch, Run(device="cpu"))
    for name, value in expected.items():
        torch.testing.assert_close(told[name], value.detach())
    for p, was, gradient in zip(net.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(p, was - 0.1 * gradient, atol=1e-6, rtol=1e-4)


class Contrast(torch.nn.Module):
    """A comparator by hand: the mean absolute difference of neighbours along the rows, and along the columns."""

    def forward(self, a, b):
        first, second = (torch.stack([p.diff(dim=-1).abs().mean((1, 2, 3)), p.diff(dim=-2).abs().mean((1, 2, 3))], 1)
                         for p in (a, b))  # fmt: skip
        return (first - second)[..., None, None]


def test_order_accuracy_counts_what_is_ordered():
    _, plain, shrunk, enlarged, direction = stream(directional=True).batch(range(4))
    rough, flat = torch.rand(4, 3, 16, 16), torch.zeros(4, 3, 16, 16)
    assert order_accuracy(Contrast(), (plain, plain, rough, flat, direction)) == 1
    assert order_accuracy(Contrast(), (plain, plain, flat, rough, direction)) == 0
    half = torch.cat([rough[:2], flat[2:]])
    assert order_accuracy(Contrast(), (plain, plain, half, torch.cat([flat[:2], rough[2:]]), direction)) == 0.5


def moved(before, net):
    return any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize("wavelet", [0.0, 1e-3])
@pytest.mark.parametrize("anchors", [False, True])
def test_an_adapting_step_moves_the_kernel_and_not_the_comparator(wavelet, anchors):
    torch.manual_seed(1)
    nets = {"k": GaussianKernel(size=7), "c": comparator(), "d": WaveletDiscriminator(width=4)}
    opts = {name: torch.optim.SGD(net.parameters(), 0.1) for name, net in nets.items()}
    before = {name: [p.clone() for p in net.parameters()] for name, net in nets.items()}
    batch = (torch.rand(2, 3, 64, 64), *(torch.rand(2, 3, 32, 32) for _ in range(3)))
    told = adapting(scale=2, wavelet=wavelet, anchors=anchors)(nets, opts, batch, Run(device="cpu"))
    assert {name for name in nets if moved(before[name], nets[name])} == {"k"} | ({"d"} if wavelet else set())
    assert set(told) == {"density", "centre", "loss"} | ({"anchors"} if anchors else set()) | (
        {"wavelet", "loss_d"} if wavelet else set()
    )
    assert all(p.requires_grad for p in nets["c"].parameters())


def test_along_two_directions_alone_a_blur_at_30_degrees_is_one_at_minus_30():
    """What the turn is for: a comparator by hand that sees rows and columns tells the two apart only with it."""
    torch.manual_seed(0)
    blurred = []
    for angle in (30.0, 150.0):
        taps = anisotropic_gaussian(2.0, 0.7, angle, 13).float()[None, None].expand(3, 1, 13, 13)
        blurred.append(torch.nn.functional.conv2d(torch.rand(8, 3, 140, 140), taps, groups=3))
    found = {}
    for turn in (False, True):
        kernel = GaussianKernel(size=1)  # leaves the picture as it is
        nets, opts = {"k": kernel, "c": Contrast()}, {"k": torch.optim.SGD(kernel.parameters(), 0.0)}
        told = adapting(scale=1, turn=turn)(nets, opts, tuple(blurred), Run(device="cpu"))
        found[turn] = told.get("turned", told["density"]).item()
    assert found[True] > 5 * found[False]


def test_a_kernel_may_be_read_off_the_pictures():
    torch.manual_seed(1)
    nets = {"k": KernelEstimator(size=7, width=4, branch=2, halvings=2), "c": comparator()}
    opts = {"k": torch.optim.SGD(nets["k"].parameters(), 0.1)}
    before = [p.clone() for p in nets["k"].parameters()]
    adapting(scale=2)(nets, opts, (torch.rand(2, 3, 64, 64), torch.rand(2, 3, 32, 32)), Run(device="cpu"))
    assert moved(before, nets["k"])


def test_a_good_comparator_leads_the_kernel_to_the_blur():
    """Sharp noise must be blurred until it is as smooth as blurred noise: the kernel widens, and stops there."""
    torch.manual_seed(0)
    kernel, truth = GaussianKernel(size=9, sigma=0.6), GaussianKernel(size=9, sigma=1.5)
    nets, opts = {"k": kernel, "c": Contrast()}, {"k": torch.optim.Adam(kernel.parameters(), 0.05)}
    step = adapting(scale=1, density=10.0)
    for _ in range(60):
        large = torch.rand(4, 3, 40, 40)
        taps = truth()[None, None].expand(3, 1, 9, 9).detach()
        source = torch.nn.functional.conv2d(torch.rand(4, 3, 48, 48), taps, groups=3)
        step(nets, opts, (large, source), Run(device="cpu"))
    assert kernel.described()[:2] == pytest.approx((1.5, 1.5), rel=0.15)
