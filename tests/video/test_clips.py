"""Windows over a stream are those of a whole clip; scenes end where they are cut, not in a pan, a flash or a fade."""

import pytest
import torch
import torch.nn.functional as F

from srlib.video.clips import LEAST, difference, scenes, window, windows


@pytest.mark.parametrize("padding", ["new", "reflect", "repeat"])
@pytest.mark.parametrize("frames", [1, 3, 5, 7])
def test_a_stream_gives_the_windows_of_the_whole_clip(padding, frames):
    for total in range(15):
        expected = [window(place, total, frames, padding) for place in range(total)]
        assert list(windows(iter(range(total)), frames, padding)) == expected


@pytest.mark.parametrize("padding", ["new", "reflect", "repeat"])
def test_a_window_ends_where_its_scene_does(padding):
    lengths, start = [4, 1, 9, 2, 3], 0
    stream, expected = [], []
    for length in lengths:
        stream += [(start + k, k == 0) for k in range(length)]
        expected += [[start + k for k in window(place, length, 5, padding)] for place in range(length)]
        start += length
    begins = dict(stream)
    found = windows(begins, 5, padding, cuts=lambda items: ((item, begins[item]) for item in items))
    assert list(found) == expected


def test_a_long_stream_is_not_held():
    alive = set()

    class Item:
        def __init__(self, k):
            self.k = k
            alive.add(k)

        def __del__(self):
            alive.discard(self.k)

    most = 0
    for place, found in enumerate(windows(map(Item, range(300)), 5)):
        assert found[2].k == place
        most = max(most, len(alive))
        del found
    assert most <= 10 and not alive


def test_windows_have_a_middle():
    for frames in (0, 2, -3):
        with pytest.raises(ValueError, match="odd number of frames, so that one is in the middle; got"):
            next(windows([1, 2], frames))
    with pytest.raises(ValueError, match="padding must be new, reflect or repeat"):
        list(windows([1, 2], 3, "mirror"))


def scenery(seed, height=60, width=200):
    """A random landscape, smooth over some ten pixels, of a brightness of its own."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 10, width // 10, generator=rng)
    level = 0.35 * torch.rand(1, generator=rng)
    return (level + 0.65 * F.interpolate(coarse, size=(height, width), mode="bicubic")).clamp(0, 1)


def pan(seed, count, speed):
    """A view 80 pixels wide that moves along a landscape."""
    place = scenery(seed)
    return [place[..., k * speed : k * speed + 80] for k in range(count)]


def cuts(frames):
    found = list(scenes(frames))
    assert [id(frame) for frame, _ in found] == [id(frame) for frame in frames]
    return [k for k, (_, begins) in enumerate(found) if begins]


def test_hard_cuts_are_found():
    for seed in range(0, 20, 2):
        assert cuts(pan(seed, 7, 3) + pan(seed + 1, 9, 2)) == [7]
    assert set(cuts(pan(0, 7, 3) + pan(1, 1, 0) + pan(2, 7, 3))) <= {7, 8}  # one frame alone, between two scenes
    assert cuts(pan(0, 6, 2) + pan(1, 2, 2)) == [6] and cuts(pan(0, 6, 2) + pan(1, 1, 2)) == [6]
    assert cuts(pan(0, 1, 2) + pan(1, 6, 2)) == [1]


@pytest.mark.parametrize("speed", [1, 3, 6, 10])
def test_pans_are_no_cuts_also_where_they_begin(speed):
    for seed in range(10):
        frames = pan(seed, min(12, 120 // speed), speed)
        assert cuts([frames[0]] * 4 + frames) == []


def test_flashes_fades_and_stills_are_no_cuts():
    frames = pan(4, 14, 3)
    bright = [torch.ones_like(frame) if k == 6 else frame for k, frame in enumerate(frames)]
    assert cuts(bright) == []
    assert cuts([frame * (1 - k / 13) for k, frame in enumerate(frames)]) == []
    assert cuts([frame * (k / 13) for k, frame in enumerate(frames)]) == []
    others = pan(5, 14, 3)
    assert cuts([a * (1 - k / 13) + b * (k / 13) for k, (a, b) in enumerate(zip(frames, others, strict=True))]) == []
    assert cuts([frames[0]] * 9) == [] and cuts(frames[:1]) == [] and cuts([]) == []
    assert cuts([frames[0] * (k % 2) for k in range(9)]) == []  # a strobe


def test_a_difference_is_that_of_the_best_fit():
    blocks = torch.rand(18, 32, generator=torch.Generator().manual_seed(0))
    assert difference(blocks, blocks) == 0
    assert difference(blocks[:, 4:], blocks[:, :-4]) == 0 and difference(blocks[:-2], blocks[2:]) == 0
    assert difference(blocks, blocks + 0.1) == pytest.approx(0.1, abs=1e-6)
    assert difference(blocks[:, 8:], blocks[:, :-8]) > LEAST  # further than a picture may move


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (37, 23)])
def test_small_frames_have_scenes_too(size):
    dark, light = torch.zeros(1, 1, *size), torch.ones(1, 3, *size)
    assert cuts([dark] * 4 + [light] * 4) == [4]
