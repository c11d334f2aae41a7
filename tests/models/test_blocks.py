"""blocks: the residual block by its formula, the upsampler's order, and the checks every network makes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlib.models.blocks import ResidualBlock, check_input, check_scale, div2k_mean, he_, upsampler


@pytest.mark.parametrize("kernel, residual_scale", [(3, 1.0), (5, 0.1), (1, -2.0)])
def test_block_of_edsr_by_its_formula(kernel, residual_scale):
    block = ResidualBlock(width=6, kernel=kernel, residual_scale=residual_scale)
    x = torch.randn(2, 6, 17, 11)
    inner = F.conv2d(x, block.conv1.weight, block.conv1.bias, padding="same").clamp_min(0)
    expected = x + residual_scale * F.conv2d(inner, block.conv2.weight, block.conv2.bias, padding="same")
    torch.testing.assert_close(block(x), expected)
    assert sum(p.numel() for p in block.parameters()) == 2 * (36 * kernel**2 + 6)


def test_block_of_srresnet_by_its_formula():
    block = ResidualBlock(width=6, norm=True, activation=nn.PReLU).train()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn_like(parameter))

    def normalised(x, norm):  # over the batch, biased variance
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
        return (x - mean) / (var + 1e-5).sqrt() * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)

    x = torch.randn(2, 6, 17, 11)
    inner = normalised(
        F.conv2d(x, block.conv1.weight, padding=1), block.norm1
    )  # a bias before the norm is without effect
    inner = torch.where(inner > 0, inner, block.activation.weight * inner)
    expected = x + normalised(F.conv2d(inner, block.conv2.weight, padding=1), block.norm2)
    torch.testing.assert_close(block(x), expected, atol=1e-4, rtol=1e-4)


def test_a_block_scaled_by_zero_is_the_identity():
    x = torch.randn(1, 4, 5, 7)
    assert torch.equal(ResidualBlock(width=4, residual_scale=0.0)(x), x)


@pytest.mark.parametrize("scale, factors", [(2, [2]), (3, [3]), (4, [2, 2]), (8, [2, 2, 2])])
def test_upsampler_convolves_and_interleaves(scale, factors):
    up = upsampler(scale, 4)
    x = expected = torch.randn(2, 4, 5, 7)
    for conv, s in zip([layer for layer in up if isinstance(layer, nn.Conv2d)], factors, strict=True):
        maps = F.conv2d(expected, conv.weight, conv.bias, padding=1)
        n, _, h, w = maps.shape
        expected = maps.reshape(n, 4, s, s, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, 4, h * s, w * s)
    torch.testing.assert_close(up(x), expected)


def test_upsampler_with_activation():
    up = upsampler(4, 4, nn.PReLU)
    assert [type(layer).__name__ for layer in up] == ["Conv2d", "PixelShuffle", "PReLU"] * 2
    assert up[2] is not up[5]


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_he_keeps_the_size_of_a_signal(slope):
    torch.manual_seed(0)
    net = nn.Sequential(nn.LeakyReLU(slope), nn.Conv2d(300, 300, 3))
    he_(net, slope)
    found = net(torch.randn(4, 300, 9, 9)).detach().square().mean()
    torch.testing.assert_close(found, torch.tensor(1.0), atol=0, rtol=0.03)  # forgetting the slope: 6 % off
    assert float(net[1].bias.detach().abs().max()) == 0


def test_mean_of_div2k():
    mean = div2k_mean()
    assert mean.shape == (3, 1, 1)
    torch.testing.assert_close(255 * mean.flatten(), torch.tensor([114.444, 111.4605, 103.02]))


def test_check_scale():
    check_scale(7)
    check_scale(3, (2, 3))
    for wrong in (0, -1, 1.0, 2.5, True, "2", None):
        with pytest.raises(ValueError, match=r"positive integer such as 2, 3 or 4, got"):
            check_scale(wrong)
    for wrong in (1, 4, 2.0, True):
        with pytest.raises(ValueError, match=rf"one of 2, 3, got {wrong}"):
            check_scale(wrong, (2, 3))


def test_check_input():
    check_input(torch.rand(1, 3, 2, 2, dtype=torch.bfloat16), 3)
    with pytest.raises(ValueError, match=r"\(N, 1, h, w\), Y only: .*to_y.*\(1, 3, 2, 4\)"):
        check_input(torch.rand(1, 3, 2, 4), 1)
    with pytest.raises(ValueError, match=r"RGB; got shape \(3, 2, 4\)"):
        check_input(torch.rand(3, 2, 4), 3)
    with pytest.raises(ValueError, match="6 channels"):
        check_input(torch.rand(1, 3, 2, 4), 6)
    with pytest.raises(TypeError, match="uint8.*from_uint8"):
        check_input(torch.zeros(1, 3, 2, 4, dtype=torch.uint8), 3)
