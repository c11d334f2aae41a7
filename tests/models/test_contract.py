"""Every network: net(lr) -> sr at ×2, ×3, ×4, pictures stay where they are, every weight learns, the size is published.

The list of models is here; a new one gets a row in `SMALL` and its counts in `COUNTS`.
"""

import pytest
import torch
import torch.nn.functional as F

from srlib.models.edsr import EDSR, MDSR, edsr, edsr_baseline, edsr_small, mdsr
from srlib.models.esrgan import RRDBNet, rrdb_small, rrdbnet
from srlib.models.fcn import ESPCN, FSRCNN, SRCNN, VDSR, espcn, fsrcnn, fsrcnn_s, srcnn, vdsr
from srlib.models.johnson import Johnson, johnson, johnson_small
from srlib.models.srgan import SRResNet, srresnet
from srlib.resample import resize

SMALL = {
    "srcnn": lambda scale: SRCNN(scale=scale, widths=(16, 8)),
    "srcnn_rgb": lambda scale: SRCNN(scale=scale, channels=3, kernels=(9, 1, 5), widths=(32, 16)),
    "fsrcnn": lambda scale: FSRCNN(scale=scale, width=16, shrink=8, blocks=2),
    "vdsr": lambda scale: VDSR(scale=scale, width=16, depth=5),
    "espcn": lambda scale: ESPCN(scale=scale, width=32),
    "srresnet": lambda scale: SRResNet(scale=scale, width=16, blocks=2),
    "edsr": lambda scale: EDSR(scale=scale, blocks=2, width=16, residual_scale=0.1),
    "edsr_light": lambda scale: EDSR(scale=scale, blocks=2, width=16, tail="light"),
    "mdsr": lambda scale: MDSR(scale=scale, scales=(scale,), blocks=2, width=16),
    "mdsr_of_three": lambda scale: MDSR(scale=scale, blocks=2, width=16),
    "johnson": lambda scale: Johnson(scale=scale, width=16, blocks=2),
    "rrdbnet": lambda scale: RRDBNet(scale=scale, blocks=1, width=16, growth=8),
}
SCALES = (2, 3, 4)

# What each published network has, and who says so. "code": the authors' or the best-known implementation, counted;
# "sum": added up from the layers the paper lists, biases included. Frozen mean shifts are not counted.
COUNTS = [
    (srcnn, (57_281, 57_281, 57_281), "sum: 9-5-5; the paper's 57,184 are the weights alone"),
    (fsrcnn, (12_809, 12_809, 12_809), "sum: the paper's 12,464 weights, 173 biases, 172 slopes"),
    (fsrcnn_s, (4_086, 4_086, 4_086), "sum: the paper's 3,937 weights, 75 biases, 74 slopes"),
    (vdsr, (665_921, 665_921, 665_921), "sum: 664,704 weights and 1,217 biases"),
    (espcn, (21_284, 22_729, 24_752), "sum: 21,184, 22,624 and 24,640 weights"),
    (srresnet, (1_401_749, 1_586_389, 1_549_462), "code: ×2 and ×4; sum: ×3"),
    (edsr, (40_729_603, 43_680_003, 43_089_923), "code"),
    (edsr_baseline, (1_369_859, 1_554_499, 1_517_571), "code"),
    (edsr_small, (161_580, 165_915, 171_984), "sum: ours"),
    (mdsr, (3_227_203, 3_227_203, 3_227_203), "code: all scales in one"),
    (johnson, (393_475, 659_715, 459_203), "sum: with kernels of 4 and 9 where the paper has 3"),
    (johnson_small, (106_627, 173_187, 123_107), "sum: ours"),
    (rrdbnet, (16_703_171, 16_661_059, 16_697_987), "code: ×2, folded, and ×4; sum: ×3"),
    (rrdb_small, (569_507, 569_507, 578_755), "sum: ours"),
]


def shaken(name, scale):
    """The network in eval mode with every parameter moved off its start, so that no layer is silent at zero."""
    torch.manual_seed(0)
    net = SMALL[name](scale).eval()
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
            if isinstance(net, ESPCN):
                parameter /= max(10, parameter[0].numel())
    return net


def flat(name, scale):
    """The network with every kernel constant: each layer treats left and right, up and down alike."""
    net = SMALL[name](scale).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.ndim == 4 else 0.1)
        if isinstance(net, FSRCNN) and scale % 2 == 0:  # of nine taps only eight can lie alike on both sides
            net.enlarge.weight[..., 0, :] = 0
            net.enlarge.weight[..., :, 0] = 0
    return net


def bars(height, width):
    """Slanted bars with sharp edges, 0.2 and 0.8, (1, 1, height, width)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return 0.2 + 0.6 * ((x + y // 2) % 13 < 6).float()[None, None]


every_model = pytest.mark.parametrize("name", SMALL)
every_scale = pytest.mark.parametrize("scale", SCALES)


@every_model
@every_scale
def test_shape_scale_channels_and_batch(name, scale):
    net = shaken(name, scale)
    lr = torch.rand(2, net.channels, 17, 11)
    sr = net(lr)
    assert net.scale == scale and sr.shape == (2, net.channels, 17 * scale, 11 * scale)
    torch.testing.assert_close(sr, torch.cat([net(lr[:1]), net(lr[1:])]))
    assert net(lr[..., :1, :1]).shape == (2, net.channels, scale, scale)  # a single pixel is a picture, too


@every_model
@every_scale
def test_every_parameter_gets_a_gradient(name, scale):
    net = shaken(name, scale).train()
    lr = torch.rand(2, net.channels, 17, 11)
    for other in getattr(net, "scales", (scale,)):  # a scale of MDSR leaves the branches of the others alone
        net.scale = other
        net(lr).square().mean().backward()
    silent = [key for key, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert silent == []


@every_model
@every_scale
def test_state_survives_a_file(name, scale, tmp_path):
    net, other = shaken(name, scale), SMALL[name](scale).eval()
    torch.save(net.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    lr = torch.rand(1, net.channels, 17, 11)
    assert torch.equal(net(lr), other(lr))


@every_model
@every_scale
def test_half_precision_is_close(name, scale):
    net = shaken(name, scale)
    lr = torch.rand(1, net.channels, 17, 11)
    with torch.no_grad():
        full = net(lr)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = net(lr).float()
        torch.testing.assert_close(net.double()(lr.double()).float(), full)
    assert (half - full).abs().max() < 0.05 * full.abs().max()


@every_model
@every_scale
def test_a_moved_picture_is_enlarged_in_its_new_place(name, scale):
    net = shaken(name, scale)
    big = torch.rand(1, net.channels, 47, 49)
    down, right, margin = 3, 2, 19 * scale  # margin: more than half the receptive field, where the padding is felt
    with torch.no_grad():
        here = net(big[..., :-down, :-right])
        there = net(big[..., down:, right:])
    expected = here[..., margin + down * scale : -margin, margin + right * scale : -margin]
    found = there[..., margin : -margin - down * scale, margin : -margin - right * scale]
    assert expected.numel() > 0
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@every_model
@every_scale
def test_a_mirrored_picture_is_enlarged_in_the_mirror(name, scale):
    """Catches any shift, by a fraction of a pixel too: even kernels, a crop on one side, a grid off its centre."""
    net = flat(name, scale)
    lr = torch.rand(1, net.channels, 17, 11)
    for axis in (-1, -2):
        torch.testing.assert_close(net(lr.flip(axis)), net(lr).flip(axis), atol=0, rtol=1e-4)


@every_model
@every_scale
def test_a_block_of_sr_looks_equally_far_to_all_sides_of_its_pixel(name, scale):
    net = positive(name, scale)
    lr = (1 + torch.rand(1, net.channels, 41, 43)).requires_grad_()
    net(lr)[..., 20 * scale : 21 * scale, 21 * scale : 22 * scale].square().sum().backward()
    seen = lr.grad[0].abs().sum(0).nonzero()
    assert (seen.amin(0) + seen.amax(0)).tolist() == [2 * 20, 2 * 21]


@every_model
def test_one_patch_is_learned_by_heart(name):
    """2 dB above bicubic: a wrong skip or a shuffle in the wrong order does not get there."""
    scale = 4
    torch.manual_seed(0)
    net = SMALL[name](scale)
    hr = bars(12 * scale, 9 * scale).expand(1, net.channels, -1, -1)
    lr = resize(hr, 1 / scale)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    for _ in range(250):
        loss = F.mse_loss(net(lr), hr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.6 * F.mse_loss(resize(lr, scale), hr)


@pytest.mark.parametrize("make, counts, source", COUNTS, ids=lambda value: getattr(value, "__name__", ""))
def test_number_of_parameters(make, counts, source):
    with torch.device("meta"):  # no memory behind the numbers
        found = tuple(sum(p.numel() for p in make(scale).parameters()) for scale in SCALES)
    assert found == counts, source
    for count in counts:
        assert f"{count:,}" in make.__doc__


@every_model
@pytest.mark.parametrize("scale", [0, -2, 2.0, 1.5, True, "2", None, 11])
def test_wrong_scales_name_the_choices(name, scale):
    if scale == 11 and name in ("srcnn", "srcnn_rgb", "vdsr", "espcn"):
        assert SMALL[name](scale).scale == 11
        return
    with pytest.raises(ValueError, match=r"scale must be .*2, 3.* 4.*got"):
        SMALL[name](scale)


@every_model
def test_wrong_pictures_are_named(name):
    net = SMALL[name](2)
    with pytest.raises(ValueError, match=rf"\(N, {net.channels}, h, w\).*\(1, {4 - net.channels}, 9, 9\)"):
        net(torch.rand(1, 4 - net.channels, 9, 9))
    with pytest.raises(ValueError, match=r"\(9, 9\)"):
        net(torch.rand(9, 9))
    with pytest.raises(TypeError, match="srlib.images"):
        net(torch.zeros(1, net.channels, 9, 9, dtype=torch.uint8))
