"""Colours of sr that stay those of lr."""

import pytest
import torch
import torch.nn.functional as F

from srlib import checkpoints
from srlib.inference import receptive_radius, upscale
from srlib.models.anchored import AnchoredEDSR, edsr_small_real, keep_colours
from srlib.models.official import to_official


def noise(*size, seed=0):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_tint_goes_and_detail_stays(scale):
    lr = noise(31, 22)
    detail = noise(31 * scale, 22 * scale, seed=1)
    detail = detail - F.interpolate(F.avg_pool2d(detail, scale), scale_factor=scale)  # no mean in any block
    tint = torch.tensor([0.1, -0.05, 0.2]).view(1, 3, 1, 1)
    right = F.interpolate(lr, scale_factor=scale) + detail
    torch.testing.assert_close(keep_colours(right + tint, lr, scale), right, atol=1e-6, rtol=0)
    torch.testing.assert_close(keep_colours(right, lr, scale), right, atol=1e-6, rtol=0)


def test_a_drift_that_changes_slowly_goes_too():
    lr = torch.full((1, 1, 60, 90), 0.5)
    drift = 0.1 * torch.sin(torch.linspace(0, 3, 360)).expand(1, 1, 240, 360)
    left = keep_colours(F.interpolate(lr, scale_factor=4) + drift, lr, 4) - 0.5
    assert left[..., 60:-60].abs().max() < 0.1 * drift.abs().max()
    assert left.mean().abs() < 0.01 * drift.mean()


def test_a_network_that_drifts_is_brought_back_whatever_its_weights():
    net = AnchoredEDSR(scale=2, blocks=1, width=8, tail="light").eval()
    with torch.no_grad():
        net.tail[0].bias += 0.3
    lr = noise(37, 52)
    assert (F.avg_pool2d(upscale(net, lr), 2) - lr).mean((2, 3)).abs().max() < 0.01


def test_it_is_edsr_by_name_and_has_no_seams():
    net = edsr_small_real(4)
    assert net.state_dict().keys() == checkpoints.build("edsr_small", 4).state_dict().keys()
    assert receptive_radius(net.eval(), 3) <= 48
    lr = noise(70, 91)
    torch.testing.assert_close(upscale(net, lr, tile=32), upscale(net, lr, tile=None), atol=1e-5, rtol=0)


def test_basicsr_has_no_such_step():
    with pytest.raises(ValueError, match="no network like AnchoredEDSR"):
        to_official(AnchoredEDSR(scale=4, blocks=1, width=8))
