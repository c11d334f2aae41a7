"""fcn: SRCNN against matrix products and SciPy, FSRCNN's kernel in its place, VDSR that starts as bicubic, ESPCN."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import correlate2d
from torch import nn

from srlib.models.fcn import ESPCN, FSRCNN, SRCNN, VDSR, espcn, fsrcnn, fsrcnn_s, srcnn, vdsr
from srlib.resample import resize


def unfolded(x, conv):
    """A padded convolution as the product of a matrix of patches and a matrix of weights."""
    side, size = conv.kernel_size[0], x.shape[-2:]
    rows, columns = (torch.arange(-(side // 2), n + side // 2) for n in size)
    inside = ((rows >= 0) & (rows < size[0]))[:, None] & (columns >= 0) & (columns < size[1])
    x = x[..., rows.clamp(0, size[0] - 1)[:, None], columns.clamp(0, size[1] - 1)]  # the border goes on
    x = x * inside if conv.padding_mode == "zeros" else x
    return (conv.weight.flatten(1) @ F.unfold(x, side) + conv.bias[:, None]).unflatten(-1, size)


@pytest.mark.parametrize(
    "kernels, parameters, weights",
    [((9, 1, 5), 8_129, 8_032), ((9, 3, 5), 24_513, 24_416), ((9, 5, 5), 57_281, 57_184)],
)
def test_srcnn_variants_have_the_size_of_the_paper(kernels, parameters, weights):
    net = SRCNN(scale=3, kernels=kernels)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert sum(p.numel() for p in net.parameters() if p.ndim == 4) == weights
    if kernels != (9, 5, 5):
        assert f"{parameters:,}" in srcnn.__doc__


def test_rgb_sizes():
    def size(net):
        return sum(p.numel() for p in net.parameters())

    assert size(SRCNN(scale=2, channels=3, kernels=(9, 1, 5))) == 20_099
    assert size(SRCNN(scale=2, channels=3)) == 69_251
    assert [size(ESPCN(scale=scale, channels=3)) for scale in (2, 3, 4)] == [26_796, 31_131, 37_200]


def test_weights_alone_have_the_size_of_the_papers():
    def weights(net):
        return sum(p.numel() for p in net.parameters() if p.ndim == 4)

    assert (weights(fsrcnn(3)), weights(fsrcnn_s(3)), weights(vdsr(2))) == (12_464, 3_937, 664_704)
    assert [weights(espcn(scale)) for scale in (2, 3, 4)] == [21_184, 22_624, 24_640]


@pytest.mark.parametrize("kernels", [(9, 1, 5), (9, 5, 5)])
def test_srcnn_is_three_matrix_products(kernels):
    net = SRCNN(scale=3, channels=2, kernels=kernels, widths=(6, 5)).double()
    lr = torch.rand(2, 2, 17, 11, dtype=torch.float64)
    x = unfolded(resize(lr, 3), net.extract).clamp_min(0)
    x = unfolded(x, net.map).clamp_min(0)
    torch.testing.assert_close(net(lr), unfolded(x, net.reconstruct), atol=1e-12, rtol=0)


def test_srcnn_with_delta_kernels_is_bicubic():
    net = SRCNN(scale=2, widths=(2, 2))
    with torch.no_grad():
        for conv in (net.extract, net.map, net.reconstruct):
            nn.init.dirac_(conv.weight)
    lr = 0.3 + 0.4 * torch.rand(1, 1, 17, 11)  # positive after the overshoots of bicubic
    torch.testing.assert_close(net(lr), resize(lr, 2))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8, 9])
def test_the_kernel_of_fsrcnn_lies_over_its_pixel(scale):
    """A triangle centred on the pixel's middle must give linear interpolation; a shift by any fraction would show."""
    net = FSRCNN(scale=scale, width=3, shrink=2, blocks=1).double()
    padding = net.enlarge.padding[0]
    middle = padding + (scale - 1) / 2  # in taps; pixel i starts at tap `padding`
    assert abs(middle - 4) <= 0.5
    if scale > 4:
        return  # nine taps are too few for a triangle of 2·scale − 1
    triangle = (1 - (torch.arange(9, dtype=torch.float64) - middle).abs() / scale).clamp_min(0)
    x = torch.rand(1, 3, 17, 11, dtype=torch.float64)
    with torch.no_grad():
        net.enlarge.weight.zero_()
        net.enlarge.weight[1, 0] = triangle[:, None] * triangle
        found = net.enlarge(x)
    inside = (..., slice(scale, -scale), slice(scale, -scale))
    torch.testing.assert_close(found[inside], resize(x[:, 1:2], scale, kernel="bilinear")[inside], atol=1e-12, rtol=0)


def test_fsrcnn_layer_by_layer():
    net = FSRCNN(scale=3, width=5, shrink=3, blocks=2).double()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter))
    lr = x = torch.rand(1, 1, 9, 7, dtype=torch.float64)
    layers = [*net.extract, *net.shrink, *net.map, *net.expand]
    assert [conv.kernel_size[0] for conv in layers[::2]] == [5, 1, 3, 3, 1]
    assert [conv.out_channels for conv in layers[::2]] == [5, 3, 3, 3, 5]
    for conv, prelu in zip(layers[::2], layers[1::2], strict=True):
        x = unfolded(x, conv)
        x = x.clamp_min(0) + prelu.weight.view(-1, 1, 1) * x.clamp_max(0)
    expected = np.full((3 * 8 + 9, 3 * 6 + 9), net.enlarge.bias.item())
    for m, row, column in np.ndindex(5, 9, 7):  # each pixel of each map paints its kernel
        kernel = net.enlarge.weight[m, 0].detach().numpy()
        expected[3 * row : 3 * row + 9, 3 * column : 3 * column + 9] += x[0, m, row, column].item() * kernel
    np.testing.assert_allclose(net(lr)[0, 0].detach().numpy(), expected[3:-3, 3:-3], rtol=1e-10)


def test_fsrcnn_starts_almost_black():
    torch.manual_seed(0)
    net = fsrcnn(3)
    assert float(net(torch.rand(1, 1, 17, 11)).detach().abs().max()) < 0.1
    assert 0.0009 < float(net.enlarge.weight.detach().std()) < 0.0011


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_untrained_vdsr_is_bicubic(scale):
    lr = torch.rand(2, 1, 17, 11)
    assert torch.equal(vdsr(scale)(lr), resize(lr, scale))


def test_vdsr_adds_what_twenty_layers_say():
    net = VDSR(scale=2, width=4, depth=20).double()
    convs = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convs) == 20 and {conv.kernel_size for conv in convs} == {(3, 3)}
    nn.init.normal_(net.tail.weight)
    lr = torch.rand(1, 1, 9, 7, dtype=torch.float64)
    up = resize(lr, 2)
    x = up[0].numpy()
    for k, conv in enumerate(convs):
        x = np.maximum(x, 0) if k > 1 else x
        kernels = conv.weight.detach().numpy()
        x = np.stack([sum(correlate2d(p, k, "same") for p, k in zip(x, kernel, strict=True)) for kernel in kernels])
        x = x + conv.bias.detach().numpy()[:, None, None]
        x = np.maximum(x, 0) if k == 0 else x
    np.testing.assert_allclose(net(lr)[0].detach().numpy(), up[0].numpy() + x, rtol=1e-9)


@pytest.mark.parametrize("depth, sees", [(20, 20), (4, 4)])
def test_each_layer_of_vdsr_sees_one_pixel_further(depth, sees):
    """Receptive field 2·depth + 1 on the enlarged picture: 41 for 20 layers (Kim et al. 2016, section 3.2)."""
    net = VDSR(scale=1, width=4, depth=depth)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
    lr = torch.rand(1, 1, 45, 45, requires_grad=True)
    net(lr)[..., 22, 22].sum().backward()
    assert lr.grad[0, 0].abs().amax(0).nonzero().flatten().tolist() == list(range(22 - sees, 22 + sees + 1))


def test_vdsr_needs_two_layers():
    with pytest.raises(ValueError, match="depth must be at least 2.*got 1"):
        VDSR(scale=2, depth=1)


@pytest.mark.parametrize("activation, function", [(nn.ReLU, torch.relu), (nn.Tanh, torch.tanh)])
def test_espcn_interleaves_its_maps(activation, function):
    net = ESPCN(scale=3, channels=2, width=8, activation=activation).double()
    lr = torch.rand(2, 2, 17, 11, dtype=torch.float64)
    maps = unfolded(function(unfolded(function(unfolded(lr, net.head)), net.body)), net.tail)
    expected = torch.empty(2, 2, 51, 33, dtype=torch.float64)
    for c, i, j in np.ndindex(2, 3, 3):
        expected[:, c, i::3, j::3] = maps[:, 9 * c + 3 * i + j]
    torch.testing.assert_close(net(lr), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("make", [srcnn, vdsr])
def test_enlarging_first_stays_in_full_precision_and_lets_gradients_through(make):
    lr = torch.rand(1, 1, 9, 7, requires_grad=True)
    net = make(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sr = net(lr)
    sr.float().sum().backward()
    assert lr.grad.abs().min() > 0
    if make is vdsr:
        assert torch.equal(sr, resize(lr, 3))  # not rounded to bfloat16
