"""srgan: SRResNet and its judge as loops over their weights, the counts of every reading, batch norm's two modes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlib.models.srgan import Discriminator, SRResNet, srgan_discriminator, srresnet


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


def judge(state, picture, dense):
    """The discriminator of Ledig et al. 2017, fig. 4, without norm, straight from the dictionary of weights."""
    x = picture
    for k in range(8):
        name = f"body.{2 * k}"
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=[1, 2][k % 2], padding=1)
        x = torch.where(x > 0, x, 0.2 * x)
    if dense:
        x = state["head.0.weight"] @ x.flatten(1).T + state["head.0.bias"][:, None]
        x = torch.where(x > 0, x, 0.2 * x)
        return (state["head.2.weight"] @ x + state["head.2.bias"][:, None]).T
    x = torch.einsum("oc,nchw->nohw", state["head.0.weight"][..., 0, 0], x) + state["head.0.bias"].view(-1, 1, 1)
    x = torch.where(x > 0, x, 0.2 * x)
    return torch.einsum("oc,nchw->nohw", state["head.2.weight"][..., 0, 0], x) + state["head.2.bias"].view(-1, 1, 1)


@pytest.mark.parametrize("size, shape, logits", [(35, (35, 35), (2, 1)), (None, (35, 17), (2, 1, 3, 2))])
def test_the_discriminator_is_that_of_the_paper(size, shape, logits):
    torch.manual_seed(0)
    d = Discriminator(size=size, width=2, norm=False).double()
    with torch.no_grad():
        for parameter in d.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    picture = torch.rand(2, 3, *shape, dtype=torch.float64)
    assert d(picture).shape == logits
    torch.testing.assert_close(d(picture), judge(d.state_dict(), picture, size is not None), atol=1e-10, rtol=1e-10)


def test_the_discriminators_layers_and_every_way_to_count_them():
    with torch.device("meta"):
        d, free = srgan_discriminator(), srgan_discriminator(None)
    count = sum(p.numel() for p in d.parameters())
    convs = [layer for layer in d.body if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, layer.stride[0]) for layer in convs] == [
        (width, stride) for width in (64, 128, 256, 512) for stride in (1, 2)
    ]
    norms = [layer for layer in d.body if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 7 and d.head[0].out_features == 1024 and not isinstance(d.body[1], nn.BatchNorm2d)
    biases = sum(layer.bias.numel() for layer in convs[1:])
    assert (count, count - biases, count - biases + 128 - 64) == (23_565_505, 23_563_649, 23_563_713)
    assert sum(p.numel() for p in free.parameters()) == 5_215_425
    assert "23,565,505" in srgan_discriminator.__doc__ and "5,215,425" in srgan_discriminator.__doc__
    assert "23,563,649" in Discriminator.__doc__


def test_a_logit_of_the_map_sees_61_pixels_square():
    torch.manual_seed(0)
    d = Discriminator(size=None, width=2, norm=False)
    picture = torch.rand(1, 3, 160, 144, requires_grad=True)
    d(picture)[0, 0, 5, 4].backward()
    seen = picture.grad[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [61, 61] and "61²" in Discriminator.__doc__


def test_every_weight_of_the_discriminators_learns():
    torch.manual_seed(0)
    for size in (32, None):
        d = Discriminator(size=size, width=4)
        d(torch.rand(4, 3, 32, 32)).square().mean().backward()
        before_norm = {f"body.{k}.bias" for k in range(2, 23, 3)}  # batch norm takes a constant away again
        silent = {name for name, p in d.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-7}
        assert silent <= before_norm


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"takes pictures \(N, 3, 32, 32\), got shape \(1, 3, 32, 33\)"):
        Discriminator(size=32, width=2)(torch.rand(1, 3, 32, 33))
    with pytest.raises(ValueError, match=r"takes pictures \(N, 3, H, W\), got shape \(1, 1, 32, 33\)"):
        Discriminator(size=None, width=2)(torch.rand(1, 1, 32, 33))
