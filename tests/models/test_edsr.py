"""edsr: EDSR and MDSR as one loop over their weights, the mean put back, one body for several scales, a warm start."""

import pytest
import torch
import torch.nn.functional as F

from srlib.models.edsr import EDSR, MDSR, edsr, edsr_baseline, edsr_small, mdsr

MEAN = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64).view(3, 1, 1)


def conv(state, name, x):
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def residual(state, name, x, a=1.0):
    return x + a * conv(state, f"{name}.conv2", conv(state, f"{name}.conv1", x).clamp_min(0))


def shuffle(x, s):
    n, c, h, w = x.shape
    return x.view(n, c // s**2, s, s, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // s**2, h * s, w * s)


def enlarge(state, name, x, scale):
    for k, s in enumerate({2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}[scale]):
        x = shuffle(conv(state, f"{name}.{2 * k}", x), s)
    return x


def functional(state, lr, scale, blocks, a, tail):
    """Lim et al. 2017, fig. 3, straight from the dictionary of weights."""
    first = x = conv(state, "head", lr - MEAN)
    for k in range(blocks):
        x = residual(state, f"body.{k}", x, a)
    x = first + conv(state, f"body.{blocks}", x)
    if tail == "light":
        return shuffle(conv(state, "tail.0", x), scale) + MEAN
    return conv(state, "tail.1", enlarge(state, "tail.0", x, scale)) + MEAN


def double(net):
    torch.manual_seed(0)
    net = net.double()
    net.mean.copy_(MEAN)  # the buffer was rounded to float32
    return net


@pytest.mark.parametrize("scale, a", [(2, 1.0), (3, 0.1), (4, 1.0), (8, 0.1)])
@pytest.mark.parametrize("tail", ["paper", "light"])
def test_forward_is_that_of_the_paper(scale, tail, a):
    net = double(EDSR(scale=scale, blocks=3, width=6, residual_scale=a, tail=tail))
    lr = torch.rand(2, 3, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(net(lr), functional(net.state_dict(), lr, scale, 3, a, tail), atol=1e-12, rtol=0)


def test_published_settings():
    with torch.device("meta"):
        nets = {make.__name__: make(4) for make in (edsr, edsr_baseline, edsr_small)}
    found = {name: (len(net.body) - 1, net.head.out_channels, net.body[0].residual_scale) for name, net in nets.items()}
    assert found == {"edsr": (32, 256, 0.1), "edsr_baseline": (16, 64, 1.0), "edsr_small": (8, 32, 1.0)}


def test_residuals_scaled_by_zero_leave_head_and_last_convolution_of_the_body():
    net = double(EDSR(scale=2, blocks=4, width=6, residual_scale=0.0))
    lr = torch.rand(1, 3, 9, 7, dtype=torch.float64)
    x = net.head(lr - MEAN)
    torch.testing.assert_close(net(lr), net.tail(x + net.body[4](x)) + MEAN)


@pytest.mark.parametrize("make", [lambda: edsr_small(3), lambda: MDSR(scale=3, blocks=1, width=4)])
def test_silent_weights_leave_the_mean_colour(make):
    net = make()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    sr = net(torch.rand(1, 3, 5, 7))
    torch.testing.assert_close(sr, MEAN.float().expand(1, 3, 15, 21))


def test_the_mean_is_a_constant_and_not_in_the_file():
    net = edsr_small(2)
    assert not any("mean" in key for key in net.state_dict()) and len(list(net.buffers())) == 1
    assert net.half().mean.dtype == torch.float16


def test_grey_pictures_are_not_spread_over_three_channels():
    with pytest.raises(ValueError, match="RGB"):
        edsr_small(2)(torch.rand(1, 1, 5, 7))


def test_wrong_tail():
    with pytest.raises(ValueError, match='"paper" or "light", got \'heavy\''):
        EDSR(scale=2, blocks=1, width=4, tail="heavy")


def test_mdsr_is_one_body_between_branches():
    net = double(MDSR(scale=2, blocks=2, width=6))
    state = net.state_dict()
    lr = torch.rand(1, 3, 9, 7, dtype=torch.float64)
    for scale in (2, 3, 4):
        x = conv(state, "head", lr - MEAN)
        for k in range(2):
            x = residual(state, f"first.{scale}.{k}", x)
        first = x
        for k in range(2):
            x = residual(state, f"body.{k}", x)
        x = enlarge(state, f"upsample.{scale}", first + conv(state, "body.2", x), scale)
        torch.testing.assert_close(net(lr, scale), conv(state, "tail", x) + MEAN, atol=1e-12, rtol=0)
    assert {state[f"first.{scale}.0.conv1.weight"].shape[-1] for scale in (2, 3, 4)} == {5}


def test_mdsr_with_the_eighty_blocks_of_the_paper():
    with torch.device("meta"):
        net = mdsr(blocks=80)
    assert sum(p.numel() for p in net.parameters()) == 7_953_987
    assert "7,953,987" in mdsr.__doc__


def test_the_scale_of_mdsr_can_be_set():
    net = MDSR(blocks=1, width=4)
    lr = torch.rand(1, 3, 5, 7)
    assert net.scale == 4
    for scale in (3, 2):
        net.scale = scale
        assert net.scale == scale and torch.equal(net(lr), net(lr, scale)) and net(lr).shape[-1] == 7 * scale
    assert net(lr, 4).shape[-1] == 28 and net.scale == 2  # asking for a scale does not set it


def test_wrong_scales_of_mdsr():
    net = MDSR(scale=2, scales=(2, 3), blocks=1, width=4)
    for wrong in (4, 2.0, True, 0):
        with pytest.raises(ValueError, match=rf"one of 2, 3, got {wrong}"):
            net.scale = wrong
        with pytest.raises(ValueError, match=rf"one of 2, 3, got {wrong}"):
            net(torch.rand(1, 3, 5, 7), wrong)
    assert net.scale == 2
    with pytest.raises(ValueError, match="one of 2, 3, 4, 8, got 5"):
        MDSR(scales=(2, 5))
    with pytest.raises(ValueError, match="one of 2, 3, got 4"):
        MDSR(scale=4, scales=(2, 3))


def test_weights_go_from_scale_to_scale_by_name_and_shape():
    def common(a, b):
        a, b = a.state_dict(), b.state_dict()
        return {key for key in a.keys() & b.keys() if a[key].shape == b[key].shape}

    with torch.device("meta"):
        two, three, four, both = edsr_baseline(2), edsr_baseline(3), edsr_baseline(4), mdsr()
        inner = {key for key in two.state_dict() if key.startswith(("head.", "body."))}
        assert len(inner) == 2 + 16 * 4 + 2
        for other in (three, four, both):
            assert inner <= common(two, other)
        assert inner <= common(four, both)
        assert common(two, three) == inner | {"tail.1.weight", "tail.1.bias"}  # and the last convolution
