"""upsampling: three layers are one map, equal phases draw no checkerboard, unpooling needs the large picture."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import convolve2d, correlate2d
from torch import nn

from srlib.models.upsampling import (
    NearestConv,
    PixelShuffleConv,
    SubPixelConv,
    TransposedConv,
    icnr_,
    max_pool,
    max_unpool,
    shuffle_to_transposed,
    transposed_to_shuffle,
    transposed_to_subpixel,
    zero_stuff,
)
from srlib.resample import resize

CASES = [(2, 3), (3, 5), (4, 3), (2, 1), (3, 3)]  # scale, kernel at low resolution


def three_of_one_map(scale, kernel):
    """A shuffle layer with random weights, and the other two set to its map."""
    torch.manual_seed(0)
    shuffled = PixelShuffleConv(scale=scale, channels_in=3, channels_out=2, kernel=kernel).double()
    wide = {"scale": scale, "channels_in": 3, "channels_out": 2, "kernel": scale * kernel}
    transposed, subpixel = TransposedConv(**wide).double(), SubPixelConv(**wide).double()
    with torch.no_grad():
        transposed.conv.weight.copy_(shuffle_to_transposed(shuffled.conv.weight, scale))
        subpixel.conv.weight.copy_(transposed_to_subpixel(transposed.conv.weight))
        subpixel.conv.bias.copy_(transposed.conv.bias)
        shuffled.conv.bias.copy_(transposed.conv.bias.repeat_interleave(scale**2))  # the same for a whole block
    return shuffled, transposed, subpixel


@pytest.mark.parametrize("scale, kernel", CASES)
def test_three_layers_are_one_map_up_to_the_border(scale, kernel):
    x = torch.randn(2, 3, 7, 11, dtype=torch.float64)
    shuffled, transposed, subpixel = (layer(x) for layer in three_of_one_map(scale, kernel))
    assert shuffled.shape == (2, 2, 7 * scale, 11 * scale)
    torch.testing.assert_close(transposed, shuffled, atol=1e-13, rtol=0)
    torch.testing.assert_close(subpixel, shuffled, atol=1e-13, rtol=0)


def test_only_a_shuffle_can_have_a_bias_per_place():
    shuffled, transposed, _ = three_of_one_map(2, 3)
    with torch.no_grad():
        shuffled.conv.bias[1] += 1
    x = torch.randn(1, 3, 5, 6, dtype=torch.float64)
    difference = shuffled(x) - transposed(x)
    torch.testing.assert_close(difference[0, 0, 0::2, 1::2], torch.ones(5, 6, dtype=torch.float64))
    assert difference[0, 0, 1::2].abs().max() < 1e-13 and difference[0, 1].abs().max() < 1e-13


@pytest.mark.parametrize("scale, kernel", CASES)
def test_the_map_of_weights_goes_back(scale, kernel):
    weight = torch.randn(2 * scale**2, 3, kernel, kernel)
    wide = shuffle_to_transposed(weight, scale)
    assert wide.shape == (3, 2, scale * kernel, scale * kernel)
    assert torch.equal(transposed_to_shuffle(wide, scale), weight)
    p = (kernel - 1) // 2  # T[m, c, r(2p−u)+i, r(2p−v)+j] = W[c·r²+i·r+j, m, u, v], Shi et al. 2016, tap by tap
    for c, i, j, m, u, v in [(0, 0, 1, 2, 0, 0), (1, 1, 0, 0, kernel - 1, 0), (1, 1, 1, 1, p, kernel - 1)]:
        expected = weight[c * scale**2 + i * scale + j, m, u, v]
        assert wide[m, c, scale * (2 * p - u) + i, scale * (2 * p - v) + j] == expected


@pytest.mark.parametrize("scale, kernel", [(2, 2), (2, 6), (3, 9), (3, 5), (4, 8)])
def test_transposed_convolution_paints_kernels(scale, kernel):
    """Against SciPy: zeros between the pixels, full convolution, cut to the middle."""
    layer = TransposedConv(scale=scale, channels_in=1, channels_out=1, kernel=kernel).double()
    x = torch.randn(1, 1, 5, 8, dtype=torch.float64)
    painted = convolve2d(zero_stuff(x, scale)[0, 0].numpy(), layer.conv.weight[0, 0].detach().numpy(), "full")
    cut = (kernel - scale) // 2
    expected = painted[cut : cut + 5 * scale, cut : cut + 8 * scale] + layer.conv.bias.item()
    np.testing.assert_allclose(layer(x)[0, 0].detach().numpy(), expected, atol=1e-13)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_picture_does_not_move(scale):
    """With the triangle of linear interpolation as its kernel, each layer is `resize(kernel="bilinear")`."""
    kernel = 3 * scale
    place = torch.arange(kernel, dtype=torch.float64) - (kernel - 1) / 2
    triangle = (1 - place.abs() / scale).clamp_min(0)
    weight = (triangle[:, None] * triangle)[None, None]
    transposed = TransposedConv(scale=scale, channels_in=1, channels_out=1, kernel=kernel).double()
    subpixel = SubPixelConv(scale=scale, channels_in=1, channels_out=1, kernel=kernel).double()
    shuffled = PixelShuffleConv(scale=scale, channels_in=1, channels_out=1, kernel=3).double()
    x = torch.rand(1, 1, 17, 11, dtype=torch.float64)
    inside = (..., slice(scale, -scale), slice(scale, -scale))
    weights = {transposed: weight, subpixel: weight, shuffled: transposed_to_shuffle(weight, scale)}
    for layer, value in weights.items():
        with torch.no_grad():
            layer.conv.weight.copy_(value)
            layer.conv.bias.zero_()
            found = layer(x)[inside]
        torch.testing.assert_close(found, resize(x, scale, kernel="bilinear")[inside], atol=1e-13, rtol=0)


def test_zeros_between():
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    expected = torch.tensor([[1, 0, 2, 0, 3, 0], [0] * 6, [4, 0, 5, 0, 6, 0], [0] * 6], dtype=torch.float32)
    assert torch.equal(zero_stuff(x, 2), expected)
    assert torch.equal(zero_stuff(x[None, None], 1), x[None, None])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_equal_phases_draw_no_checkerboard(scale):
    torch.manual_seed(0)
    layer = PixelShuffleConv(scale=scale, channels_in=8, channels_out=3)
    nn.init.zeros_(layer.conv.bias)
    constant = torch.full((1, 8, 9, 7), 0.5)
    inside = (..., slice(scale, -scale), slice(scale, -scale))  # the border sees the zeros outside

    def spread():
        return float(layer(constant)[inside].detach().std((-2, -1)).max())

    assert spread() > 0.01
    assert icnr_(layer.conv.weight, scale) is layer.conv.weight and layer.conv.weight.requires_grad
    assert spread() < 1e-6
    x = torch.randn(2, 8, 5, 6)
    repeated = F.conv2d(x, layer.conv.weight[:: scale**2], padding=1)
    repeated = repeated.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    torch.testing.assert_close(layer(x), repeated)


def test_icnr_uses_the_given_start():
    weight = icnr_(torch.empty(12, 2, 3, 3), 2, init=lambda phase: nn.init.constant_(phase, 0.25))
    assert torch.equal(weight, torch.full((12, 2, 3, 3), 0.25))
    torch.manual_seed(0)
    spread = icnr_(torch.empty(4 * 64, 32, 3, 3), 2).std()  # He: sqrt(2 / inputs), unchanged by the repetition
    torch.testing.assert_close(spread, torch.tensor((2 / (32 * 9)) ** 0.5), atol=0, rtol=0.03)


def test_nearest_then_convolution():
    layer = NearestConv(scale=3, channels_in=1, channels_out=1, kernel=5).double()
    x = torch.randn(1, 1, 4, 6, dtype=torch.float64)
    big = np.kron(x[0, 0].numpy(), np.ones((3, 3)))
    expected = correlate2d(big, layer.conv.weight[0, 0].detach().numpy(), "same") + layer.conv.bias.item()
    np.testing.assert_allclose(layer(x)[0, 0].detach().numpy(), expected, atol=1e-13)


def test_unpooling_keeps_the_largest_and_where_it_was():
    x = torch.tensor([[1.0, 5.0, 2.0, 0.5], [3.0, 4.0, 0.2, 0.1]])[None, None]
    small, index = max_pool(x, 2)
    assert small.tolist() == [[[[5, 2]]]] and index.tolist() == [[[[1, 2]]]]
    assert max_unpool(small, index, 2).tolist() == [[[[0, 5, 2, 0], [0, 0, 0, 0]]]]


def test_unpooling_undoes_pooling_where_nothing_was_lost():
    small = 1 + torch.rand(2, 3, 5, 7)
    sparse = zero_stuff(small, 3)
    assert torch.equal(max_unpool(*max_pool(sparse, 3), 3), sparse)


@pytest.mark.parametrize("layer", [TransposedConv, SubPixelConv])
def test_kernels_that_cannot_lie_centred(layer):
    for scale, kernel in [(2, 3), (3, 4), (4, 2), (2, 0)]:
        with pytest.raises(ValueError, match=rf"one of {scale}, {scale + 2}, .*scale {scale}, got {kernel}"):
            layer(scale=scale, channels_in=1, channels_out=1, kernel=kernel)


@pytest.mark.parametrize("layer", [TransposedConv, SubPixelConv, PixelShuffleConv, NearestConv])
def test_wrong_scales(layer):
    for scale in (0, 1.5, True):
        with pytest.raises(ValueError, match="positive integer"):
            layer(scale=scale, channels_in=1, channels_out=1, kernel=3)


def test_other_errors():
    for layer in (PixelShuffleConv, NearestConv):
        with pytest.raises(ValueError, match="odd.*got 4"):
            layer(scale=2, channels_in=1, channels_out=1, kernel=4)
    for function in (icnr_, shuffle_to_transposed):
        with pytest.raises(ValueError, match=r"channels_out·9.*\(8, 3, 3, 3\)"):
            function(torch.empty(8, 3, 3, 3), 3)
    for side in (8, 7):  # an even multiple of 2, and no multiple
        with pytest.raises(ValueError, match=rf"odd multiple of scale 2 wide, got weight \(3, 1, {side}, {side}\)"):
            transposed_to_shuffle(torch.empty(3, 1, side, side), 2)
