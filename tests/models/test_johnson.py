"""johnson: the network as a loop over its weights, its sizes, and that its enlarging paints no checkerboard."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlib.models.johnson import Johnson, johnson, johnson_small
from srlib.models.upsampling import TransposedConv

SCALES = (2, 3, 4, 8)
STRIDES = {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}


def shaken(scale, width=6, blocks=2):
    """In eval mode and double precision, with every number of the state drawn anew."""
    torch.manual_seed(0)
    net = Johnson(scale=scale, width=width, blocks=blocks).double().eval()
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            value.copy_(0.5 + torch.rand_like(value) if "var" in key else 0.3 * torch.randn_like(value))
    return net


def functional(state, lr, scale, blocks):
    """The table of layers in the paper's supplement, straight from the dictionary of weights."""

    def conv(name, x):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def norm(name, x):
        mean, var, weight, bias = (
            state[f"{name}.{key}"].view(-1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def paint(name, x, stride):
        """A kernel a pixel, added up on the fine grid, its border cut off."""
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        side, (n, _, h, w) = weight.shape[-1], x.shape
        fine = x.new_zeros(n, weight.shape[1], (h - 1) * stride + side, (w - 1) * stride + side)
        for i in range(h):
            for j in range(w):
                block = torch.einsum("nc,cokl->nokl", x[:, :, i, j], weight)
                fine[..., i * stride : i * stride + side, j * stride : j * stride + side] += block
        cut = (side - stride) // 2
        return fine[..., cut:-cut, cut:-cut] + bias.view(-1, 1, 1)

    x = norm("head.1", conv("head.0", lr)).clamp_min(0)
    for k in range(blocks):
        y = norm(f"body.{k}.norm1", conv(f"body.{k}.conv1", x)).clamp_min(0)
        x = x + norm(f"body.{k}.norm2", conv(f"body.{k}.conv2", y))  # and no ReLU behind the sum
    for k, stride in enumerate(STRIDES[scale]):
        x = norm(f"upsample.{3 * k + 1}", paint(f"upsample.{3 * k}.conv", x, stride)).clamp_min(0)
    return conv("tail", x)


@pytest.mark.parametrize("scale", SCALES)
def test_forward_is_that_of_the_paper(scale):
    net = shaken(scale)
    lr = torch.rand(2, 3, 7, 11, dtype=torch.float64)
    sr = net(lr)
    assert sr.shape == (2, 3, 7 * scale, 11 * scale) and net.scale == scale and net.channels == 3
    torch.testing.assert_close(sr, functional(net.state_dict(), lr, scale, 2), atol=1e-10, rtol=1e-10)


def test_the_default_is_the_network_of_the_paper():
    net = Johnson()
    assert net.scale == johnson().scale == johnson_small().scale == 4
    assert [m.kernel_size[0] for m in net.modules() if isinstance(m, nn.Conv2d)] == [9] + 8 * [3] + [9]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == 1 + 8 + 2
    assert {m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)} == {64, 3}
    assert johnson_small().tail.in_channels == 32


@pytest.mark.parametrize(
    "make, counts",
    [(johnson, (393_475, 659_715, 459_203, 524_931)), (johnson_small, (106_627, 173_187, 123_107, 139_587))],
)
def test_number_of_parameters(make, counts):
    """Added up from the table of layers, biases and both numbers of each norm included."""
    with torch.device("meta"):
        assert tuple(sum(p.numel() for p in make(scale).parameters()) for scale in SCALES) == counts
    for count in counts:
        assert f"{count:,}" in make.__doc__


def test_what_the_kernels_of_the_paper_would_count():
    wide, narrow = 2 * 4 * 4 * 64 * 64, 2 * 3 * 3 * 64 * 64
    assert f"{sum(p.numel() for p in johnson(4).parameters()) - wide + narrow:,}" in Johnson.__doc__


@pytest.mark.parametrize("scale", SCALES)
def test_every_kernel_covers_each_place_of_a_block_equally_often(scale):
    layers = [m for m in Johnson(scale=scale, width=4, blocks=1).modules() if isinstance(m, TransposedConv)]
    assert [layer.scale for layer in layers] == STRIDES[scale]
    for layer in layers:
        assert layer.conv.kernel_size[0] % layer.scale == 0
        with torch.no_grad():
            layer.conv.weight.fill_(1.0)
            layer.conv.bias.zero_()
            painted = layer(torch.ones(1, 4, 9, 7))
        inside = painted[..., 2 * layer.scale : -2 * layer.scale, 2 * layer.scale : -2 * layer.scale]
        torch.testing.assert_close(inside, torch.full_like(inside, float(inside[0, 0, 0, 0])))


@pytest.mark.parametrize("scale", SCALES)
def test_a_mirrored_picture_is_enlarged_in_the_mirror(scale):
    net = shaken(scale, blocks=1).float()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.ndim == 4 else 0.1)
    lr = torch.rand(1, 3, 17, 11)
    for axis in (-1, -2):
        torch.testing.assert_close(net(lr.flip(axis)), net(lr).flip(axis), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("scale", SCALES)
def test_every_weight_learns(scale):
    torch.manual_seed(0)
    net = Johnson(scale=scale, width=6, blocks=1)
    (net(torch.rand(4, 3, 17, 11)) - 0.3).square().mean().backward()
    before_norm = {name for name, _ in net.named_parameters() if name.endswith("bias")}  # the norm takes them away
    before_norm -= {"tail.bias"} | {name for name in before_norm if "norm" in name or ".1." in name or ".4." in name}
    silent = {name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-8}
    assert silent <= before_norm


@pytest.mark.parametrize("scale", [0, -2, 2.0, 1.5, True, "2", None, 5])
def test_wrong_scales_name_the_choices(scale):
    with pytest.raises(ValueError, match=r"one of 2, 3, 4, 8, got"):
        Johnson(scale=scale)


def test_wrong_pictures_are_named():
    net = Johnson(scale=2, width=4, blocks=1)
    with pytest.raises(ValueError, match=r"\(N, 3, h, w\), RGB.*\(1, 1, 9, 9\)"):
        net(torch.rand(1, 1, 9, 9))
    with pytest.raises(TypeError, match="srlib.images"):
        net(torch.zeros(1, 3, 9, 9, dtype=torch.uint8))
