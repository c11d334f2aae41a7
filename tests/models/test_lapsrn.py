"""lapsrn: the published sizes, doublings that start as bilinear and stay centred, a pyramid that is one loop."""

import pytest
import torch
import torch.nn.functional as F
from scipy.signal import convolve2d

from srlib.losses.pixel import charbonnier
from srlib.losses.weighted import Levels, Weighted
from srlib.models.lapsrn import Doubling, LapSRN, lapsrn

SIZES = [(17, 11), (1, 6), (5, 1), (1, 1)]

# All "sum": added up from the layers, without biases. 812,768 is the 812k of Lai et al. 2017; ports with 4×4 kernels
# have 870,112. The paper does not say which it counts; only the first is 812k.
COUNTS = [
    (2, {}, 406_672),
    (4, {}, 812_768),
    (8, {}, 1_218_864),
    (8, {"depth": 5}, 665_904),
    (2, {"kernel": 4}, 435_344),
    (4, {"kernel": 4}, 870_112),
    (8, {"kernel": 4}, 1_304_880),
    (8, {"kernel": 4, "depth": 5}, 751_920),
    (2, {"shared": True}, 406_672),
    (4, {"shared": True}, 406_672),
    (8, {"shared": True}, 406_672),
]


def shaken(**settings):
    """In double precision, with every parameter moved off its start, since residuals of zero are silent."""
    torch.manual_seed(0)
    net = LapSRN(**settings).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return net


def bilinear(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def doubled(weight, x):
    """What a `Doubling` does: with four taps painted on a larger canvas, then cut; with three, repeated and read."""
    if weight.shape[-1] == 4:
        canvas = F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, stride=2)
        return canvas[..., 3:-3, 3:-3]
    x = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight)


def functional(state, lr, levels, depth, shared):
    """Lai et al. 2017, fig. 1, straight from the dictionary of weights: all levels."""

    def leaky(x):
        return torch.where(x > 0, x, 0.2 * x)

    features, picture, pictures = leaky(F.conv2d(lr, state["head.0.weight"], padding=1)), lr, []
    for k in range(levels):
        name = f"levels.{0 if shared else k}"
        for j in range(depth):
            features = leaky(F.conv2d(features, state[f"{name}.features.{2 * j}.weight"], padding=1))
        features = leaky(doubled(state[f"{name}.features.{2 * depth}.conv.weight"], features))
        residual = F.conv2d(features, state[f"{name}.residual.weight"], padding=1)
        picture = doubled(state[f"{name}.enlarge.conv.weight"], picture) + residual
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize("scale, settings, count", COUNTS)
def test_number_of_parameters(scale, settings, count):
    with torch.device("meta"):  # no memory behind the numbers
        net = LapSRN(scale=scale, **settings)
    assert sum(p.numel() for p in net.parameters()) == count
    assert all(p.ndim == 4 for p in net.parameters())  # no biases
    assert f"{count:,}" in lapsrn.__doc__


def test_a_level_is_counted_as_the_docstring_says():
    with torch.device("meta"):
        net = lapsrn(4)
    assert [p.numel() for p in net.head.parameters()] == [576] and len(net.levels) == 2
    for level in net.levels:
        assert [p.numel() for p in level.parameters()] == [36_864] * 11 + [576, 16]


def test_the_bilinear_kernel_darkens_a_border_of_zeros_and_ours_does_not():
    doubling = Doubling(channels=1, kernel=4)
    ones, ramp = torch.ones(1, 1, 3, 5), torch.arange(6.0).expand(1, 1, 5, 6)
    zeros_beyond = F.conv_transpose2d(ones, doubling.conv.weight, stride=2, padding=1)[0, 0]
    assert zeros_beyond[0, 0] == zeros_beyond[-1, -1] == 0.5625
    assert (zeros_beyond[0, 1:-1] == 0.75).all() and (zeros_beyond[1:-1, -1] == 0.75).all()
    assert (zeros_beyond[1:-1, 1:-1] == 1).all()
    assert (doubling(ones) == 1).all()
    inner = [0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75]
    row = F.conv_transpose2d(ramp, doubling.conv.weight, stride=2, padding=1)[0, 0, 4]
    assert row.tolist() == [0, *inner, 3.75]
    assert doubling(ramp)[0, 0, 4].tolist() == [0, *inner, 5]
    as_ports = Doubling(channels=1, kernel=4, border="zero")
    assert torch.equal(as_ports(ones)[0, 0], zeros_beyond) and torch.equal(as_ports(ramp)[0, 0, 4], row)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [3, 4])
def test_a_doubling_starts_as_bilinear_map_by_map(kernel, size):
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(Doubling(channels=3, kernel=kernel)(x), bilinear(x), atol=1e-6, rtol=0)


def test_three_taps_are_a_centred_transposed_convolution():
    """Repeated and read with w is painted with w turned by 180° and convolved with a block of ones (SciPy)."""
    three = Doubling(channels=2, kernel=3).double()
    torch.nn.init.normal_(three.conv.weight)
    weight = torch.empty(2, 2, 4, 4, dtype=torch.float64)
    for i in range(2):
        for j in range(2):
            turned = three.conv.weight[i, j].detach().flip(0, 1).numpy()
            weight[j, i] = torch.from_numpy(convolve2d(turned, [[1, 1], [1, 1]], "full"))
    x = torch.randn(1, 2, 7, 5, dtype=torch.float64)
    painted = F.conv_transpose2d(x, weight, stride=2, padding=1)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(three(x)[inside], painted[inside], atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_forward_is_that_of_the_paper(scale, kernel, shared):
    net = shaken(scale=scale, channels=2, width=6, depth=3, kernel=kernel, shared=shared)
    lr = torch.rand(2, 2, 9, 7, dtype=torch.float64)
    levels = {2: 1, 4: 2, 8: 3}[scale]
    for found, expected in zip(net(lr, pyramid=True), functional(net.state_dict(), lr, levels, 3, shared), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_untrained_network_is_bilinear_level_by_level(scale, size):
    lr = torch.rand(1, 1, *size)
    expected = lr
    for found in lapsrn(scale)(lr, pyramid=True):
        expected = bilinear(expected)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert expected.shape[-1] == scale * size[1]


@pytest.mark.parametrize("kernel", [3, 4])
def test_residuals_of_zero_leave_bilinear_whatever_the_features_are(kernel):
    net = shaken(scale=4, width=6, depth=2, kernel=kernel)
    fresh = Doubling(channels=1, kernel=4)
    lr = torch.rand(1, 1, 17, 11, dtype=torch.float64)
    with torch.no_grad():
        for level in net.levels:
            level.enlarge.load_state_dict(fresh.state_dict())
        assert (net(lr) - bilinear(bilinear(lr))).abs().max() > 1e-2
        for level in net.levels:
            level.residual.weight.zero_()
        torch.testing.assert_close(net(lr), bilinear(bilinear(lr)), atol=1e-12, rtol=0)


def test_convolutions_start_at_he_values_for_the_slope():
    torch.manual_seed(0)
    weight = lapsrn(2).levels[0].features[4].weight.detach()
    assert float(weight.std()) == pytest.approx((2 / (1.04 * 576)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("scale, factors", [(2, [2]), (4, [2, 4]), (8, [2, 4, 8])])
def test_the_pyramid_is_every_level_and_ends_in_sr(scale, factors):
    net = shaken(scale=scale, width=6, depth=2)
    lr = torch.rand(2, 1, 9, 7, dtype=torch.float64)
    pictures = net(lr, pyramid=True)
    assert isinstance(pictures, list) and torch.equal(pictures[-1], net(lr))
    assert [tuple(picture.shape) for picture in pictures] == [(2, 1, 9 * s, 7 * s) for s in factors]


def test_the_lower_levels_are_a_network_of_their_own():
    large, small = shaken(scale=8, width=6, depth=2), LapSRN(scale=4, width=6, depth=2).double()
    small.load_state_dict({name: large.state_dict()[name] for name in small.state_dict()})
    lr = torch.rand(1, 1, 9, 7, dtype=torch.float64)
    assert torch.equal(small(lr), large(lr, pyramid=True)[1])


def test_a_shared_level_is_stored_once_and_fits_every_scale():
    two, eight = (LapSRN(scale=scale, width=6, depth=2, shared=True) for scale in (2, 8))
    state = two.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)  # safetensors refuses doubles
    eight.load_state_dict(state)
    lr = torch.rand(1, 1, 9, 7)
    assert torch.equal(eight(lr, pyramid=True)[0], two(lr))


@pytest.mark.parametrize("shared", [False, True])
def test_a_loss_on_every_level_reaches_every_parameter(shared):
    net = shaken(scale=8, width=6, depth=2, shared=shared)
    lr = torch.rand(2, 1, 9, 7, dtype=torch.float64)
    srs = net(lr, pyramid=True)
    total, parts = Levels(Weighted(pixel=(1.0, charbonnier)))(srs, [torch.rand_like(sr) for sr in srs])
    assert parts.keys() == {"pixel_1", "pixel_2", "pixel_3"}
    total.backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0] == []


def test_a_loss_on_the_first_level_teaches_the_first_level():
    net = shaken(scale=8, width=6, depth=2)
    net(torch.rand(1, 1, 9, 7, dtype=torch.float64), pyramid=True)[0].square().mean().backward()
    silent = {name for name, p in net.named_parameters() if p.grad is None}
    assert silent == {name for name, _ in net.named_parameters() if name.startswith(("levels.1", "levels.2"))}


def test_there_is_no_level_for_three():
    with pytest.raises(ValueError, match="scale must be one of 2, 4, 8, got 3"):
        lapsrn(3)


def test_wrong_settings():
    with pytest.raises(ValueError, match="depth must be at least 1.*got 0"):
        LapSRN(scale=2, depth=0)
    with pytest.raises(ValueError, match=r"kernel must be 3 .* or 4 .*, got 5"):
        LapSRN(scale=2, kernel=5)
