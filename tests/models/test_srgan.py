"""srgan: SRResNet as one loop over its weights, the counts of both readings of PReLU, batch norm's two modes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlib.models.srgan import SRResNet, srresnet


def functional(state, lr, scale, blocks):
    """The generator of Ledig et al. 2017, fig. 4, in eval mode, straight from the dictionary of weights."""

    def conv(name, x):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def norm(name, x):
        mean, var, weight, bias = (
            state[f"{name}.{key}"].view(-1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def prelu(name, x):
        return torch.where(x > 0, x, state[f"{name}.weight"] * x)

    first = x = prelu("head.1", conv("head.0", lr))
    for k in range(blocks):
        block = f"body.{k}"
        y = prelu(f"{block}.activation", norm(f"{block}.norm1", conv(f"{block}.conv1", x)))
        x = x + norm(f"{block}.norm2", conv(f"{block}.conv2", y))
    x = first + norm(f"body.{blocks + 1}", conv(f"body.{blocks}", x))
    for k, s in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale]):
        x = conv(f"upsample.{3 * k}", x)
        n, c, h, w = x.shape
        x = x.view(n, c // s**2, s, s, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // s**2, h * s, w * s)
        x = prelu(f"upsample.{3 * k + 2}", x)
    return conv("tail", x)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_forward_is_that_of_the_paper(scale):
    torch.manual_seed(0)
    net = SRResNet(scale=scale, width=6, blocks=3).double().eval()
    state = net.state_dict()
    for key, value in state.items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) if "var" in key else 0.3 * torch.randn_like(value))
    lr = torch.rand(2, 3, 17, 11, dtype=torch.float64)
    torch.testing.assert_close(net(lr), functional(state, lr, scale, 3), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("scale, shared, per_map", [(2, 1_401_749, 1_402_883), (4, 1_549_462, 1_550_659)])
def test_both_ways_to_count_the_slopes(scale, shared, per_map):
    net = srresnet(scale)
    slopes = [layer for layer in net.modules() if isinstance(layer, nn.PReLU)]
    assert len(slopes) == 1 + 16 + scale // 2
    count = sum(p.numel() for p in net.parameters())
    assert (count, count + 63 * len(slopes)) == (shared, per_map)
    assert f"{per_map:,}" in SRResNet.__doc__


def test_the_default_is_the_network_of_the_paper():
    net = SRResNet()
    assert net.scale == srresnet().scale == 4
    assert [m.kernel_size[0] for m in net.modules() if isinstance(m, nn.Conv2d)] == [9] + 35 * [3] + [9]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == 33


def test_batch_norm_mixes_pictures_in_training_only():
    torch.manual_seed(0)
    net = SRResNet(scale=2, width=8, blocks=1)
    lr = torch.rand(2, 3, 17, 11) * torch.tensor([1.0, 0.1]).view(2, 1, 1, 1)
    with torch.no_grad():
        net.train()
        assert (net(lr)[:1] - net(lr[:1])).abs().max() > 1e-3
        net.eval()
        torch.testing.assert_close(net(lr)[:1], net(lr[:1]))
