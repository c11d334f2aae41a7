"""Clips: windows at the ends, where frames are sampled, and the published bicubic numbers of Vid4."""

import pytest
import torch
from torch import nn

from srlib import metrics
from srlib.data import datasets
from srlib.evaluation.clip_degradations import MovedBack, Shifted, aligned, blurred_down
from srlib.evaluation.clips import (
    WHOLE,
    CentreCopies,
    ClipProtocol,
    evaluate_clip,
    made_scores,
    mean_of_clips,
    window,
)
from srlib.models.interpolators import bicubic, bilinear
from srlib.resample import resize

VID4 = {"calendar": 20.241, "city": 25.307, "foliage": 23.498, "walk": 26.088}


@pytest.mark.parametrize(
    ("place", "padding", "expected"),
    [
        (4, "new", [2, 3, 4, 5, 6]),
        (0, "new", [4, 3, 0, 1, 2]),
        (1, "new", [4, 0, 1, 2, 3]),
        (9, "new", [7, 8, 9, 6, 5]),
        (8, "new", [6, 7, 8, 9, 5]),
        (0, "reflect", [2, 1, 0, 1, 2]),
        (9, "reflect", [7, 8, 9, 8, 7]),
        (1, "repeat", [0, 0, 1, 2, 3]),
        (9, "repeat", [7, 8, 9, 9, 9]),
    ],
)
def test_what_stands_for_frames_beyond_the_ends(place, padding, expected):
    assert window(place, 10, 5, padding) == expected


def test_short_clips_and_wrong_words():
    for padding in ("new", "reflect", "repeat"):
        for place in range(2):
            found = window(place, 2, 5, padding)
            assert len(found) == 5 and found[2] == place and set(found) <= {0, 1}
    with pytest.raises(ValueError, match="padding must be new, reflect or repeat, got 'circle'"):
        window(0, 4, 3, "circle")
    with pytest.raises(ValueError, match="frame 4 is not in a clip of 4"):
        window(4, 4, 3)


def test_bd_frames_lie_a_pixel_and_a_half_off_the_usual_grid():
    """On a ramp every misplacement is a constant: 1.5 pixels of slope 0.01."""
    ramp = (0.01 * torch.arange(64.0)).expand(1, 1, 64, 64)
    lr = blurred_down(ramp)
    inside = (..., slice(16, -16), slice(16, -16))
    assert (resize(lr, 4)[inside] - ramp[inside]).mean().item() == pytest.approx(-0.015, abs=1e-4)
    assert (Shifted()(lr)[inside] - ramp[inside]).abs().max() < 1e-3


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_upscaler_of_bd_frames_puts_them_where_they_belong(scale):
    ramp = (0.005 * torch.arange(96.0)).expand(1, 1, 96, 96)
    ramp = ramp + ramp.mT
    lr, inside = blurred_down(ramp, scale), (..., slice(24, -24), slice(24, -24))
    net = Middle()
    net.forward, net.scale = (lambda lr: resize(lr, scale)), scale  # a network, in place of an interpolator
    for upscaler, kind in ((bicubic(scale), Shifted), (bilinear(scale), Shifted), (net, MovedBack)):
        found = aligned(upscaler)
        assert type(found) is kind and (found(lr)[inside] - ramp[inside]).abs().max() < 1e-3
        assert (upscaler(lr)[inside] - ramp[inside]).mean().item() == pytest.approx(-0.01 * (scale - 1) / 2, abs=1e-4)
    assert (found.frames, found.channels) == (3, 3)


class Middle(nn.Module):
    """Takes clips, and enlarges the centre frame as bicubic interpolation does."""

    scale, channels, frames = 4, 3, 3

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, clip):
        self.seen.append(clip.mean((0, 2, 3, 4)).tolist())
        return resize(clip[:, 1], 4)


def test_a_network_of_clips_sees_its_windows_and_is_scored_on_its_frames():
    hr = [torch.rand(1, 3, 33, 46) * 0.5 + 0.1 * k for k in range(5)]
    net = Middle()
    protocol = ClipProtocol(pictures=metrics.Protocol("rgb", 4, 8), first=1, last=4)
    found = evaluate_clip(net, hr, protocol)
    assert [row["name"] for row in found.rows] == ["frame 1", "frame 2", "frame 3"]
    assert all(seen == sorted(seen) for seen in net.seen) and len(net.seen) == 3
    assert found.protocol == "BI, RGB, border 4, 8-bit, frames 1 to 3, ends new"
    plain = metrics.evaluate(bicubic(4), [("a", hr[1])], metrics.Protocol("rgb", 4, 8))
    assert found.rows[0]["psnr"] == pytest.approx(plain.rows[0]["psnr"], abs=0.02)
    with pytest.raises(ValueError, match="frames 7 to the end are none of a clip of 5"):
        evaluate_clip(net, hr, ClipProtocol(first=7))


@pytest.mark.parametrize("scale", [2, 3])
def test_frames_become_small_by_the_scale_of_the_upscaler(scale):
    hr = [torch.rand(1, 3, 41, 50) for _ in range(2)]
    found = evaluate_clip(bicubic(scale), hr)
    plain = metrics.evaluate(bicubic(scale), [("a", hr[0])], WHOLE)
    assert found.rows[0]["psnr"] == plain.rows[0]["psnr"]


def test_each_frame_is_handed_on_and_frames_of_two_sizes_are_refused():
    hr, seen = [torch.rand(1, 3, 33, 46) for _ in range(4)], []
    evaluate_clip(Middle(), hr, ClipProtocol(first=2), each=lambda sr, hr: seen.append((sr.shape, hr.shape)))
    assert seen == [((1, 3, 32, 44), (1, 3, 32, 44))] * 2
    with pytest.raises(ValueError, match="must have one size"):
        evaluate_clip(Middle(), [*hr, torch.rand(1, 3, 33, 45)])


def test_grey_clips_pass_a_network_of_colour():
    hr = [torch.rand(1, 1, 33, 46) for _ in range(3)]
    found = evaluate_clip(Middle(), hr, ClipProtocol(pictures=metrics.Protocol("rgb", 0, 8)))
    rgb = evaluate_clip(
        Middle(), [x.expand(-1, 3, -1, -1) for x in hr], ClipProtocol(pictures=metrics.Protocol("rgb", 0, 8))
    )
    assert found.psnr == pytest.approx(rgb.psnr, abs=1e-3)


def test_the_mean_of_clips_is_over_clips_and_keeps_their_frames():
    short, long = ([torch.rand(1, 3, 32, 44) for _ in range(count)] for count in (1, 3))
    clips = {name: evaluate_clip(bicubic(4), hr) for name, hr in (("a", short), ("b", long))}
    found = mean_of_clips(clips)
    assert found.psnr == pytest.approx((clips["a"].psnr + clips["b"].psnr) / 2) and found.scale == 4
    told = found.as_dict()
    assert [(row["name"], len(row["frames"])) for row in told["clips"]] == [("a", 1), ("b", 3)]
    assert told["protocol"] == clips["a"].protocol and "images" not in told and found.unit == "clip"
    with pytest.raises(ValueError, match="no clip was scored"):
        mean_of_clips({})


def test_copies_of_the_centre_are_all_that_a_network_sees():
    class Sum(nn.Module):
        scale, channels, frames = 1, 3, 5

        def forward(self, clip):
            return clip.sum(1)

    clip = torch.rand(2, 5, 3, 8, 9)
    torch.testing.assert_close(CentreCopies(Sum())(clip), 5 * clip[:, 2])


@pytest.mark.parametrize("clip", VID4)
def test_bicubic_on_vid4_is_what_papers_have(clip):
    try:
        hr = [image for _, image in datasets.images_of(clip)]
    except FileNotFoundError:
        pytest.skip(f"{clip} of Vid4 is not in $SRLIB_DATA")
    found = evaluate_clip(bicubic(4), hr)
    assert found.psnr == pytest.approx(VID4[clip], abs=0.005)
    assert found.protocol == f"BI, {WHOLE.describe(4)}, all frames, ends new"


class Centre(nn.Module):
    """Bicubic interpolation of the centre frame."""

    channels, frames, scale = 3, 5, 2

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, clip):
        return self.weight * resize(clip[:, 2], 2)


def test_clips_made_of_stills_are_the_same_each_time_and_score_their_centre_frame():
    pictures = {"two": [(name, datasets.photo(name)) for name in ("astronaut", "rocket")]}
    found = made_scores(Centre(), pictures, [2])
    assert found == made_scores(Centre(), pictures, [2])
    worse = Centre()
    worse.weight.data *= 0.9
    assert 20 < made_scores(worse, pictures, [2])["2"]["two in motion"]["psnr"] < found["2"]["two in motion"]["psnr"]
    with pytest.raises(ValueError, match="small has no picture of"):
        made_scores(Centre(), {"small": [("a", torch.rand(1, 3, 40, 90))]}, [2])
