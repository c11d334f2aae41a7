"""The chapter on residual networks: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlib.exercises import find
from srlib.exercises.residual import EXERCISES, growth
from srlib.models.blocks import ResidualBlock, he_
from srlib.models.edsr import edsr, edsr_baseline
from srlib.self_ensemble import SelfEnsemble
from srlib.warp import dihedral
from tests.exercises.contract import Contract


def conv(x, weights):
    """A convolution with zero padding, as a sum over shifted pictures."""
    weight, bias = weights
    size, (height, width) = weight.shape[-1], x.shape[-2:]
    wide = F.pad(x, [size // 2] * 4)
    total = bias[:, None, None].expand(len(x), -1, height, width)
    for i in range(size):
        for j in range(size):
            total = total + torch.einsum("oc,nchw->nohw", weight[..., i, j], wide[..., i : i + height, j : j + width])
    return total


def block(sum_up, middle=torch.relu, before=lambda x: x):
    """An answer to `block` written with shifted pictures; sum_up(x, y, a) joins the two paths."""
    return lambda x, first, second, a: sum_up(x, conv(middle(conv(before(x), first)), second), a)


def library_block(x, first, second, residual_scale):
    layer = ResidualBlock(width=x.shape[1], kernel=first[0].shape[-1], residual_scale=residual_scale)
    layer.load_state_dict(
        {"conv1.weight": first[0], "conv1.bias": first[1], "conv2.weight": second[0], "conv2.bias": second[1]}
    )
    return layer(x)


def batch_norm_by_numpy(
    deviation=lambda variance, eps: np.sqrt(variance + eps),
    new_bias=lambda b, m, f, beta: f * b - f * m + beta,
    axis=0,
):
    def answer(weight, bias, gamma, beta, mean, variance, eps):
        w, b, gamma, beta, m, variance = (t.double().numpy() for t in (weight, bias, gamma, beta, mean, variance))
        factor = gamma / deviation(variance, eps)
        return np.moveaxis(np.moveaxis(w, axis, -1) * factor, -1, axis), new_bias(b, m, factor, beta)

    return answer


def by_probing(weight, bias, gamma, beta, mean, variance, eps):
    """Weights of a convolution of 1 x 1 and 3 x 3 read off from what conv and norm together do."""
    pair = nn.Sequential(nn.Conv2d(*weight.shape[1::-1], weight.shape[-1], padding=0), nn.BatchNorm2d(len(bias), eps))
    state = {"0.weight": weight, "0.bias": bias, "1.weight": gamma, "1.bias": beta}
    state |= {"1.running_mean": mean, "1.running_var": variance, "1.num_batches_tracked": torch.tensor(0)}
    pair.load_state_dict(state)
    pair.eval()
    count, size = weight[0].numel(), weight.shape[1:]
    offset = pair(torch.zeros(1, *size))[0, :, 0, 0]
    impulses = torch.eye(count).view(count, *size)
    return (pair(impulses)[:, :, 0, 0] - offset).T.reshape(weight.shape), offset


def turned(image, k):
    array = np.flip(image.numpy(), [axis for axis, bit in ((-1, 1), (-2, 2)) if k & bit])
    return torch.from_numpy(np.ascontiguousarray(array.swapaxes(-1, -2) if k & 4 else array))


def undone(image, k):
    return turned(image, {5: 6, 6: 5}.get(k, k))


def ensemble(ks=range(8), back=undone, each=lambda sr: sr, join=sum, over=None):
    return lambda net, lr: join(each(back(net(turned(lr, k)), k)) for k in ks) / (over or len(ks))


def by_library(net, lr):
    class Net(nn.Module):
        scale, channels = 1, None

        def forward(self, lr):
            return net(lr)

    return SelfEnsemble(Net())(lr)


def by_rotations(net, lr):
    """Quarter turns of the picture and of its mirror image."""
    total = 0
    for mirror in (False, True):
        for turns in range(4):
            picture = torch.rot90(lr.flip(-1) if mirror else lr, turns, (-2, -1))
            sr = torch.rot90(net(picture), -turns, (-2, -1))
            total = total + (sr.flip(-1) if mirror else sr)
    return total / 8


def by_quarter_turns(net, lr):
    axes = (2, 3)
    return sum(torch.rot90(net(torch.rot90(lr, k, axes)), -k, axes) for k in range(4)) / 4


def count(scale, blocks, width, *, bias=1, a_block=2, end=1, more=0, factors=None):
    """9 · in · out + out for every convolution, from a list of (in, out)."""
    factors = factors or {2: [2], 3: [3], 4: [2, 2]}
    sizes = [(3, width)] + (a_block * blocks + end) * [(width, width)] + [(width, 3)]
    sizes += [(width, width * f**2) for f in factors[scale]]
    return sum(9 * i * o + bias * o for i, o in sizes) + more


RIGHT = {
    "block": [block(lambda x, y, a: x + a * y), library_block],
    "growth": [lambda n, a: math.sqrt((1 + 2 * a * a) ** n), lambda n, a: np.prod([math.hypot(1, a, a)] * n)],
    "fold": [batch_norm_by_numpy(), by_probing],
    "ensemble": [ensemble(), by_library, by_rotations],
    "parameters": [count, lambda *given: torch.tensor(count(*given))],
}

WRONG = {
    "block": [
        ("x is missing", block(lambda x, y, a: a * y)),
        ("not scaled", block(lambda x, y, a: x + y)),
        ("shrinks in every block", block(lambda x, y, a: a * (x + y))),
        ("other way round", block(lambda x, y, a: a * x + y)),
        ("two convolutions in a row", block(lambda x, y, a: x + a * y, middle=lambda x: x)),
        ("before the first", block(lambda x, y, a: x + a * y, middle=lambda x: x, before=torch.relu)),
        ("after the sum", block(lambda x, y, a: (x + a * y).clamp(min=0))),
    ],
    "growth": [
        ("this is the variance", lambda n, a: (1 + 2 * a * a) ** n),
        ("added up", lambda n, a: math.sqrt(1 + n * 2 * a * a)),
        ("deviations were added", lambda n, a: math.prod([1 + math.sqrt(2) * a] * n)),
        ("not squared", lambda n, a: math.sqrt((1 + 2 * a) ** n)),
        ("used up", lambda n, a: math.hypot(1, a) ** n),
        ("ReLU was forgotten", lambda n, a: math.hypot(1, 2 * a) ** n),
        ("identity path", lambda n, a: (math.sqrt(2) * a) ** n),
    ],
    "fold": [
        ("divided by the variance", batch_norm_by_numpy(lambda variance, eps: variance + eps)),
        ("stands under the root", batch_norm_by_numpy(lambda variance, eps: np.sqrt(variance) + eps)),
        ("left out", batch_norm_by_numpy(lambda variance, eps: np.sqrt(variance))),
        ("input channels", batch_norm_by_numpy(axis=1)),
        ("mean was forgotten", batch_norm_by_numpy(new_bias=lambda b, m, f, beta: f * b + beta)),
        ("after the scaling", batch_norm_by_numpy(new_bias=lambda b, m, f, beta: f * b - m + beta)),
        ("not scaled", batch_norm_by_numpy(new_bias=lambda b, m, f, beta: b - f * m + beta)),
        ("own bias", batch_norm_by_numpy(new_bias=lambda b, m, f, beta: beta - f * m)),
        ("beta is missing", batch_norm_by_numpy(new_bias=lambda b, m, f, beta: f * (b - m))),
    ],
    "ensemble": [
        ("net(lr) alone", lambda net, lr: net(lr.clone())),
        ("nothing was turned back", ensemble(back=lambda sr, k: sr)),
        ("turned again", ensemble(back=turned)),
        ("transposition", ensemble(ks=(0, 1, 2, 3))),
        ("mirror images", by_quarter_turns),
        ("rounded", ensemble(each=lambda sr: sr.clamp(0, 1).mul(255).round().div(255))),
        ("clamped before", ensemble(each=lambda sr: sr.clip(0, 1))),
    ],
    "parameters": [
        ("biases", lambda *given: count(*given, bias=0)),
        ("two convolutions", lambda *given: count(*given, a_block=1)),
        ("after the last block", lambda *given: count(*given, end=0)),
        ("16 · width", lambda *given: count(*given, factors={2: [2], 3: [3], 4: [4]})),
        ("24 too many", lambda *given: count(*given, more=24)),
    ],
}


class TestResidual(Contract):
    chapter, exercises, right, wrong = "residual", EXERCISES, RIGHT, WRONG


def test_growth_is_what_random_blocks_do():
    torch.manual_seed(0)
    x = torch.randn(2, 64, 17, 11)
    blocks = nn.Sequential(*[ResidualBlock(width=64, residual_scale=0.5) for _ in range(6)])
    he_(blocks)
    for layer in blocks.modules():
        if isinstance(layer, nn.Conv2d):
            layer.padding_mode, layer._reversed_padding_repeated_twice = "circular", (1, 1, 1, 1)  # no dark border
    with torch.no_grad():
        measured = float(blocks(x).std() / x.std())
    assert measured == pytest.approx(growth(6, 0.5), rel=0.15)


def test_published_counts():
    reference = find("residual-parameters").reference
    assert reference(4, 16, 64) == 1_517_571 == sum(p.numel() for p in edsr_baseline(4).parameters())
    with torch.device("meta"):
        assert reference(2, 32, 256) == 40_729_603 == sum(p.numel() for p in edsr(2).parameters())


def test_turning_twice_is_wrong_for_quarter_turns_only():
    """The hint says so."""
    image = torch.rand(1, 1, 5, 5)
    assert [k for k in range(8) if not torch.equal(dihedral(dihedral(image, k), k), image)] == [5, 6]
