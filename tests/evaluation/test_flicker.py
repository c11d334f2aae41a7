"""Flicker: nothing where nothing changes, a known value for a known change, and hr's own beside it."""

import pytest
import torch

from srlib.data.datasets import photo
from srlib.data.moving_layers import MovingLayers
from srlib.evaluation.flicker import FlickerScores, change_of_error, made_flicker, motions, warping_error
from srlib.models.interpolators import bicubic, nearest

ALTERNATING = torch.tensor([1.0, -1, 1, -1, 1])


@pytest.fixture(scope="module")
def moving():
    """hr of every frame of two made clips, and their truth."""
    stream = MovingLayers([photo("chelsea"), photo("coffee")], scale=2, lr_size=32, frames=5)
    _, hr, truth = stream.whole(range(2))
    return hr, truth


def test_hr_itself_and_a_lasting_offset_do_not_flicker_and_an_alternating_one_counts_twice(moving):
    hr, truth = moving
    known = truth.flow, truth.visible
    assert change_of_error(hr, hr, *known).tolist() == [0, 0]
    assert change_of_error(hr + 0.1, hr, *known).max() < 1e-3
    flickering = hr + 3 / 255 * ALTERNATING.view(1, 5, 1, 1, 1)
    torch.testing.assert_close(change_of_error(flickering, hr, *known), torch.tensor([6.0, 6.0]), atol=1e-3, rtol=0)


def test_an_error_that_moves_with_the_scene_counts_less_than_one_that_stays_on_the_screen(moving):
    hr, truth = moving
    with_scene, on_screen = hr * 0.9, hr + (hr[:, :1] - 0.5) * 0.1
    found = [change_of_error(sr, hr, truth.flow, truth.visible).max() for sr in (with_scene, on_screen)]
    assert found[0] < 0.6 * found[1]


def test_only_points_that_both_frames_show_count(moving):
    hr, truth = moving
    sr = hr.clone()
    sr[:, 3] = 1.0
    seen = truth.visible.clone()
    seen[:, 3] = False
    assert change_of_error(sr, hr, truth.flow, seen).max() == 0
    with pytest.raises(ValueError, match="no point of the scene is seen in two frames"):
        change_of_error(sr, hr, truth.flow, seen & False)
    with pytest.raises(ValueError, match="at least two frames"):
        change_of_error(sr[:, :1], hr[:, :1], truth.flow[:, :1], seen[:, :1])
    with pytest.raises(ValueError, match=r"must both be \(N, T, C, H, W\)"):
        change_of_error(sr[0], hr[0], truth.flow, seen)


def test_made_clips_tell_upscalers_apart_and_are_the_same_each_time():
    stills = [photo(name) for name in ("chelsea", "coffee")]
    found = [made_flicker(make(2), stills) for make in (bicubic, nearest, bicubic)]
    assert 1 < found[0] < 0.7 * found[1] and found[0] == found[2]
    with pytest.raises(ValueError, match="no picture of 10[0-9] x 10[0-9] pixels"):
        made_flicker(bicubic(2), [torch.rand(1, 3, 90, 200)])


def test_equal_frames_have_no_warping_error_and_alternating_brightness_a_known_one():
    still = photo("chelsea")[..., 40:120, 60:170]
    along = motions([still] * 3)
    assert all((motion.flow == 0).all() and motion.seen.all() for motion in along)
    assert warping_error([still] * 3, along) == 0
    bright = [still + sign * 2 / 255 for sign in (1, -1, 1)]
    assert warping_error(bright, along) == pytest.approx(4, abs=1e-3)


def test_along_a_motion_what_moves_is_found_again_and_a_blurred_video_scores_better():
    """The caveat of the measure: less detail, less error, whatever it looks like."""
    picture = photo("chelsea")
    hr = [picture[..., 40 + 2 * k : 140 + 2 * k, 60 + 3 * k : 190 + 3 * k] for k in range(4)]
    along = motions(hr)
    still = warping_error(hr, motions([hr[0]] * 4))
    assert warping_error(hr, along) < 0.1 * still
    jitter = [frame.roll(k % 2, -1) for k, frame in enumerate(hr)]
    assert warping_error(jitter, along) > 3 * warping_error(hr, along)
    grey = [0 * frame + 0.5 for frame in hr]
    assert warping_error(grey, along) < 1e-4 < warping_error(hr, along)


def test_smaller_frames_cut_the_motion_and_wrong_counts_are_refused():
    picture = photo("chelsea")[..., :90, :100]
    along = motions([picture] * 2)
    assert warping_error([picture[..., :88, :96]] * 2, along) == 0
    with pytest.raises(ValueError, match="3 frames need 2 motions, at least one; got 1"):
        warping_error([picture] * 3, along)
    with pytest.raises(ValueError, match="1 frames need 0 motions"):
        warping_error([picture], [])


def test_scores_name_the_measure():
    rows = ({"name": "a", "warping_error": 2.0, "hr": 3.0}, {"name": "b", "warping_error": 4.0, "hr": 5.0})
    found = FlickerScores("p", rows)
    assert (found.warping_error, found.hr) == (3, 4)
    told = found.as_dict()
    assert told["measure"] == "warping error" and told["unit"] == "255ths" and told["clips"] == list(rows)
    assert "images" not in told and told["warping_error"] == 3
