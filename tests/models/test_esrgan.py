"""esrgan: RRDBNet as one loop over its weights, folding, published names, the discriminator's sizes."""

import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from srlib.models.esrgan import (
    RRDB,
    DenseBlock,
    RRDBNet,
    VGGDiscriminator,
    esrgan_discriminator,
    from_official,
    rrdbnet,
)


def count(net):
    return sum(p.numel() for p in net.parameters())


def lrelu(x):
    return torch.where(x > 0, x, 0.2 * x)


def conv(state, name, x):
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)


def repeat(x, s):
    """Every pixel s x s times."""
    return x.repeat_interleave(s, -1).repeat_interleave(s, -2)


def functional(state, lr, enlarge, blocks):
    """Wang et al. 2018, fig. 3 and 4, straight from the dictionary of weights."""
    first = x = conv(state, "head", lr)
    for i in range(blocks):
        entered = x
        for j in range(3):
            dense = f"body.{i}.dense.{j}.convs"
            x1 = lrelu(conv(state, f"{dense}.0", x))
            x2 = lrelu(conv(state, f"{dense}.1", torch.cat([x, x1], 1)))
            x3 = lrelu(conv(state, f"{dense}.2", torch.cat([x, x1, x2], 1)))
            x4 = lrelu(conv(state, f"{dense}.3", torch.cat([x, x1, x2, x3], 1)))
            x = x + 0.2 * conv(state, f"{dense}.4", torch.cat([x, x1, x2, x3, x4], 1))
        x = entered + 0.2 * x
    x = first + conv(state, f"body.{blocks}", x)
    for k, s in enumerate(enlarge):
        x = lrelu(conv(state, f"enlarge.{3 * k + 1}", repeat(x, s)))
    return conv(state, "tail.2", lrelu(conv(state, "tail.0", x)))


def loud(**size):
    """A network in float64 all of whose layers matter."""
    torch.manual_seed(0)
    net = RRDBNet(width=6, growth=4, **size).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return net


@pytest.mark.parametrize("scale, enlarge", [(1, []), (2, [2]), (3, [3]), (4, [2, 2]), (8, [2, 2, 2])])
def test_forward_is_that_of_the_paper(scale, enlarge):
    net = loud(scale=scale, blocks=2)
    lr = torch.rand(2, 3, 17, 11, dtype=torch.float64)
    torch.testing.assert_close(net(lr), functional(net.state_dict(), lr, enlarge, 2), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("scale, fold", [(1, 4), (2, 2), (1, 2)])
def test_folding_makes_blocks_of_pixels_channels(scale, fold):
    net = loud(scale=scale, blocks=1, fold=fold)
    lr = torch.rand(1, 3, 3 * fold, 2 * fold, dtype=torch.float64)
    folded = torch.stack([lr[0, c, i::fold, j::fold] for c in range(3) for i in range(fold) for j in range(fold)])[None]
    expected = functional(net.state_dict(), folded, [2] * int(math.log2(scale * fold)), 1)
    torch.testing.assert_close(net(lr), expected, atol=1e-10, rtol=1e-10)


def test_folded_pictures_of_any_size_are_continued_by_their_edge():
    net = loud(scale=2, blocks=1, fold=2)
    lr = torch.rand(1, 3, 17, 11, dtype=torch.float64)
    whole = torch.cat([lr, lr[..., -1:, :]], -2)
    whole = torch.cat([whole, whole[..., -1:]], -1)
    assert net(lr).shape == (1, 3, 34, 22)
    assert torch.equal(net(lr), net(whole)[..., :34, :22])
    assert net(lr[..., :1, :1]).shape == (1, 3, 2, 2)


def test_counts_of_other_sizes():
    with torch.device("meta"):
        folded, six = count(rrdbnet(1)), count(RRDBNet(scale=4, blocks=6))
        sides = {size: count(esrgan_discriminator(size)) for size in (128, 256)}
    assert (folded, six) == (16_723_907, 4_467_779) and sides == {128: 14_499_401, 256: 21_055_049}
    assert f"{folded:,}" in rrdbnet.__doc__
    for number in sides.values():
        assert f"{number:,}" in esrgan_discriminator.__doc__


def test_blocks_whose_last_convolution_is_silent():
    x = torch.randn(1, 8, 5, 7)
    block, residual = DenseBlock(width=8, growth=4), RRDB(width=8, growth=4)
    for layer in (block, *residual.dense):
        nn.init.zeros_(layer.convs[-1].weight)
    assert torch.equal(block(x), x)
    torch.testing.assert_close(residual(x), 1.2 * x)  # the dense blocks hand x on, and RRDB adds it


def test_the_start_is_a_tenth_of_he():
    torch.manual_seed(0)
    block = DenseBlock(width=64, growth=32)
    for k, layer in enumerate(block.convs):
        expected = 0.1 * math.sqrt(2 / (9 * (64 + 32 * k)))
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.03) and not layer.bias.any()


# What the published files call the weights. First code: a flat list of layers, in which activations count.


def first_code(ours, stages, blocks):
    layer, kind = ours.rsplit(".", 1)
    words = layer.split(".")
    if words[0] == "head":
        new = "model.0"
    elif words[0] == "body" and len(words) == 2:
        new = f"model.1.sub.{blocks}"
    elif words[0] == "body":
        new = f"model.1.sub.{words[1]}.RDB{int(words[3]) + 1}.conv{int(words[5]) + 1}.0"
    elif words[0] == "enlarge":
        new = f"model.{2 + int(words[1])}"
    else:
        new = f"model.{2 + 3 * stages + int(words[1])}"
    return f"{new}.{kind}"


def second_code(ours, stages, blocks):
    names = {"head": "conv_first", f"body.{blocks}": "trunk_conv", "enlarge.1": "upconv1", "enlarge.4": "upconv2"}
    names |= {"tail.0": "HRconv", "tail.2": "conv_last"}
    layer, kind = ours.rsplit(".", 1)
    if layer in names:
        return f"{names[layer]}.{kind}"
    _, block, _, dense, _, k = layer.split(".")
    return f"RRDB_trunk.{block}.RDB{int(dense) + 1}.conv{int(k) + 1}.{kind}"


def basicsr(ours, stages, blocks):
    old = {"RRDB_trunk": "body", "RDB": "rdb", "trunk_conv": "conv_body", "upconv": "conv_up", "HRconv": "conv_hr"}
    name = second_code(ours, stages, blocks)
    for before, after in old.items():
        name = name.replace(before, after)
    return name


def test_these_are_the_names_of_the_published_files():
    """Typed off the lists of names that the three codes print, for 23 blocks."""
    with torch.device("meta"):
        names = list(rrdbnet(4).state_dict())
    assert {"model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight", "model.1.sub.22.RDB3.conv5.0.bias"} | {
        f"model.{place}.bias" for place in ("1.sub.23", "3", "6", "8", "10")
    } <= {first_code(name, 2, 23) for name in names}
    assert {
        "conv_first.weight",
        "RRDB_trunk.22.RDB3.conv5.bias",
        "trunk_conv.bias",
        "upconv1.bias",
        "upconv2.weight",
    } | {
        "HRconv.weight",
        "conv_last.bias",
    } <= {second_code(name, 2, 23) for name in names}
    assert {"conv_first.weight", "body.0.rdb1.conv1.weight", "body.22.rdb3.conv5.bias", "conv_body.bias"} | {
        f"{name}.weight" for name in ("conv_up1", "conv_up2", "conv_hr", "conv_last")
    } <= {basicsr(name, 2, 23) for name in names}


@pytest.mark.parametrize("code", [first_code, second_code, basicsr])
def test_a_published_file_loads(tmp_path, code):
    source, net = loud(scale=4, blocks=12).float(), RRDBNet(scale=4, blocks=12, width=6, growth=4)
    theirs = {code(name, 2, 12): value.clone() for name, value in source.state_dict().items()}
    save_file(theirs, tmp_path / "net.safetensors")
    torch.save(theirs, tmp_path / "net.pth")
    lr = torch.rand(1, 3, 9, 7)
    for state in (load_file(tmp_path / "net.safetensors"), torch.load(tmp_path / "net.pth", weights_only=True)):
        net.load_state_dict(from_official(state))  # strict: nothing is missing and nothing too many
        assert torch.equal(net(lr), source(lr))


def test_wrapped_files_other_scales_and_our_own_names():
    source = loud(scale=2, blocks=2, fold=2)
    theirs = {f"module.{basicsr(name, 2, 2)}": value for name, value in source.state_dict().items()}
    for state in ({"params": theirs}, {"params": {}, "params_ema": theirs}, source.state_dict()):
        found = from_official(state)
        assert found.keys() == source.state_dict().keys()
        assert all(torch.equal(found[name], value) for name, value in source.state_dict().items())
    for scale, stages in ((1, 0), (2, 1), (3, 1), (8, 3)):
        state = loud(scale=scale, blocks=1).state_dict()
        assert (
            from_official({first_code(name, stages, 1): value for name, value in state.items()}).keys() == state.keys()
        )


def test_files_of_other_networks_are_refused_by_the_layer():
    with pytest.raises(ValueError, match=r"'features.0' is no layer of a published ESRGAN"):
        from_official({"features.0.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"'model.1.sub.9' is no layer"):
        from_official({"model.1.sub.9.weight": torch.zeros(1)})


@pytest.mark.parametrize("size, strided", [(8, 1), (16, 2), (32, 3), (128, 5)])
def test_the_discriminator_halves_down_to_four(size, strided):
    torch.manual_seed(0)
    d = VGGDiscriminator(size=size, width=2).eval()
    picture = torch.rand(2, 3, size, size)
    assert d(picture).shape == (2, 1) and d.body(picture).shape[-2:] == (4, 4)
    convs = [layer for layer in d.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.stride[0] for layer in convs] == [1, 2] * strided
    assert [layer.out_channels for layer in convs[1::2]] == [2 * min(2**k, 8) for k in range(strided)]
    assert [layer.bias is not None for layer in convs] == [True] + [False] * (2 * strided - 1)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in d.modules()) == 2 * strided - 1


def test_errors():
    for size in (4, 96, 0, 100):
        with pytest.raises(ValueError, match=f"8, 16, 32, 64, 128 or a further doubling, got {size}"):
            VGGDiscriminator(size=size)
    with pytest.raises(ValueError, match=r"\(N, 3, 8, 8\), got shape \(1, 3, 8, 9\)"):
        VGGDiscriminator(size=8, width=2)(torch.zeros(1, 3, 8, 9))
    with pytest.raises(ValueError, match=r"scale · fold must be one of 1, 2, 3, 4, 8, got 3 · 2"):
        RRDBNet(scale=3, blocks=1, fold=2)
