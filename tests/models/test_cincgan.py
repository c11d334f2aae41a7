"""CinCGAN: the sizes that are known of its networks, and the identity at the start."""

import pytest
import torch
from torch import nn

from srlib import checkpoints
from srlib.models import cincgan
from srlib.models.interpolators import bicubic
from srlib.recipes.photographs import clean_then_enlarge
from srlib.recipes.table import find
from srlib.resample import resize


def count(net, biases=True):
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    return sum(p.numel() for p in net.parameters()) - (
        0 if biases else sum(layer.bias.numel() for layer in convolutions if layer.bias is not None)
    )


def test_sizes():
    # Ports of the paper: 610,176 without and 611,267 with biases, batch norm in the blocks; 2,765,568 for both D.
    for net in (cincgan.translator(), cincgan.shrinking_translator()):
        assert (count(net), count(net, biases=False)) == (611_267, 610_176)
    for net in (cincgan.lr_discriminator(), cincgan.hr_discriminator()):
        assert (count(net), count(net, biases=False)) == (2_765_633, 2_765_568)
    assert (count(cincgan.translator_small()), count(cincgan.translator_small(4))) == (32_571, 53_403)
    assert count(cincgan.detail_discriminator()) == count(cincgan.detail_discriminator(4)) == 95_017


@pytest.mark.parametrize("make", [cincgan.translator, cincgan.translator_small])
def test_a_translator_is_the_identity_at_its_start(make):
    x = torch.rand(2, 3, 17, 11)
    assert torch.equal(make()(x), x)


@pytest.mark.parametrize("make", [cincgan.shrinking_translator, lambda: cincgan.translator_small(4)])
def test_g3_is_bicubic_at_its_start(make):
    x = torch.rand(2, 3, 24, 36)
    torch.testing.assert_close(make()(x), resize(x, 1 / 4))


def test_all_of_a_translator_learns_after_its_first_step():
    torch.manual_seed(0)
    net, x, y = cincgan.translator_small(), torch.rand(2, 3, 12, 13), torch.rand(2, 3, 12, 13)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(2):
        opt.zero_grad()
        (net(x) - y).square().mean().backward()
        opt.step()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_maps_of_logits():
    with torch.no_grad():
        assert cincgan.lr_discriminator()(torch.rand(2, 3, 32, 32)).shape == (2, 1, 17, 17)
        assert cincgan.hr_discriminator()(torch.rand(2, 3, 128, 128)).shape == (2, 1, 8, 8)
        assert cincgan.detail_discriminator()(torch.rand(1, 3, 32, 30)).shape == (1, 1, 20, 18)


def test_a_discriminator_of_detail_does_not_see_colour():
    torch.manual_seed(0)
    x, tint = torch.rand(1, 3, 24, 24), torch.tensor([0.2, -0.1, 0.05]).view(1, 3, 1, 1)
    for sees, net in ((False, cincgan.detail_discriminator()), (True, cincgan.PatchDiscriminator(width=4, norm=False))):
        with torch.no_grad():
            assert ((net(x) - net(x + tint)).abs().max() > 1e-4) == sees


def test_what_is_deployed_enlarges_what_was_cleaned():
    net = cincgan.CleanThenEnlarge(cincgan.translator_small(), bicubic(4))
    lr = torch.rand(1, 3, 9, 14)
    assert net.scale == 4 and torch.equal(net(lr), resize(lr, 4))


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="sides must be multiples of 4"):
        cincgan.translator_small(4)(torch.rand(1, 3, 22, 24))
    with pytest.raises(ValueError, match="shrink must be 1, or 4"):
        cincgan.Translator(shrink=2)


def test_a_camera_begins_as_white_noise_on_the_picture():
    camera, y = cincgan.camera_small(), torch.full((1, 3, 200, 201), 0.5)
    torch.manual_seed(0)
    one, other = camera(y), camera(y)
    assert not torch.equal(one, other)
    noise = (one - y).detach()
    torch.testing.assert_close(noise.std((0, 2, 3)), camera.noise.detach().flatten(), rtol=0.02, atol=0)
    assert 255 * camera.noise.mean().item() == pytest.approx(4.67, abs=0.01)
    power = torch.fft.fft2(noise[0, 0]).abs().square()
    assert power[:50, :50].mean() == pytest.approx(power[75:125, 75:125].mean().item(), rel=0.1)


def test_what_is_deployed_is_the_translator_before_the_upscaler():
    net, lr = cincgan.cincgan_small(4).eval(), torch.rand(1, 3, 13, 10)
    assert (net.scale, net.channels) == (4, 3) and count(net) == 32_571 + 171_984
    torch.testing.assert_close(net(lr), net.upscaler(net.translator(lr)))
    torch.testing.assert_close(net(lr), net.upscaler(lr))  # the translator begins as the identity


def test_what_is_deployed_can_be_saved_and_read(tmp_path):
    torch.manual_seed(0)
    net = clean_then_enlarge(find("cincgan_small", 3).build()).eval()
    nn.init.normal_(net.translator.tail.weight, std=0.01)
    path = checkpoints.save(net, tmp_path / "own.safetensors", {"model": "cincgan_small", "scale": 3})
    again, lr = checkpoints.load(path), torch.rand(1, 3, 8, 9)
    with torch.no_grad():
        assert torch.equal(again(lr), net(lr))
