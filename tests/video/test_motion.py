"""Motion of large frames: none between equal ones, whole and broken shifts, and what is hidden."""

import pytest
import torch

from srlib.data.datasets import photo
from srlib.data.moving_layers import MovingLayers
from srlib.images import grey
from srlib.video.motion import coarse_to_fine, inside, visible
from srlib.warp import translate

INSIDE = (..., slice(20, -20), slice(20, -20))


def picture(height=120, width=150):
    return grey(photo("chelsea"))[..., 60 : 60 + height, 100 : 100 + width]


def test_equal_frames_have_no_motion_to_the_bit():
    flat = torch.full((1, 1, 40, 50), 0.3)
    for frame in (picture(), flat, torch.rand(1, 1, 41, 53)):
        assert (coarse_to_fine(frame, frame) == 0).all()


@pytest.mark.parametrize("motion", [(0, 1), (-5, 9), (0.5, -0.25), (3.4, 7.7)])
def test_a_known_motion_is_found(motion):
    found = coarse_to_fine(picture(), translate(picture(), *motion))[INSIDE]
    error = (found - torch.tensor(motion).view(1, 2, 1, 1)).norm(dim=1)
    assert error.median() < 0.05 and (error < 0.5).float().mean() > 0.95


def test_a_made_clip_s_motion_is_found_where_it_is_said_to_be_seen():
    stream = MovingLayers([photo("chelsea"), photo("coffee")], scale=4, lr_size=32, frames=3)
    _, hr, truth = stream.whole(range(4))
    here, there = grey(hr[:, 1]), grey(hr[:, 2])
    forward, backward = coarse_to_fine(here, there), coarse_to_fine(there, here)
    seen = visible(forward, backward)
    error = (forward - truth.flow[:, 2]).norm(dim=1)
    assert 0.5 < seen.float().mean() < 1 and error[seen].median() < 0.4 < error[~seen].mean()
    assert truth.visible[:, 2][seen].float().mean() > 0.97


def test_what_leaves_the_frame_or_does_not_lead_back_is_not_seen():
    still, right = torch.zeros(1, 2, 9, 11), torch.zeros(1, 2, 9, 11)
    right[:, 1] = 3
    assert inside(still).all() and inside(right).sum() == 9 * 8
    assert visible(still, still).all() and not visible(right, right).any()
    assert (visible(right, -right) == inside(right)).all()


def test_unequal_frames_are_refused():
    with pytest.raises(ValueError, match="two frames"):
        coarse_to_fine(torch.rand(1, 1, 9, 9), torch.rand(1, 1, 9, 8))
