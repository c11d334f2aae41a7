"""drn: the published sizes, an answer at every scale, and dual networks that shrink."""

import pytest
import torch
import torch.nn.functional as F

from srlib.models.drn import DRN, AttentionBlock, BicubicDual, ChannelAttention, drn_l, drn_s, drn_small, dual
from srlib.resample import resize

# (network, paper's count). The paper's has 24 more: the mean colours, which the authors' code trains by accident.
COUNTS = [
    (drn_s, 4, 4_804_065),
    (drn_s, 8, 5_403_000),
    (drn_l, 4, 9_825_893),
    (drn_l, 8, 10_004_018),
]


def count(net):
    return sum(weight.numel() for weight in net.parameters())


@pytest.mark.parametrize("make, scale, published", COUNTS)
def test_sizes_are_those_of_the_paper(make, scale, published):
    with torch.device("meta"):
        net = make(scale)
    assert count(net) == published - 24


@pytest.mark.parametrize("width, published", [(16, 864), (8, 432), (20, 1080), (10, 540)])
def test_dual_networks_have_the_papers_sizes_and_halve(width, published):
    net = dual(width)
    assert count(net) == published
    assert net(torch.rand(2, 3, 9, 12)).shape == (2, 3, 5, 6)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_there_is_an_answer_at_every_scale(scale):
    torch.manual_seed(0)
    net = drn_small(scale)
    lr = torch.rand(1, 3, 12, 7)
    answers = net(lr, pyramid=True)
    assert [tuple(answer.shape[-2:]) for answer in answers] == [
        (12 * 2**k, 7 * 2**k) for k in range(scale.bit_length())
    ]
    assert torch.equal(net(lr), answers[-1])


def functional(state, lr, blocks, mean):
    """Guo et al. 2020, fig. 2, at ×4 straight from the dictionary of weights: all answers."""

    def conv(name, x, stride=1):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state.get(f"{name}.bias"), stride, weight.shape[-1] // 2)

    def attention(name, x):
        y = conv(f"{name}.body.2", conv(f"{name}.body.0", x).relu())
        weigh = conv(f"{name}.body.3.weigh.0", F.adaptive_avg_pool2d(y, 1)).relu()
        return x + y * conv(f"{name}.body.3.weigh.2", weigh).sigmoid()

    x = conv("head", F.interpolate(lr, scale_factor=4, mode="bicubic") - mean)
    sizes = [x]
    for k in range(2):
        x = conv(f"down.{k}.2", F.leaky_relu(conv(f"down.{k}.0", x, 2), 0.2))
        sizes.append(x)
    answers = [conv("tails.0", x) + mean]
    for k in range(2):
        for block in range(blocks):
            x = attention(f"up.{k}.{block}", x)
        x = conv(f"up.{k}.{blocks + 2}", F.pixel_shuffle(conv(f"up.{k}.{blocks}", x), 2))
        x = torch.cat([x, sizes[1 - k]], 1)
        answers.append(conv(f"tails.{k + 1}", x) + mean)
    return answers


def test_the_network_is_the_figure():
    torch.manual_seed(0)
    net = DRN(scale=4, blocks=2, width=4).double()
    lr = torch.rand(1, 3, 5, 7, dtype=torch.float64)
    expected = functional(net.state_dict(), lr, 2, net.mean_colour)
    for answer, wanted in zip(net(lr, pyramid=True), expected, strict=True):
        torch.testing.assert_close(answer, wanted)


def test_attention_weighs_maps_by_their_means():
    layer = ChannelAttention(width=32)
    x = torch.rand(2, 32, 5, 7)
    ratio = layer(x) / x
    torch.testing.assert_close(ratio, ratio[..., :1, :1].expand_as(ratio))
    assert ((ratio > 0) & (ratio < 1)).all()
    assert layer.weigh[0].out_channels == 2 and ChannelAttention(width=8).weigh[0].out_channels == 1
    block = AttentionBlock(width=32)
    torch.nn.init.zeros_(block.body[2].weight)
    torch.nn.init.zeros_(block.body[2].bias)
    assert torch.equal(block(x), x)


def test_the_fixed_dual_shrinks_as_lr_was_made():
    hr = torch.rand(1, 3, 8, 12)
    assert torch.equal(BicubicDual()(hr), resize(hr, 0.5)) and not list(BicubicDual().parameters())


@pytest.mark.parametrize("make, scale", [(drn_small, 3), (drn_s, 2), (drn_l, 16)])
def test_other_scales_are_refused(make, scale):
    with pytest.raises(ValueError, match="scale"):
        make(scale)
