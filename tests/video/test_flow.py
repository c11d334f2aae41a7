"""Cost volumes and their minima on motions that are known."""

import pytest
import torch
import torch.nn.functional as F

from srlib import warp
from srlib.resample import resize
from srlib.video.flow import cost_volume, moved, shifts, soft_minimum


def texture(height=40, width=48, fine=3):
    made = torch.Generator().manual_seed(2)
    return resize(torch.rand(1, 3, height // fine + 8, width // fine + 8, generator=made), fine)


def test_shifts_in_their_order():
    assert shifts(1).tolist() == [[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 0], [0, 1], [1, -1], [1, 0], [1, 1]]


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-1, 1), (3, 3)])
def test_a_whole_shift_costs_nothing_where_it_is_right(down, right):
    picture = texture()
    centre, other = picture[..., 6:-6, 6:-6], picture[..., 6 - down : -6 - down, 6 - right : -6 - right]
    cost = cost_volume(centre, other, radius=3, window=5)
    place = (down + 3) * 7 + right + 3
    assert shifts(3)[place].tolist() == [down, right]
    inside = (0, slice(None), slice(6, -6), slice(6, -6))
    assert cost[inside][place].abs().max() < 1e-6
    assert (cost[inside].argmin(0) == place).all()
    flow = soft_minimum(cost, sharpness=1e4)
    assert (flow[inside] - torch.tensor([down, right])[:, None, None]).abs().max() < 1e-3


def test_the_cost_is_a_mean_over_the_window():
    centre, other = torch.rand(2, 1, 2, 7, 9)
    cost = cost_volume(centre, other, radius=1, window=3)
    down, right = 1, 0
    expected = (centre[0, :, 2:5, 3:6] - other[0, :, 2 + down : 5 + down, 3 + right : 6 + right]).abs().mean()
    torch.testing.assert_close(cost[0, 7, 3, 4], expected)


def test_means_are_of_what_lies_inside_also_at_corners_and_in_wide_windows():
    centre, other = torch.rand(2, 1, 1, 5, 11)
    for window in (1, 3, 9):
        cost = cost_volume(centre, other, radius=0, window=window)
        expected = F.avg_pool2d((centre - other).abs(), window, 1, window // 2, count_include_pad=False)
        torch.testing.assert_close(cost, expected)


def test_costs_are_not_rounded_inside_autocast():
    centre, other = torch.rand(2, 1, 1, 20, 24)
    expected = cost_volume(centre, other)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cost_volume(centre, other), expected)


@pytest.mark.parametrize("motion", [(1.4, -0.7), (0.5, 0.5), (0.2, 1.3)])
def test_fractions_of_a_pixel_are_found(motion):
    picture = texture(60, 60, 6)
    other = warp.translate(picture, *motion)[..., 8:-8, 8:-8]
    flow = soft_minimum(cost_volume(picture[..., 8:-8, 8:-8], other, radius=3, window=7))
    error = (flow[0, :, 6:-6, 6:-6] - torch.tensor(motion)[:, None, None]).norm(dim=0)
    assert error.mean() < 0.2  # the nearest whole shift is 0.36 to 0.71 off


def test_without_a_reach_flat_ground_has_no_motion():
    flat = torch.full((1, 1, 9, 9), 0.5)
    cost = cost_volume(flat, flat, radius=2)
    assert soft_minimum(cost, reach=None).abs().max() < 1e-6
    assert soft_minimum(cost, reach=1).abs().max() <= 2  # the first of equal shifts, wherever it lies


def test_moved_is_backward_warping_and_has_a_gradient():
    features, flow = torch.rand(2, 3, 9, 11, dtype=torch.float64), 2 * torch.rand(2, 2, 9, 11, dtype=torch.float64) - 1
    expected = warp.flow(features, flow)
    torch.testing.assert_close(moved(features, flow)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    small = features[:1, :1, :4, :5].clone().requires_grad_(), flow[:1, :, :4, :5].clone().requires_grad_()
    assert torch.autograd.gradcheck(moved, small, atol=1e-6)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r"two frames .* got \(1, 3, 4, 4\) and \(1, 1, 4, 4\)"):
        cost_volume(torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4))
    with pytest.raises(ValueError, match="window must be odd, got 4"):
        cost_volume(torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4), window=4)
    with pytest.raises(ValueError, match=r"\(2·radius \+ 1\)² shifts is needed, got 16"):
        soft_minimum(torch.rand(1, 16, 4, 4))
