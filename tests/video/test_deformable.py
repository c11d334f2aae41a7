"""Deformable convolution against convolution, a loop in plain Python, known values, and torchvision where it is."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F

from srlib.video.deformable import DeformableConv, deformable_conv2d

KNOWN = [
    [15.875, 28.25, 37.125, 31.125],
    [33.75, 57, 69.75, 56.25],
    [40.375, 66.75, 79.125, 62.625],
    [29.125, 47.75, 55.875, 43.875],
]


def drawn(batch=2, channels=4, channels_out=3, groups=2, side=3, padding=1, size=(5, 7), dtype=torch.float64):
    made = torch.Generator().manual_seed(7)
    height, width = (n + 2 * padding - side + 1 for n in size)
    taps = groups * side * side
    return (
        torch.randn(batch, channels, *size, generator=made, dtype=dtype),
        3 * torch.randn(batch, 2 * taps, height, width, generator=made, dtype=dtype),
        torch.rand(batch, taps, height, width, generator=made, dtype=dtype),
        torch.randn(channels_out, channels, side, side, generator=made, dtype=dtype),
        torch.randn(channels_out, generator=made, dtype=dtype),
    )


def by_hand(x, offset, mask, weight, bias, padding):
    """Tap by tap, corner by corner."""
    batch, channels, height, width = x.shape
    side, groups = weight.shape[-1], offset.shape[1] // (2 * weight.shape[-1] ** 2)
    result = bias.view(1, -1, 1, 1).repeat(batch, 1, *offset.shape[-2:])
    for n in range(batch):
        for i in range(offset.shape[-2]):
            for j in range(offset.shape[-1]):
                for c in range(channels):
                    group = c // (channels // groups)
                    for k in range(side * side):
                        tap = group * side * side + k
                        y = i - padding + k // side + offset[n, 2 * tap, i, j].item()
                        z = j - padding + k % side + offset[n, 2 * tap + 1, i, j].item()
                        value = 0.0
                        for row in (int(y // 1), int(y // 1) + 1):
                            for column in (int(z // 1), int(z // 1) + 1):
                                if 0 <= row < height and 0 <= column < width:
                                    value += (1 - abs(y - row)) * (1 - abs(z - column)) * x[n, c, row, column].item()
                        result[n, :, i, j] += weight[:, c, k // side, k % side] * mask[n, tap, i, j] * value
    return result


@pytest.mark.parametrize(("groups", "side", "padding"), [(1, 3, 1), (2, 3, 1), (4, 1, 0), (2, 3, 0), (1, 5, 2)])
def test_it_is_the_sum_over_taps_and_corners(groups, side, padding):
    x, offset, mask, weight, bias = drawn(groups=groups, side=side, padding=padding, size=(5, 6))
    found = deformable_conv2d(x, offset, mask, weight, bias, padding=padding)
    torch.testing.assert_close(found, by_hand(x, offset, mask, weight, bias, padding), atol=1e-10, rtol=0)


def test_without_offsets_it_is_a_convolution():
    x, offset, mask, weight, bias = drawn(size=(6, 9))
    plain = F.conv2d(x, weight, padding=1)
    zero, one = torch.zeros_like(offset), torch.ones_like(mask)
    torch.testing.assert_close(deformable_conv2d(x, zero, one, weight, padding=1), plain, atol=1e-12, rtol=0)
    torch.testing.assert_close(deformable_conv2d(x, zero, None, weight, padding=1), plain, atol=1e-12, rtol=0)
    torch.testing.assert_close(deformable_conv2d(x, zero, one / 2, weight, padding=1), plain / 2, atol=1e-12, rtol=0)
    full = F.conv2d(x, weight, bias, padding=1)
    torch.testing.assert_close(deformable_conv2d(x, zero, one, weight, bias, padding=1), full, atol=1e-12, rtol=0)


def test_known_values():
    x = torch.arange(16.0, dtype=torch.float64).view(1, 1, 4, 4)
    offset = torch.tensor([0.5, -0.25], dtype=torch.float64).repeat(9).view(1, 18, 1, 1).expand(1, 18, 4, 4)
    found = deformable_conv2d(x, offset, None, torch.ones(1, 1, 3, 3, dtype=torch.float64), padding=1)
    torch.testing.assert_close(found[0, 0], torch.tensor(KNOWN, dtype=torch.float64), atol=1e-12, rtol=0)


def test_whole_offsets_move_the_picture():
    x, _, _, weight, _ = drawn(channels=2, groups=1, size=(8, 9))
    offset = torch.tensor([2.0, -1.0], dtype=torch.float64).repeat(9).view(1, 18, 1, 1).expand(2, 18, 8, 9)
    found = deformable_conv2d(x, offset, None, weight, padding=1)
    plain = F.conv2d(x, weight, padding=1)
    torch.testing.assert_close(found[..., 1:-3, 2:-1], plain[..., 3:-1, 1:-2], atol=1e-12, rtol=0)


def test_gradients_of_everything():
    x, offset, mask, weight, bias = (value.requires_grad_() for value in drawn(1, 2, 2, 2, size=(3, 4)))
    assert torch.autograd.gradcheck(
        lambda *values: deformable_conv2d(*values, padding=1), (x, offset, mask, weight, bias), atol=1e-6
    )


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_it_is_torchvisions():
    from torchvision.ops import deform_conv2d

    x, offset, mask, weight, bias = drawn(groups=2, dtype=torch.float32)
    expected = deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
    torch.testing.assert_close(deformable_conv2d(x, offset, mask, weight, bias, padding=1), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_the_layer_starts_as_a_part_of_a_convolution(gain):
    layer = DeformableConv(width=8, groups=4, gain=gain)
    torch.nn.init.normal_(layer.bias)
    x, guide = torch.randn(2, 8, 6, 7), torch.randn(2, 8, 6, 7)
    expected = gain / 2 * F.conv2d(x, layer.weight, padding=1) + layer.bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(x, guide), expected)
    offset, mask = layer.offsets(guide)
    assert offset.shape == (2, 2 * 4 * 9, 6, 7) and (offset == 0).all() and (mask == gain / 2).all()
    layer(x, guide).square().sum().backward()
    assert layer.guide.weight.grad.abs().max() > 0


def test_it_runs_in_half_precision_with_offsets_in_full():
    layer = DeformableConv(width=8, groups=2)
    torch.nn.init.normal_(layer.guide.weight, std=0.3)
    x, guide = torch.randn(1, 8, 9, 8), torch.randn(1, 8, 9, 8)
    full = layer(x, guide)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = layer(x, guide)
        assert layer.offsets(guide)[0].dtype == torch.float32
    assert (half.float() - full).abs().max() < 0.05 * full.abs().max()


def test_shapes_that_do_not_belong_together():
    x, offset, mask, weight, _ = drawn()
    for wrong in (
        (x[:, :3], offset, mask, weight),
        (x, offset[:, :18], mask, weight),
        (x, offset, mask[..., :-1], weight),
    ):
        with pytest.raises(ValueError, match=r"needs an offset \(N, 2·groups·k·k, h', w'\)"):
            deformable_conv2d(*wrong, padding=1)
    with pytest.raises(ValueError, match="needs an offset"):
        deformable_conv2d(x, offset, mask, weight)
