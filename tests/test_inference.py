"""inference: tiles equal the whole, the ensemble is what its formula says, memory does not grow with the picture."""

import math

import pytest
import torch
from torch import nn

from srlib import images, metrics
from srlib.inference import receptive_radius, upscale
from srlib.models.edsr import edsr_small
from srlib.models.esrgan import RRDBNet
from srlib.models.fcn import espcn, fsrcnn
from srlib.models.interpolators import bicubic, lanczos, nearest
from srlib.models.outputs import Output
from srlib.self_ensemble import SelfEnsemble
from srlib.warp import DIHEDRAL, dihedral, inverse_dihedral
from tests.conftest import every


class Small(nn.Module):
    """Five zero-padded convolutions with biases and a pixel shuffle: half receptive field 2 + 4 = 6."""

    def __init__(self, scale: int, channels: int = 3):
        super().__init__()
        self.scale = scale
        layers = [nn.Conv2d(channels, 12, 5, padding=2)]
        for _ in range(3):
            layers += [nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1)]
        layers += [nn.ReLU(), nn.Conv2d(12, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale)]
        self.body = nn.Sequential(*layers)

    def forward(self, lr):
        return self.body(lr)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Small(scale=3)


@pytest.mark.parametrize("size", [(37, 52), (64, 8), (1, 90), (40, 40)])
@pytest.mark.parametrize("ensemble", [False, True])
def test_tiles_leave_no_seam(net, size, ensemble):
    lr = torch.rand(2, 3, *size)
    whole = upscale(net, lr, tile=None, ensemble=ensemble)

    def seamless(tile):
        torch.testing.assert_close(upscale(net, lr, tile=tile, ensemble=ensemble), whole, atol=1e-5, rtol=0)

    every(seamless, [(13,), (40,)] if ensemble else [(8,), (13,), (40,)])


@pytest.fixture(params=[(2, 2), (1, 4), (4, 2)], ids=lambda pair: f"x{pair[0]} folds {pair[1]}")
def folded(request):
    """Networks that treat blocks of pixels as one, as Real-ESRGAN does at ×2 and ×1."""
    scale, fold = request.param
    torch.manual_seed(0)
    return RRDBNet(scale=scale, fold=fold, blocks=1, width=8, growth=4).eval()


@pytest.mark.parametrize("size", [(37, 53), (64, 8), (1, 90), (43, 41)])
@pytest.mark.parametrize(("tile", "overlap"), [(13, None), (16, 11), (20, 13), (3, None)])
def test_tiles_of_a_network_that_folds_pixels_begin_at_whole_blocks(folded, size, tile, overlap):
    """An overlap of 11 put odd tiles half a block off: by 0.05 where the range was 0.1."""
    lr = torch.rand(1, 3, *size)
    overlap = overlap and overlap + receptive_radius(folded, 3)
    whole = upscale(folded, lr, tile=None)
    tiled = upscale(folded, lr, tile=tile, overlap=overlap)
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)
    off = folded(lr[..., 1:])[..., folded.scale * 6 : -folded.scale * 6]
    if off.numel():  # a block that begins one pixel later is seen
        assert (off - whole[..., folded.scale * 7 : -folded.scale * 6]).abs().max() > 1e-3


@pytest.mark.parametrize("size", [(37, 53), (21, 34)])
def test_the_ensemble_of_a_network_that_folds_pixels_has_no_seam(folded, size):
    lr = torch.rand(1, 3, *size)
    whole = upscale(folded, lr, tile=None, ensemble=True)
    torch.testing.assert_close(upscale(folded, lr, tile=13, ensemble=True), whole, atol=1e-5, rtol=0)
    edge = (0, -size[1] % folded.multiple, 0, -size[0] % folded.multiple)
    wide = nn.functional.pad(lr, edge, mode="replicate")  # blocks begin at the same pixels in all eight
    mean = torch.stack([inverse_dihedral(folded(dihedral(wide, k)), k) for k in DIHEDRAL]).mean(0)
    torch.testing.assert_close(whole, mean[..., : whole.shape[-2], : whole.shape[-1]], atol=1e-5, rtol=1e-4)


class Middle(nn.Module):
    """Of a clip of three frames the middle one, and a little of its neighbours."""

    scale, channels, frames = 2, 3, 3

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(9, 12, 3, padding=1)

    def forward(self, clip):
        return nn.functional.pixel_shuffle(self.conv(clip.flatten(1, 2)), 2)


@pytest.mark.parametrize("ensemble", [False, True])
def test_clips_are_enlarged_in_tiles_too(ensemble):
    torch.manual_seed(0)
    clip = torch.rand(2, 3, 3, 27, 35)
    net = Middle()
    whole = upscale(net, clip, tile=None, ensemble=ensemble)
    assert whole.shape == (2, 3, 54, 70) and receptive_radius(net, 3) in (3, 4)
    torch.testing.assert_close(upscale(net, clip, tile=9, ensemble=ensemble), whole, atol=1e-6, rtol=0)
    grey = upscale(net, clip[:, :, :1], tile=9)
    torch.testing.assert_close(grey, net(clip[:, :, :1].expand(-1, -1, 3, -1, -1)).mean(1, keepdim=True))
    with pytest.raises(
        ValueError, match=r"upscale needs a clip \(N, T, C, h, w\) that is not empty, got shape \(2, 3,"
    ):
        upscale(net, clip[:, 0])


@pytest.mark.parametrize("make", [nearest, bicubic, lanczos])
def test_interpolators_leave_no_seam(make):
    lr = torch.rand(1, 3, 61, 47)
    for scale in (2, 3, 4):
        torch.testing.assert_close(upscale(make(scale), lr, tile=16), make(scale)(lr), atol=1e-5, rtol=0)


def test_too_small_an_overlap_does_leave_a_seam(net):
    lr = torch.rand(1, 3, 40, 40)
    difference = (upscale(net, lr, tile=13, overlap=1) - upscale(net, lr, tile=None)).abs().max()
    assert difference > 1e-4


def test_reach_is_half_the_receptive_field_and_a_margin(net):
    assert 4 <= receptive_radius(net, 3) <= 6 + 2
    assert receptive_radius(bicubic(2), 1) == 2 + 2


class Fading(nn.Module):
    """Sees 200 pixels to each side, every twelfth less by a factor of e."""

    scale, channels = 1, 1

    def __init__(self):
        super().__init__()
        self.row = torch.exp(-torch.arange(-200, 201).abs() / 12).view(1, 1, 1, -1)
        self.row /= self.row.sum()

    def forward(self, lr):
        x = nn.functional.conv2d(lr, self.row.to(lr), padding=(0, 200))
        return nn.functional.conv2d(x, self.row.mT.to(lr), padding=(200, 0))


def test_of_what_fades_without_end_the_part_below_an_eighth_of_a_step_is_left_out():
    """A difference of exp(-d / 12) at the distance d, and less in the middle of a picture than at its corners."""
    net, lr = Fading(), torch.rand(1, 1, 300, 70)
    radius = receptive_radius(net, 1)
    assert 60 < radius <= 12 * math.log(2040) + 2
    whole, tiled = upscale(net, lr, tile=None), upscale(net, lr, tile=100)
    assert 1e-6 < (tiled - whole).abs().max() < 1 / 1020  # two borders of a tile


def test_networks_that_see_everything_are_refused():
    class Global(nn.Module):
        scale = 2

        def forward(self, lr):
            return bicubic(2)(lr) * lr.mean((-2, -1), keepdim=True)

    with pytest.raises(ValueError, match="Global sees further than 128 pixels.*tile=None"):
        upscale(Global(), torch.rand(1, 3, 300, 20))
    assert upscale(Global(), torch.rand(1, 3, 300, 20), tile=None).shape == (1, 3, 600, 40)


@pytest.mark.parametrize("size", [(90, 41), (61, 100), (33, 65)])
@pytest.mark.parametrize(("tile", "overlap"), [(32, None), (32, 9), (20, 12)])
def test_tiles_that_fade_into_each_other_add_up(size, tile, overlap):
    """Where every tile is right, so is any mixture of two."""
    net = espcn(2)
    assert receptive_radius(net, 1) <= 4 + 2
    net.blend = 10
    lr = torch.rand(2, 1, *size)
    whole = upscale(net, lr, tile=None)
    torch.testing.assert_close(upscale(net, lr, tile=tile, overlap=overlap), whole, atol=2e-6, rtol=0)
    assert receptive_radius(net, 1) == 10


def test_networks_that_see_everything_fade_over_the_borders_of_tiles():
    class Global(nn.Module):
        scale, channels, blend = 2, 3, 12

        def forward(self, lr):
            return bicubic(2)(lr) * lr.mean((-2, -1), keepdim=True)

    lr = torch.cat([torch.full((1, 3, 64, 64), 0.4), torch.full((1, 3, 64, 64), 0.8)], -1)
    found = upscale(Global(), lr, tile=64, overlap=None)
    factor = (found / bicubic(2)(lr))[0, 0, 30]
    steps = factor.diff().abs()
    assert steps.max() < 1.5 * (0.8 - 0.4) / (2 * 12)  # a ramp as wide as the overlap, and no step at the border
    assert factor[:60].std() < 1e-6 and factor[-60:].std() < 1e-6
    for wrapped in (SelfEnsemble(Global()), Output(Global(), 2)):
        torch.testing.assert_close(upscale(wrapped, lr, tile=64), found, atol=2e-3, rtol=0)


def test_ensemble_is_the_mean_over_the_square(net):
    lr = torch.rand(1, 3, 9, 14)
    with torch.no_grad():
        expected = torch.stack([inverse_dihedral(net(dihedral(lr, k)), k) for k in DIHEDRAL]).mean(0)
    torch.testing.assert_close(upscale(net, lr, ensemble=True), expected)
    once, again = upscale(bicubic(2), lr.double(), ensemble=True), bicubic(2)(lr.double())
    torch.testing.assert_close(once, again, atol=1e-14, rtol=0)  # bicubic does not care how the picture is turned


def test_a_wrapper_in_training_mode_does_not_switch_its_network_to_it():
    inner = nn.Sequential(nn.BatchNorm2d(3), nn.Upsample(scale_factor=2)).eval()
    inner.scale, inner.channels = 2, 3
    wrapper = SelfEnsemble(inner)  # a fresh module is in training mode
    upscale(wrapper, torch.rand(1, 3, 5, 6))
    assert wrapper.training and not any(module.training for module in inner.modules())


def test_training_mode_is_restored_and_dropout_is_off():
    noisy = nn.Sequential(nn.Dropout(0.5), nn.Upsample(scale_factor=2))
    noisy.scale = 2
    noisy.train()
    lr = torch.rand(1, 3, 20, 20)
    assert torch.equal(upscale(noisy, lr, tile=8, overlap=2), nn.Upsample(scale_factor=2)(lr)) and noisy.training


def test_progress_counts_tiles(net):
    calls = []
    upscale(net, torch.rand(1, 3, 20, 33), tile=16, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k, 6) for k in range(1, 7)]
    calls.clear()
    upscale(net, torch.rand(1, 3, 5, 4), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 1)]


class LumaBicubic(nn.Module):
    """Bicubic interpolation that takes one channel only."""

    channels = 1

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, lr):
        assert lr.shape[1] == 1
        return bicubic(self.scale)(lr)


@pytest.mark.parametrize("options", [{}, {"tile": 7}, {"ensemble": True}, {"tile": 8, "ensemble": True}])
def test_a_luma_network_that_does_as_bicubic_makes_the_bicubic_picture(options):
    lr, scale = torch.rand(2, 3, 17, 11), 3
    torch.testing.assert_close(upscale(LumaBicubic(scale), lr, **options), bicubic(scale)(lr), atol=1e-6, rtol=0)
    exact = upscale(LumaBicubic(scale), lr.double(), **options)
    torch.testing.assert_close(exact, bicubic(scale)(lr.double()), atol=1e-12, rtol=0)


def test_a_luma_network_sees_the_studio_luma_and_leaves_the_chroma_to_bicubic():
    torch.manual_seed(0)
    net, lr = espcn(3), torch.rand(1, 3, 17, 11)
    sr = images.to_ycbcr(upscale(net, lr))
    with torch.no_grad():
        torch.testing.assert_close(sr[:, :1], net(images.to_y(lr)), atol=1e-5, rtol=0)
    torch.testing.assert_close(sr[:, 1:], bicubic(3)(images.to_ycbcr(lr)[:, 1:]), atol=1e-5, rtol=0)


def test_a_grey_picture_is_its_own_luma():
    torch.manual_seed(0)
    net, lr = espcn(2), torch.rand(1, 1, 17, 11)
    with torch.no_grad():
        assert torch.equal(upscale(net, lr), net(lr))


def test_a_grey_picture_goes_through_an_rgb_network_three_times():
    torch.manual_seed(0)
    net, lr = edsr_small(2), torch.rand(1, 1, 17, 11)
    with torch.no_grad():
        expected = net(torch.cat([lr, lr, lr], 1)).mean(1, keepdim=True)
    torch.testing.assert_close(upscale(net, lr), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("make", [espcn, fsrcnn, edsr_small])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_of_any_colour_leave_no_seam(make, channels):
    torch.manual_seed(0)
    net, lr = make(2).eval(), torch.rand(1, channels, 37, 52)
    whole = upscale(net, lr, tile=None)
    assert whole.shape == (1, channels, 74, 104)
    torch.testing.assert_close(upscale(net, lr, tile=20), whole, atol=1e-5, rtol=0)


def test_tiles_reach_as_far_as_the_chroma_even_where_the_network_does_not():
    class Blocks(nn.Module):
        scale, channels = 2, 1

        def forward(self, lr):
            return nearest(2)(lr)

    lr = torch.rand(1, 3, 30, 21)
    torch.testing.assert_close(upscale(Blocks(), lr, tile=8), upscale(Blocks(), lr, tile=None), atol=1e-6, rtol=0)


@pytest.mark.parametrize("make", [espcn, edsr_small])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_what_is_scored(make, channels):
    torch.manual_seed(0)
    net, hr = make(2).eval(), torch.rand(1, channels, 40, 34)
    exact = metrics.Protocol(bits=None)
    scores = metrics.evaluate(net, [("a", hr)], exact)
    sr = upscale(net, bicubic(0.5)(hr))
    assert exact.psnr(sr, hr, 2).item() == pytest.approx(scores.psnr, abs=1e-4)


def test_the_ensemble_is_a_network(net):
    lr = torch.rand(1, 3, 9, 14)
    ensemble = SelfEnsemble(net)
    assert ensemble.scale == 3 and ensemble.channels is None and SelfEnsemble(espcn(2)).channels == 1
    with torch.no_grad():
        assert torch.equal(ensemble(lr), upscale(net, lr, ensemble=True))


def test_the_ensemble_leaves_its_input_alone():
    class Same(nn.Module):
        scale = 1

        def forward(self, lr):
            return lr

    lr = torch.rand(1, 3, 6, 6)
    before = lr.clone()
    torch.testing.assert_close(upscale(Same(), lr, ensemble=True), before)
    assert torch.equal(lr, before)


@pytest.mark.parametrize(
    "lr, options, error, words",
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), {}, TypeError, "srlib.images"),
        (torch.rand(3, 4, 4), {}, ValueError, r"\(N, C, h, w\)"),
        (torch.rand(1, 3, 0, 4), {}, ValueError, "empty"),
        (torch.rand(1, 3, 4, 4), {"tile": 0}, ValueError, "tile"),
        (torch.rand(1, 3, 4, 4), {"overlap": -1}, ValueError, "overlap"),
        (torch.rand(1, 3, 40, 40), {"tile": 8, "scale": 1.5}, ValueError, "integer scale"),
    ],
)
def test_errors(lr, options, error, words):
    with pytest.raises(error, match=words):
        upscale(bicubic(options.pop("scale", 2)), lr, **options)
