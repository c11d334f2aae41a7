"""The chapter on neighbouring frames: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

from srlib.data.datasets import photo
from srlib.evaluation.clips import window as library_window
from srlib.exercises import check
from srlib.exercises.edvr import EXERCISES, handheld, interpolated, judge
from srlib.resample import resize
from srlib.video.deformable import deformable_conv2d
from srlib.video.flow import cost_volume, soft_minimum
from srlib.warp import sample
from tests.exercises.contract import Contract


def pixel_by_pixel(sign=-1, total=None, swap=False, origin=None, turn=1, near=None):
    """A flow by loops and `math`, with one thing changed."""

    def answer(cost, sharpness):
        side = math.isqrt(len(cost))
        start = -(side // 2) if origin is None else origin
        found = np.zeros((2, *cost.shape[1:]))
        for y in range(cost.shape[1]):
            for x in range(cost.shape[2]):
                costs = cost[:, y, x].tolist()
                best = divmod(costs.index(min(costs)), side)
                weights = [math.exp(sign * sharpness * value) for value in costs]
                for k, weight in enumerate(weights):
                    row, column = divmod(k, side)
                    if near is not None and max(abs(row - best[0]), abs(column - best[1])) > near:
                        weights[k] = weight = 0
                    step = (start + column, start + row) if swap else (start + row, start + column)
                    found[:, y, x] += turn * weight * np.array(step)
                found[:, y, x] /= sum(weights) if total is None else total
        return found

    return answer


def by_numpy(axis=0):
    def answer(cost, sharpness):
        r = int(len(cost) ** 0.5) // 2
        weights = np.exp(-sharpness * cost.numpy())
        weights = weights / weights.sum(axis=axis, keepdims=True)
        down, right = np.mgrid[-r : r + 1, -r : r + 1].reshape(2, -1)
        return np.stack([np.tensordot(steps, weights, 1) for steps in (down, right)])

    return answer


def by_best(cost, sharpness):
    side = round(len(cost) ** 0.5)
    best = cost.argmin(0)
    return torch.stack([best // side, best % side]) - side // 2


def by_matrix(cost, sharpness):
    r = (int(np.sqrt(cost.shape[0])) - 1) // 2
    steps = torch.cartesian_prod(torch.arange(-r, r + 1), torch.arange(-r, r + 1)).float()
    return (steps.T @ F.softmax(-cost * sharpness, dim=0).flatten(1)).reshape(2, *cost.shape[1:])


def by_scipy(mode="grid-constant", order=1, sign=1, swap=False, masked=True):
    def answer(x, offset, mask):
        offset = sign * (offset.flip(0) if swap else offset).numpy()
        places = np.indices(x.shape) + offset
        found = ndimage.map_coordinates(x.numpy(), places, order=order, mode=mode)
        return found * mask.numpy() if masked else found

    return answer


def by_grid_sample(align=True, scaled=True, padding="zeros", mode="bilinear"):
    def answer(x, offset, mask):
        h, w = x.shape
        y, z = torch.meshgrid(torch.arange(h) + 0.0, torch.arange(w) + 0.0, indexing="ij")
        y, z = y + offset[0], z + offset[1]
        if scaled:
            grid = torch.stack((2 * z / (w - 1) - 1, 2 * y / (h - 1) - 1), dim=2)
        else:
            grid = torch.stack(((2 * z + 1) / w - 1, (2 * y + 1) / h - 1), dim=2)
        read = F.grid_sample(x[None, None], grid[None], mode=mode, padding_mode=padding, align_corners=align)
        return read.squeeze() * mask

    return answer


def by_padding(x, offset, mask):
    wide = F.pad(x, (4, 4, 4, 4))[None, None]
    rows = torch.arange(x.shape[0])[:, None] + 4 + offset[0]
    columns = torch.arange(x.shape[1]) + 4 + offset[1]
    return sample(wide, rows, columns, "bilinear")[0, 0] * mask


def by_the_library(x, offset, mask):
    return deformable_conv2d(x[None, None], offset[None], mask[None, None], torch.ones(1, 1, 1, 1))[0, 0]


def by_loops(lower=math.floor, upper=None, swap=False, wrap=False):
    def answer(x, offset, mask):
        h, w = x.shape
        x, found = x.numpy(), np.zeros((h, w))

        def read(row, column):
            if wrap:
                return x[row, column] if row < h and column < w else 0
            return x[row, column] if 0 <= row < h and 0 <= column < w else 0

        for i in range(h):
            for j in range(w):
                r, c = i + offset[0, i, j].item(), j + offset[1, i, j].item()
                top, left = lower(r), lower(c)
                bottom, side = (upper(r), upper(c)) if upper else (top + 1, left + 1)
                a, b = r - top, c - left
                a, b, e, f = (1 - a, 1 - b, a, b) if swap else (a, b, (bottom - r), (side - c))
                e, f = (r - top, c - left) if swap else (e, f)
                found[i, j] = e * f * read(top, left) + e * b * read(top, side)
                found[i, j] += a * f * read(bottom, left) + a * b * read(bottom, side)
        return found * mask.numpy()

    return answer


def rounded(x, offset, mask):
    found = torch.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            r, c = round(i + offset[0, i, j].item()), round(j + offset[1, i, j].item())
            if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
                found[i, j] = x[r, c]
    return found * mask


def all_or_nothing(x, offset, mask):
    found = torch.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            r, c = i + float(offset[0, i, j]), j + float(offset[1, i, j])
            top, left = math.floor(r), math.floor(c)
            if top < 0 or left < 0 or top + 1 >= x.shape[0] or left + 1 >= x.shape[1]:
                continue
            a, b = r - top, c - left
            upper = (1 - b) * x[top, left] + b * x[top, left + 1]
            found[i, j] = (1 - a) * upper + a * ((1 - b) * x[top + 1, left] + b * x[top + 1, left + 1])
    return mask * found


def scenes(total, cuts):
    borders = [0, *cuts, total]
    return [list(range(a, b)) for a, b in zip(borders[:-1], borders[1:], strict=True)]


def by_walking(place, total, reach, cuts):
    """One step at a time, in each direction."""
    scene = next(scene for scene in scenes(total, cuts) if place in scene)

    def walk(step):
        at, found = place, []
        for _ in range(reach):
            if len(scene) > 1:
                step = step if at + step in scene else -step
                at += step
            found.append(at)
        return found

    return walk(-1)[::-1] + [place] + walk(1)


def by_numpy_padding(mode):
    def answer(place, total, reach, cuts):
        scene = next(np.array(scene) for scene in scenes(total, cuts) if place in scene)
        at = place - scene[0]
        return np.pad(scene, reach, mode=mode)[at : at + 2 * reach + 1]

    return answer


def by_turning(place, total, reach, cuts):
    start = ([0] + [cut for cut in cuts if cut <= place])[-1]
    end = ([cut for cut in cuts if cut > place] + [total])[0] - 1
    found = []
    for k in range(-reach, reach + 1):
        k += place
        while start < end and (k < start or k > end):
            k = 2 * start - k if k < start else 2 * end - k
        found.append(k if start < end else place)
    return found


def in_the_scene(frames, late=0, more=0):
    """What `frames(place, n, reach)` says for a scene of its own, with borders that can be wrong."""

    def answer(place, total, reach, cuts):
        first = max([c + late for c in cuts if c + late <= place], default=0)
        last = min([c + late + more for c in cuts if c + late > place], default=total) - 1
        return [first + k for k in frames(place - first, last - first + 1, reach)]

    return answer


def reflected(place, n, reach):
    wave = list(range(n)) + list(range(n - 2, 0, -1))
    return [wave[k % len(wave)] for k in range(place - reach, place + reach + 1)]


def of_the_library(padding):
    return lambda place, n, reach: library_window(place, n, 2 * reach + 1, padding)


def put_in_place(frames):
    """No network at all: the neighbours' pixels are put where they belong, and the fourth is a mean of four."""
    n, _, c, h, w = frames.shape
    wide = F.pad(frames.flatten(1, 2), (2, 2, 2, 2), mode="replicate").view(n, 3, c, h + 4, w + 4)
    sr = torch.zeros(n, c, 2 * h, 2 * w)
    sr[..., ::2, ::2] = frames[:, 1]
    sr[..., 1::2, ::2] = below = wide[:, 0, :, 4:, 1 : w + 1]
    sr[..., ::2, 1::2] = beside = wide[:, 2, :, 1 : h + 1, 3 : w + 3]
    around = below + below.roll(-1, -1) + beside + beside.roll(-1, -2)
    sr[..., 1::2, 1::2] = around / 4
    return sr


def as_they_are(frames):
    return frames


def copies(frames):
    return frames[:, 1:2].expand_as(frames)


def means(frames):
    return frames.mean(1, keepdim=True).expand_as(frames)


def backwards(frames):
    return frames.flip(1)


class Trained:
    """What a reader hands in: two convolutions, trained when they are first judged.

    Args:
        teach, use: change the frames in training and when judged.
        add: to the interpolated centre frame.
    """

    def __init__(self, teach=as_they_are, use=as_they_are, steps=250, add=True):
        self.teach, self.use, self.steps, self.add = teach, use, steps, add
        self.layers = None

    def __call__(self, judge):
        if self.layers is None:
            self.train()
        return judge(lambda frames: self.net(self.use(frames)))

    def net(self, frames):
        return self.layers(frames.flatten(1, 2) - 0.5) + (interpolated(frames[:, 1]) if self.add else 0.5)

    def train(self):
        torch.manual_seed(4)
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.Conv2d(16, 4, 3, padding=1), nn.PixelShuffle(2))
        opt = torch.optim.Adam(self.layers.parameters(), 5e-3)
        whole = photo("motorcycle_left").mean(1, keepdim=True)
        for k in range(self.steps):
            i, j = (int(torch.randint(n - 80, ())) for n in whole.shape[-2:])
            frames, hr = handheld(whole[..., i : i + 80, j : j + 80])
            loss = (self.net(self.teach(frames)) - hr).abs().mean()
            opt.zero_grad()
            loss.backward()
            opt.param_groups[0]["lr"] = 5e-3 * (1 - k / self.steps)
            opt.step()


RIGHT = {
    "flow": [pixel_by_pixel(), by_numpy(), by_matrix],
    "tap": [
        by_scipy(),
        by_loops(),
        by_padding,
        by_the_library,
        by_grid_sample(),
        by_grid_sample(align=False, scaled=False),
    ],
    "window": [by_walking, by_turning, in_the_scene(reflected), by_numpy_padding("reflect")],
    "fuse": [lambda judge: tuple(torch.tensor(each) for each in judge(put_in_place)), Trained(steps=400)],
}

WRONG = {
    "flow": [
        ("large costs", pixel_by_pixel(sign=1)),
        ("backwards: its shifts", pixel_by_pixel(turn=-1)),
        ("right changes fastest", pixel_by_pixel(swap=True)),
        ("counted from 0", pixel_by_pixel(origin=0)),
        ("least cost alone", by_best),
        ("beside the best", pixel_by_pixel(near=1)),
        ("divide by their sum", pixel_by_pixel(total=1)),
        ("axis 1", by_numpy(axis=1)),
        ("the last axis", by_numpy(axis=2)),
        ("over all pixels together", by_numpy(axis=(0, 1, 2))),
    ],
    "tap": [
        ("was subtracted", by_scipy(sign=-1)),
        ("down is the first map", by_scipy(swap=True)),
        ("border is repeated", by_scipy(mode="nearest")),
        ("from the other end", by_loops(wrap=True)),
        ("as soon as one corner", all_or_nothing),
        ("mask is missing", by_scipy(masked=False)),
        ("nearest pixel; take", rounded),
        ("weights are exchanged", by_loops(swap=True)),
        ("not towards zero", by_loops(lower=int)),
        ("not ceil", by_loops(upper=math.ceil)),
        ("without it", by_grid_sample(align=False)),
    ],
    "window": [
        ("cross the cuts", lambda place, total, reach, cuts: by_turning(place, total, reach, [])),
        ("the last of the old one", in_the_scene(reflected, late=1)),
        ("one frame too late", in_the_scene(reflected, more=1)),
        ("comes twice", by_numpy_padding("symmetric")),
        ("is repeated", by_numpy_padding("edge")),
        ("more than once", in_the_scene(of_the_library("reflect"))),
        ("other end", by_numpy_padding("wrap")),
    ],
    "fuse": [
        ("bicubic interpolation of", lambda judge: judge(lambda frames: resize(frames[:, 1], 2, offset=(0.25, 0.25)))),
        ("centre frame alone", Trained(copies, copies, steps=100)),
        ("without alignment", lambda judge: judge(lambda frames: interpolated(frames.mean(1)))),
        ("trained on copies", Trained(copies)),
        ("runs backwards", Trained(backwards)),
        ("still behind", Trained(add=False, steps=60)),
    ],
}

# written from the exercises' text alone, after the probes were chosen: none of these may pass
OTHERS = {
    "flow": [
        lambda cost, sharpness: pixel_by_pixel(total=len(cost))(cost, sharpness),
        lambda cost, sharpness: by_numpy()(cost, 1 / sharpness),
        lambda cost, sharpness: by_numpy()(cost, 1.0),
        lambda cost, sharpness: by_numpy()(cost**2, sharpness),
        lambda cost, sharpness: np.moveaxis(by_numpy()(cost, sharpness), 0, -1),
        lambda cost, sharpness: by_numpy()(cost, sharpness)[0],
        lambda cost, sharpness: by_best(-cost, sharpness),
        lambda cost, sharpness: soft_minimum(cost[None], sharpness=sharpness, reach=2)[0],
        lambda cost, sharpness: soft_minimum(cost[None], reach=None)[0],
        lambda cost, sharpness: torch.zeros(2, *cost.shape[1:]),
    ],
    "tap": [
        by_grid_sample(padding="reflection"),
        by_grid_sample(mode="nearest", padding="border"),
        by_grid_sample(align=True, scaled=False),
        by_scipy(mode="grid-wrap"),
        by_scipy(mode="mirror"),
        by_scipy(order=3),
        lambda x, offset, mask: by_scipy()(x, offset / 2, mask),
        lambda x, offset, mask: by_scipy()(x, offset, mask.sigmoid()),
        lambda x, offset, mask: by_scipy()(x * mask, offset, torch.ones_like(mask)),
        lambda x, offset, mask: x * mask,
    ],
    "window": [
        in_the_scene(of_the_library("new")),
        in_the_scene(lambda place, n, reach: [min(max(0, place - reach), n - 1) + k for k in range(2 * reach + 1)]),
        in_the_scene(lambda place, n, reach: [k for k in range(place - reach, place + reach + 1) if 0 <= k < n]),
        lambda *arguments: sorted(by_walking(*arguments)),
        lambda *arguments: by_walking(*arguments)[::-1],
        lambda place, total, reach, cuts: by_walking(place, total, reach, [cut - 1 for cut in cuts]),
        lambda place, total, reach, cuts: [abs(k) for k in range(place - reach, place + reach + 1)],
        lambda place, total, reach, cuts: [place] * (2 * reach + 1),
        lambda place, total, reach, cuts: by_walking(place, total, reach, cuts[:1]),
    ],
    "fuse": [
        lambda judge: judge(lambda frames: frames[:, 1].repeat_interleave(2, -1).repeat_interleave(2, -2)),
        lambda judge: judge(lambda frames: F.interpolate(frames[:, 1], scale_factor=2, mode="bicubic")),
        lambda judge: judge(lambda frames: put_in_place(frames.flip(-1))),
        lambda judge: judge(lambda frames: put_in_place(frames.transpose(-1, -2))),
        lambda judge: judge(lambda frames: torch.zeros_like(put_in_place(frames))),
        lambda judge: judge(lambda frames: put_in_place(frames)[..., 1:, 1:]),
        Trained(steps=0),
        Trained(means, means),
        Trained(copies, as_they_are, add=False),
        lambda judge: judge,
    ],
}


class TestEdvr(Contract):
    chapter, exercises, right, wrong = "edvr", EXERCISES, RIGHT, WRONG


@pytest.mark.parametrize("task", OTHERS)
def test_other_wrong_answers_fail(task):
    for number, answer in enumerate(OTHERS[task]):
        assert not check(f"edvr-{task}", answer), number


def test_two_styles_of_one_mistake_get_one_hint():
    for task, word, answer in (
        ("tap", "as soon as one corner", by_scipy(mode="constant")),
        ("tap", "border is repeated", by_grid_sample(padding="border")),
        ("tap", "nearest pixel", by_scipy(order=0)),
        ("tap", "nearest pixel", by_grid_sample(mode="nearest")),
        ("flow", "right changes fastest", lambda cost, sharpness: by_numpy()(cost, sharpness)[::-1].copy()),
        ("window", "is repeated", in_the_scene(of_the_library("repeat"))),
        ("fuse", "without alignment", Trained(means, means, steps=100)),
        ("fuse", "centre frame alone", lambda judge: judge(lambda frames: F.interpolate(frames[:, 1], scale_factor=2))),
    ):
        assert word in check(f"edvr-{task}", answer).hint, (task, word)


def test_the_flow_is_that_of_the_library():
    frames = torch.rand(2, 1, 1, 7, 9, generator=torch.Generator().manual_seed(0))
    cost = cost_volume(*frames, radius=2)
    mine = EXERCISES["flow"].reference(cost[0], 30.0)
    torch.testing.assert_close(mine, soft_minimum(cost, sharpness=30.0, reach=None)[0])


def test_frames_show_other_pixels_of_the_same_scene():
    hr = torch.arange(20 * 24.0).view(1, 1, 20, 24)
    frames, centre = handheld(hr)
    assert frames.shape == (1, 3, 1, 6, 8) and centre.shape == (1, 1, 12, 16)
    assert torch.equal(frames[:, 1], centre[..., ::2, ::2])
    assert torch.equal(frames[0, 0, 0, 2:, :-1], centre[0, 0, 1:8:2, 2::2])  # 1.5 pixels up, 1 to the right
    assert torch.equal(frames[0, 2, 0, :-1, 1:], centre[0, 0, 2::2, 1:-2:2])  # 1 down, 0.5 to the left


def test_the_judge_wants_sr_of_the_right_size():
    for net, words in (
        (lambda frames: frames[:, 1], r"\(4, 1, 96, 96\), got \(4, 1, 48, 48\)"),
        (lambda frames: put_in_place(frames).expand(-1, 3, -1, -1), r"got \(4, 3, 96, 96\)"),
        (lambda frames: None, "got a NoneType"),
    ):
        with pytest.raises(ValueError, match=words):
            judge(net)
        assert "must return sr" in check("edvr-fuse", lambda judge, net=net: judge(net)).hint


def test_less_than_enough_is_said_in_decibels():
    found = judge(lambda frames: 0.9 * interpolated(frames[:, 1]) + 0.1 * put_in_place(frames))
    assert 0 < found[0] < 1 and found[1] == 0
