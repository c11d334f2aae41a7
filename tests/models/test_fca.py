"""FCA: the sizes of its networks, and what holds for any weights."""

import math

import pytest
import torch
from torch import nn

from srlib.degradations import anisotropic_gaussian, gaussian_kernel
from srlib.models import fca
from srlib.models.learned_kernels import FreeTaps, GaussianKernel, adapted, centre_of_mass
from srlib.resample import resize


def count(net):
    return sum(weight.numel() for weight in net.parameters())


def test_sizes():
    # Three branches of 16 (9 + 9 + 27 taps), 48 -> 64 and twice 64 -> 64 with norm, 64 -> 1.
    assert count(fca.comparator()) == 768 + 27_712 + 2 * 36_928 + 3 * 128 + 577 == 103_297
    assert count(fca.comparator_small()) == 3_473 and count(fca.comparator_small(2)) == 3_506
    assert count(fca.wavelet_discriminator()) == 669_121  # 9 -> 64 -> 128 -> 256 -> 1 of 4 x 4 taps
    assert count(fca.kernel_estimator()) == 549_696


def test_shapes_of_the_drawing():
    with torch.no_grad():
        patch = torch.rand(1, 3, 128, 128)
        assert fca.comparator().encode(patch).shape == (1, 1, 16, 16)
        assert fca.comparator_small(2)(patch, patch).shape == (1, 2, 1, 1)
        assert fca.wavelet_discriminator()(patch).shape == (1, 1, 7, 7)
        kernel = fca.KernelEstimator(width=8, branch=4)(torch.rand(2, 3, 256, 192))
    assert kernel.shape == (2, 13, 13)


@pytest.mark.parametrize("make", [fca.comparator, fca.comparator_small, lambda: fca.comparator_small(2)])
def test_the_comparator_is_antisymmetric_and_zero_for_equal_patches(make):
    torch.manual_seed(0)
    net, a, b = make().eval(), torch.rand(2, 3, 40, 24), torch.rand(2, 3, 40, 24)
    with torch.no_grad():
        assert torch.equal(net(a, a), torch.zeros_like(net(a, a)))
        assert torch.equal(net(a, b), -net(b, a)) and net(a, b).abs().max() > 0


def test_the_small_comparator_does_not_see_contrast_or_brightness():
    """What it compares is the shape of a density: half the contrast, and another brightness, change nothing."""
    torch.manual_seed(0)
    net, patch = fca.comparator_small(2), torch.rand(1, 3, 33, 40)
    with torch.no_grad():
        net.head[0].weight -= net.head[0].weight.mean(1, keepdim=True)  # a learned one comes near this by itself
        assert (
            net(patch, 0.2 + patch / 2).abs().max()
            < 2e-3
            < 0.05
            < net(patch, nn.functional.avg_pool2d(patch, 3, 1)).abs().max()
        )


def test_the_high_pass_has_nothing_of_a_constant_or_a_ramp():
    ramp = torch.linspace(0, 1, 20).expand(1, 3, 11, 20)
    assert fca.high_pass(torch.full((1, 3, 9, 11), 0.3)).abs().max() < 1e-6
    assert fca.high_pass(ramp)[..., 2:-2].abs().max() < 1e-5


def test_the_discriminator_sees_details_band_by_band():
    """Of 0 to 15 the three bands are −4, −1 and 0 everywhere; a picture of one grey has none."""
    net = fca.wavelet_discriminator()
    seen = []
    net.body = nn.Sequential(Seen(seen))
    ramp = torch.arange(16.0).view(1, 1, 4, 4).repeat(1, 3, 8, 8)
    net(ramp + torch.tensor([0.0, 50, 99]).view(3, 1, 1))
    assert [band.unique().tolist() for band in seen[0][0]] == 3 * [[-4.0]] + 3 * [[-1.0]] + 3 * [[0.0]]


class Seen(nn.Module):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, x):
        self.seen.append(x)
        return x


def kernels():
    torch.manual_seed(0)
    return [
        fca.KernelEstimator(width=8, branch=4)(torch.rand(3, 3, 128, 64)),
        GaussianKernel(sigma=1.3)()[None],
        FreeTaps(size=9)()[None],
    ]


def test_kernels_are_not_negative_and_sum_to_one():
    for kernel in kernels():
        assert kernel.min() >= 0
        torch.testing.assert_close(kernel.sum((1, 2)), torch.ones(len(kernel)))


def test_a_constant_stays_and_a_delta_is_bicubic():
    x, delta = torch.rand(2, 3, 44, 52), torch.zeros(13, 13)
    delta[6, 6] = 1
    torch.testing.assert_close(adapted(x, delta, 4), resize(x, 1 / 4))
    for kernel in kernels():
        flat = torch.full((len(kernel), 3, 64, 56), 0.3)
        torch.testing.assert_close(adapted(flat, kernel, 2), torch.full((len(kernel), 3, 32, 28), 0.3))
    assert adapted(x, GaussianKernel()(), 4).shape == (2, 3, 11, 13)


def test_each_picture_has_its_own_kernel_and_it_is_a_convolution():
    x, kernels = torch.zeros(2, 3, 26, 26), torch.rand(2, 5, 5)
    x[..., 13, 13] = 1  # at scale 1 nothing is shrunk: the answer is the kernel, not the kernel turned
    made = adapted(x, kernels, 1)
    torch.testing.assert_close(made[:, :, 11:16, 11:16], kernels[:, None].expand(2, 3, 5, 5))


def test_the_centre_of_mass_is_that_of_a_moved_delta():
    kernel = torch.zeros(7, 7)
    kernel[1, 4] = 1  # two up, one to the right
    assert centre_of_mass(kernel).tolist() == [1, 2]
    for one in (gaussian_kernel(1.2, 9), anisotropic_gaussian(2.0, 0.8, 30, 13)):
        assert centre_of_mass(one).abs().max() < 1e-12


def test_the_gaussian_is_the_one_that_it_says():
    net = GaussianKernel(size=25)
    with torch.no_grad():
        net.widths.copy_(torch.tensor([math.log(2.0), math.log(1.2)]))
        net.shear.fill_(0.7)
    along, across, angle = net.described()
    torch.testing.assert_close(net().double(), anisotropic_gaussian(along, across, angle, 25), atol=1e-6, rtol=1e-4)
    assert along > across
    for is_round in (False, True):
        kernel = GaussianKernel(sigma=1.7, round=is_round)
        assert kernel.described()[:2] == pytest.approx((1.7, 1.7))
        assert sum(p.numel() for p in kernel.parameters() if p.requires_grad) == (1 if is_round else 3)


@pytest.mark.parametrize("make_critic", [fca.comparator_small, lambda: fca.WaveletDiscriminator(width=4)])
@pytest.mark.parametrize("make", [lambda: fca.KernelEstimator(width=8, branch=4), GaussianKernel, FreeTaps])
def test_both_critics_teach_every_kernel(make_critic, make):
    torch.manual_seed(0)
    critic, kernel = make_critic(), make()
    x, source = torch.rand(2, 3, 128, 128), torch.rand(2, 3, 64, 64)
    taps = kernel(x) if isinstance(kernel, fca.KernelEstimator) else kernel()
    made = adapted(x, taps, 2)
    judged = critic(made, source) if isinstance(critic, fca.EnergyComparator) else critic(made)
    gradients = torch.autograd.grad(judged.square().sum(), list(kernel.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"takes pictures \(N, 3, H, W\)"):
        fca.comparator_small().encode(torch.rand(1, 1, 16, 16))
    with pytest.raises(ValueError, match="even sides"):
        fca.wavelet_discriminator()(torch.rand(1, 3, 33, 32))
    with pytest.raises(ValueError, match="square with an odd side"):
        adapted(torch.rand(1, 3, 32, 32), torch.ones(4, 4), 2)
