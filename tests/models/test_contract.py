"""Every network of the catalogue: net(lr) -> sr at its scales, pictures stay where they are, every weight learns.

A new network needs nothing here: its row says how a small one is made. Its size is stated in its own test.
"""

import json
import re
from inspect import signature

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlib.models.catalogue import CATALOGUE
from srlib.models.edsr import MDSR
from srlib.models.fcn import SRCNN
from srlib.resample import resize

# By architecture: rows that share one are tested once.
ROWS = {entry.small: name for name, entry in reversed(CATALOGUE.items()) if entry.kind != "kernel"}
SMALL = {name: (small, CATALOGUE[name].scales, CATALOGUE[name].channels) for small, name in ROWS.items()}
SMALL |= {  # what the rows do not show
    "srcnn_rgb": (lambda scale: SRCNN(scale=scale, channels=3, kernels=(9, 1, 5), widths=(32, 16)), (2, 3, 4), 3),
    "mdsr_of_one": (lambda scale: MDSR(scale=scale, scales=(scale,), blocks=2, width=16), (2, 3, 4), 3),
}
PAIRS = [(name, scale) for name, (_, scales, _) in SMALL.items() for scale in scales]
# Halving with three taps begins at the first pixel of two: a network that does it to lr has left and right, and a grid.
CENTRED = [(name, scale) for name, scale in PAIRS if name not in CATALOGUE or CATALOGUE[name].kind != "video"]


def make(name, scale):
    return SMALL[name][0](scale)


def random_lr(net, count, height, width):
    """A batch of pictures as the network takes them: clips, where it takes several frames."""
    frames = (net.frames,) if getattr(net, "frames", 1) > 1 else ()
    return torch.rand(count, *frames, net.channels, height, width)


def shaken(name, scale):
    """The network in eval mode with every parameter moved off its start, so that no layer is silent at zero."""
    torch.manual_seed(0)
    net = make(name, scale).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return net


def positive(name, scale):
    """The network with all parameters above zero: no ReLU is off and no tanh full: every path from lr to sr is open."""
    net = shaken(name, scale)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
            if any(isinstance(layer, nn.Tanh | nn.Sigmoid) for layer in net.modules()):
                parameter /= max(10, parameter[0].numel())
    return net


def flat(name, scale):
    """The network with every kernel constant: each layer treats left and right, up and down alike."""
    net = make(name, scale).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.ndim == 4 else 0.1)
        for layer in net.modules():  # of nine taps at stride 2 only eight can lie alike on both sides
            strided = isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.stride[0] > 1
            if strided and (layer.kernel_size[0] - layer.stride[0]) % 2:
                layer.weight[..., 0, :] = 0
                layer.weight[..., :, 0] = 0
    return net


def bars(height, width):
    """Slanted bars with sharp edges, 0.2 and 0.8, (1, 1, height, width)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return 0.2 + 0.6 * ((x + y // 2) % 13 < 6).float()[None, None]


every_model = pytest.mark.parametrize("name", SMALL)
every_pair = pytest.mark.parametrize(("name", "scale"), PAIRS)


@every_pair
def test_shape_scale_channels_and_batch(name, scale):
    net = shaken(name, scale)
    lr = random_lr(net, 2, 17, 11)
    sr = net(lr)
    assert net.scale == scale and sr.shape == (2, net.channels, 17 * scale, 11 * scale)
    torch.testing.assert_close(sr, torch.cat([net(lr[:1]), net(lr[1:])]))
    assert net(lr[..., :1, :1]).shape == (2, net.channels, scale, scale)  # a single pixel is a picture, too


@every_pair
def test_every_parameter_gets_a_gradient(name, scale):
    net = shaken(name, scale).train()
    lr = random_lr(net, 2, 17, 11)
    for other in getattr(net, "scales", (scale,)):  # a scale of MDSR leaves the branches of the others alone
        net.scale = other
        answers = net(lr, pyramid=True) if "pyramid" in signature(net.forward).parameters else [net(lr)]
        sum(answer.square().mean() for answer in answers).backward()
    silent = [key for key, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert silent == []


@every_pair
def test_state_survives_a_file(name, scale, tmp_path):
    net, other = shaken(name, scale), make(name, scale).eval()
    torch.save(net.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    lr = random_lr(net, 1, 17, 11)
    assert torch.equal(net(lr), other(lr))


@every_pair
def test_half_precision_is_close(name, scale):
    net = shaken(name, scale)
    lr = random_lr(net, 1, 17, 11)
    with torch.no_grad():
        full = net(lr)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = net(lr).float()
        torch.testing.assert_close(net.double()(lr.double()).float(), full)
    assert (half - full).abs().max() < 0.05 * full.abs().max()


@pytest.mark.parametrize(("name", "scale"), CENTRED)
def test_a_moved_picture_is_enlarged_in_its_new_place(name, scale):
    net = shaken(name, scale)
    big = random_lr(net, 1, 47, 49)
    down, right, margin = 3, 2, 19 * scale  # margin: more than half the receptive field, where the padding is felt
    with torch.no_grad():
        here = net(big[..., :-down, :-right])
        there = net(big[..., down:, right:])
    expected = here[..., margin + down * scale : -margin, margin + right * scale : -margin]
    found = there[..., margin : -margin - down * scale, margin : -margin - right * scale]
    assert expected.numel() > 0
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "scale"), CENTRED)
def test_a_mirrored_picture_is_enlarged_in_the_mirror(name, scale):
    """Catches any shift, by a fraction of a pixel too: even kernels, a crop on one side, a grid off its centre."""
    net = flat(name, scale).double()  # a step that takes one mean from another leaves nothing but rounding in float32
    lr = random_lr(net, 1, 17, 11).double()
    for axis in (-1, -2):
        torch.testing.assert_close(net(lr.flip(axis)), net(lr).flip(axis), atol=0, rtol=1e-4)


@pytest.mark.parametrize(("name", "scale"), CENTRED)
def test_a_block_of_sr_looks_equally_far_to_all_sides_of_its_pixel(name, scale):
    net = positive(name, scale)
    lr = (1 + random_lr(net, 1, 41, 43)).requires_grad_()
    net(lr)[..., 20 * scale : 21 * scale, 21 * scale : 22 * scale].square().sum().backward()
    seen = lr.grad[0].abs().sum(0).nonzero()
    assert (seen.amin(0) + seen.amax(0)).tolist() == [2 * 20, 2 * 21]


@every_model
def test_one_patch_is_learned_by_heart(name):
    """2 dB above bicubic: a wrong skip or a shuffle in the wrong order does not get there."""
    scale = 4 if 4 in SMALL[name][1] else SMALL[name][1][0]
    torch.manual_seed(0)
    net = make(name, scale)
    hr = bars(12 * scale, 9 * scale).expand(1, net.channels, -1, -1)
    lr = resize(hr, 1 / scale)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    frames = getattr(net, "frames", 1)
    seen = lr if frames == 1 else lr[:, None].expand(-1, frames, -1, -1, -1)
    for _ in range(250):
        loss = F.mse_loss(net(seen), hr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.6 * F.mse_loss(resize(lr, scale), hr)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_row_says_what_its_network_is(name):
    entry = CATALOGUE[name]
    with torch.device("meta"):  # no memory behind the numbers
        nets = {scale: entry.build(scale) for scale in entry.scales}
    for scale, net in nets.items():
        assert (net.scale, net.channels) == (scale, entry.channels)
        assert (getattr(net, "frames", 1), hasattr(net, "scales")) == (entry.frames, entry.joint)
        assert type(net) is type(entry.small(scale))
        count = sum(p.numel() for p in net.parameters())
        assert f"{count:,}" in entry.build.__doc__, f"{name}: {count:,} parameters at ×{scale} are not in its docstring"
    for make in (entry.build, entry.small):
        with torch.device("meta"):
            net = make(entry.scales[-1])
            again = entry.network(scale=net.scale, **json.loads(json.dumps(net.settings)))
        shapes = [{key: value.shape for key, value in each.state_dict().items()} for each in (net, again)]
        assert shapes[0] == shapes[1] and again.settings == net.settings
    assert entry.label and entry.kind in ("true", "textured", "video", "kernel")


@every_model
def test_wrong_scales_name_the_choices(name):
    choices = SMALL[name][1]
    for scale in (0, -2, 2.0, 1.5, True, "2", None, 11):
        try:
            net = make(name, scale)
        except ValueError as error:
            wanted = rf"scale must be .*{choices[0]}(.* {choices[-1]}.*)?, got {scale!r}"
            assert re.match(wanted, str(error)), (scale, error)
        else:  # some networks are made for any whole scale
            assert scale == net.scale == 11


@every_model
def test_wrong_pictures_are_named(name):
    net = make(name, SMALL[name][1][0])
    clip = (net.frames,) if getattr(net, "frames", 1) > 1 else ()
    need = ", ".join(map(str, ("N", *clip, net.channels)))
    with pytest.raises(ValueError, match=rf"\({need}, h, w\).*, {4 - net.channels}, 9, 9\)"):
        net(torch.rand(1, *clip, 4 - net.channels, 9, 9))
    with pytest.raises(ValueError, match=r"\(9, 9\)"):
        net(torch.rand(9, 9))
    with pytest.raises(TypeError, match="srlib.images"):
        net(torch.zeros(1, *clip, net.channels, 9, 9, dtype=torch.uint8))
