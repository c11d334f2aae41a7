"""Made clips: a function of seed and index, whose truth says where everything went."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from srlib.data.moving_layers import MovingLayers, side
from srlib.resample import resize


def photographs(size=120, count=2):
    """Smooth random textures, so that moving them by part of a pixel is well defined."""
    made = torch.Generator().manual_seed(3)
    return [resize(torch.rand(1, 3, size // 6, size // 6 + k, generator=made), 6).clamp(0, 1) for k in range(count)]


def stream(**settings):
    return MovingLayers(photographs(), **({"scale": 2, "lr_size": 20, "speed": 1.5, "seed": 4} | settings))


def test_a_clip_depends_on_seed_and_index_alone():
    clips = stream()
    clip, hr = clips.batch(range(3, 6))
    assert clip.shape == (3, 5, 3, 20, 20) and hr.shape == (3, 3, 40, 40)
    alone = clips[4]
    torch.testing.assert_close(alone[0], clip[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(alone[1], hr[1], atol=1e-6, rtol=0)
    assert not torch.equal(stream(seed=5)[4][1], alone[1])
    assert torch.equal((clip * 255).round() / 255, clip)


def test_the_centre_frame_is_hr_shrunk():
    clip, hr = stream(changes=0.1).batch(range(4))
    assert (clip[:, 2] - resize(hr, 0.5).clamp(0, 1)).abs().max() < 0.51 / 255


def test_the_flow_finds_every_visible_pixel_again():
    clip, _, truth = stream(lr_size=32).made(range(12), truth=True)
    assert truth.flow.shape == (12, 5, 2, 32, 32) and truth.visible.shape == (12, 5, 32, 32)
    assert (truth.flow[:, 2] == 0).all() and truth.visible[:, 2].all()
    assert 1.0 < truth.flow.abs().max() < 2 * 1.5 + 1
    along = torch.arange(32) + 0.5
    here = torch.stack(torch.meshgrid(along, along, indexing="ij"), -1)
    places = (here + truth.flow.movedim(2, -1)).flip(-1) / 16 - 1
    moved = F.grid_sample(clip.flatten(0, 1), places.flatten(0, 1), "bicubic", "border", align_corners=False)
    error = (moved.view(clip.shape) - clip[:, 2:3]).abs().mean(2)
    for t in (0, 1, 3, 4):
        seen, hidden = error[:, t][truth.visible[:, t]].mean(), error[:, t][~truth.visible[:, t]].mean()
        unmoved = (clip[:, t] - clip[:, 2]).abs().mean()
        assert seen < 0.25 * unmoved and seen < 0.25 * hidden


def test_a_whole_clip_is_the_same_clip_with_hr_of_every_frame_and_the_truth_at_its_pixels():
    clips = stream(lr_size=32)
    lr, hr, truth = clips.whole(range(6))
    clip, centre, coarse = clips.made(range(6), truth=True)
    assert torch.equal(lr, clip) and torch.equal(hr[:, 2], centre)
    assert hr.shape == (6, 5, 3, 64, 64) and truth.flow.shape == (6, 5, 2, 64, 64) and truth.visible.all(-1).any()
    assert (lr - resize(hr.flatten(0, 1), 0.5).clamp(0, 1).view(lr.shape)).abs().max() < 0.51 / 255
    averaged = F.avg_pool2d(truth.flow.flatten(0, 1), 2).view(coarse.flow.shape) / 2  # hr pixels to lr pixels
    assert ((averaged - coarse.flow).abs() < 1e-3).float().mean() > 0.95  # all but edges of the front layer
    along = torch.arange(64) + 0.5
    here = torch.stack(torch.meshgrid(along, along, indexing="ij"), -1)
    places = (here + truth.flow.movedim(2, -1)).flip(-1) / 32 - 1
    moved = F.grid_sample(hr.flatten(0, 1), places.flatten(0, 1), "bicubic", "border", align_corners=False)
    error = (moved.view(hr.shape) - hr[:, 2:3]).abs().mean(2)
    assert error[truth.visible].mean() < 0.1 * error[~truth.visible].mean()


def test_the_layers_move_apart_and_hide_each_other():
    _, _, truth = stream(lr_size=32).made(range(24), truth=True)
    velocities = truth.flow[:, 4].flatten(2)  # (N, 2, pixels)
    spread = velocities.amax(2) - velocities.amin(2)
    assert (spread.amax(1) > 0.5).sum() >= 8  # two motions in a clip, not one
    middle = truth.visible[:, :, 8:-8, 8:-8]
    assert not middle.all() and middle.float().mean() > 0.8
    still = stream(speed=0.0).made(range(6), truth=True)[2]
    assert still.flow.abs().max() < 0.7  # turns and zooms alone


def test_exposure_changes_in_all_frames_but_the_centre():
    calm, changed = stream(speed=0.0), stream(speed=0.0, changes=0.1)
    a, b = calm.batch(range(6))[0], changed.batch(range(6))[0]
    ratio = (b.mean((2, 3, 4)) / a.mean((2, 3, 4))).numpy()
    assert np.abs(ratio[:, 2] - 1).max() < 1e-3
    assert 0.02 < np.abs(ratio[:, [0, 1, 3, 4]] - 1).max() < 0.12
    sharp = [clip.diff(dim=-1).abs().mean((2, 3, 4)) for clip in (a, b / torch.tensor(ratio)[..., None, None, None])]
    assert (sharp[1][:, [0, 1, 3, 4]] < 0.99 * sharp[0][:, [0, 1, 3, 4]]).float().mean() > 0.5


def test_wrong_settings_and_small_pictures():
    with pytest.raises(ValueError, match="frames must be odd"):
        stream(frames=4)
    need = side(20, 2, 5, 1.5)
    MovingLayers([torch.rand(1, 3, need, need)], scale=2, lr_size=20, speed=1.5)
    with pytest.raises(ValueError, match=f"no patch of {need} x {need}"):
        MovingLayers([torch.rand(1, 3, need, need - 1)], scale=2, lr_size=20, speed=1.5)
