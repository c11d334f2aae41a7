"""The video network that grows out of EDSR."""

import pytest
import torch

from srlib import checkpoints
from srlib.data.datasets import photo
from srlib.data.moving_layers import MovingLayers
from srlib.models.edvr_small import GrownEDSR, edvr_small, edvr_small_alone
from srlib.training.warm_start import find_start, warm_start


def small(**settings):
    torch.manual_seed(0)
    return GrownEDSR(scale=2, blocks=1, width=8, inner=4, tail="light", **settings).eval()


@pytest.mark.parametrize("scale, count", [(2, 227_052), (3, 231_387), (4, 237_456)])
def test_number_of_parameters(scale, count):
    """EDSR-small's, and 67·32·9 + 32, 32·32·9 + 32 and 128·32·9 + 32 for the neighbours."""
    found = sum(weight.numel() for weight in edvr_small(scale).parameters())
    parent = sum(weight.numel() for weight in checkpoints.build("edsr_small", scale).parameters())
    assert found == count == parent + 19_328 + 9_248 + 36_896
    assert f"{count:,}" in edvr_small.__doc__


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_at_its_start_it_is_its_parent_to_the_bit(scale):
    net, parent = edvr_small(scale).eval(), checkpoints.load("edsr_small", scale)
    copied, fresh = warm_start(net, find_start("edsr_small", scale))
    assert {name.split(".")[0] for name in fresh} == {"pair", "fuse"} and len(fresh) == 6
    clip = torch.rand(2, 5, 3, 21, 26)
    with torch.no_grad():
        assert torch.equal(net(clip), parent(clip[:, 2]))


def test_a_gradient_reaches_the_new_weights_and_then_the_neighbours():
    net, clip = small(frames=3), torch.rand(1, 3, 3, 17, 19, requires_grad=True)
    net(clip).square().mean().backward()
    assert net.fuse.weight.grad.abs().max() > 0
    assert clip.grad[:, 0].abs().max() == 0  # the last layer is still zero
    with torch.no_grad():
        net.fuse.weight.normal_(0, 0.1)
    net(clip).square().mean().backward()
    assert clip.grad[:, 0].abs().max() > 0 and clip.grad[:, 2].abs().max() > 0


def test_motion_is_found_where_both_frames_show_the_scene():
    """EDVR's offsets have to be learned, this motion not. Flat ground and edges alone cannot tell it."""
    stream = MovingLayers([photo("chelsea"), photo("coffee")], scale=4, lr_size=32, frames=5)
    clip, _, truth = stream.made(range(12), truth=True)
    net = edvr_small(4)
    flow, _ = net.motion(clip)
    right, seen = net.neighbours(truth.flow).flatten(0, 1), net.neighbours(truth.visible).flatten(0, 1)
    error, still = ((found - right).norm(dim=1)[seen] for found in (flow, 0 * flow))
    assert error.median() < 0.35 and error.median() < 0.3 * still.median()


def test_neighbours_lie_in_the_order_of_time_and_a_moved_one_is_fetched_back():
    net = small(frames=3)
    clip = torch.rand(1, 1, 3, 24, 28).expand(-1, 3, -1, -1, -1).clone()
    clip[:, 2] = clip[:, 1].roll((2, -3), (-2, -1))  # two rows further down, three columns further left
    flow, misfit = net.motion(clip)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    assert torch.equal(flow[0:1][inside].round(), torch.zeros(1, 2, 8, 12))
    torch.testing.assert_close(
        flow[1:2][inside], torch.tensor([2.0, -3.0]).view(1, 2, 1, 1).expand(1, 2, 8, 12), atol=0.2, rtol=0
    )
    assert misfit[1:2][inside].max() < 1e-6


@pytest.mark.parametrize("settings", [{"align": "pcd"}, {"align": "pcd", "attention": True}, {"attention": True}])
def test_edvrs_own_parts_begin_at_the_parent_too_and_learn_from_neighbours(settings):
    """Sides that cannot be halved twice are continued inside."""
    torch.manual_seed(0)
    net = GrownEDSR(scale=4, blocks=8, width=32, tail="light", **settings).eval()
    warm_start(net, find_start("edsr_small", 4))
    clip = torch.rand(1, 5, 3, 13, 18, requires_grad=True)
    with torch.no_grad():
        assert torch.equal(net(clip), checkpoints.load("edsr_small", 4)(clip[:, 2]))
        net.fuse.weight.normal_(0, 0.1)
    net(clip).square().mean().backward()
    assert all(clip.grad[:, k].abs().max() > 0 for k in range(5))
    assert all(weight.grad is not None for weight in net.parameters())


def test_without_alignment_every_pixel_is_fetched_from_its_own_place():
    net = small(frames=3, align="none")
    flow, misfit = net.motion(torch.rand(2, 3, 3, 9, 11))
    assert flow.shape == (4, 2, 9, 11) and flow.abs().max() == 0 and misfit.shape == (4, 1, 9, 11)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"frames": 4}, "frames must be odd, at least 3, so that one is the centre; got 4"),
        ({"frames": 1}, "frames must be odd, at least 3, so that one is the centre; got 1"),
        ({"align": "optical"}, "align must be"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_control_sees_the_centre_frame_alone(scale):
    net, parent = edvr_small_alone(scale).eval(), checkpoints.load("edsr_small", scale)
    warm_start(net, find_start("edsr_small", scale))
    clip = torch.rand(2, 5, 3, 11, 14)
    with torch.no_grad():
        assert torch.equal(net(clip), parent(clip[:, 2]))
    assert f"{sum(weight.numel() for weight in net.parameters()):,}" in edvr_small_alone.__doc__
    with pytest.raises(ValueError, match=r"lr must be \(N, 5, 3, h, w\)"):
        net(clip[:, :3])
