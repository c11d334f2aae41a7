"""two_stage: the same sample whatever stands beside it, and what is drawn follows the definitions."""

import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from srlib.data.sources import DegradedPairs
from srlib.data.synthetic import zone_plate
from srlib.random_degradations.kernels import KernelRanges
from srlib.random_degradations.two_stage import FIRST, SECOND, Drawn, StageRanges, TwoStage, numpy_generator
from srlib.resample import resize

COUNT = 3000


def hr(count, height=48, width=64, channels=3):
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def rngs(indices):
    return [torch.Generator().manual_seed(100 + i) for i in indices]


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    return [TwoStage().draw(rng) for _ in range(COUNT)]


def test_a_sample_does_not_see_its_batch():
    images, degrade = hr(6), TwoStage()
    whole = degrade(images, rngs(range(6)))
    assert whole.shape == (6, 3, 12, 16)
    assert len({tuple(image.flatten().tolist()) for image in whole}) == 6
    for order in ([4], [5, 0], [3, 2, 1]):
        assert torch.equal(degrade(images[order], rngs(order)), whole[order])


def test_a_stream_gives_the_same_sample_in_another_process():
    code = (
        "import torch; from srlib.data.sources import DegradedPairs; from srlib.data.synthetic import zone_plate;"
        "from srlib.random_degradations.two_stage import TwoStage;"
        "source = DegradedPairs(size=32, degrade=TwoStage(scale=2));"
        "stream = source({'hr': [zone_plate(64)]}, seed=3, batch=2);"
        "print([(lr * 255).round().int().flatten().tolist() for lr in stream.batch([11, 7])[0]])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    stream = DegradedPairs(size=32, degrade=TwoStage(scale=2))({"hr": [zone_plate(64)]}, seed=3, batch=2)
    here = [(stream[index][0] * 255).round().int().flatten().tolist() for index in (11, 7)]
    assert there.strip() == str(here)
    assert stream[11][1].shape == (3, 32, 32)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (33, 46)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_gives_bytes_of_the_right_size(scale, size, channels):
    images = hr(8, *size, channels)
    lr = TwoStage(scale=scale)(images, rngs(range(8)))
    assert lr.shape == (8, channels, *(math.ceil(n / scale) for n in size)) and lr.dtype == images.dtype
    assert lr.min() >= 0 and lr.max() <= 1
    torch.testing.assert_close(lr * 255, (lr * 255).round(), atol=1e-4, rtol=0)


def nothing(ranges):
    """A stage that resizes to where it should be, and changes hardly anything else."""
    return replace(ranges, blur=0.0, resize=(0.0, 0.0, 1.0), gaussian=1.0, sigma=(0.0, 0.0), quality=(100, 100))


def test_with_no_strength_it_is_a_shrunk_picture_in_its_place():
    down, right = torch.arange(96.0)[:, None], torch.arange(72.0)
    image = (0.5 + 0.4 * torch.cos(down / 13) * torch.cos(right / 9)).expand(1, 3, -1, -1)  # so smooth that modes agree
    still = TwoStage(first=nothing(FIRST), second=nothing(SECOND), sinc=0.0)
    for seed in range(6):
        lr = still(image, [torch.Generator().manual_seed(seed)])
        assert (lr - resize(image, 1 / 4)).abs().mean() < 3 / 255
        assert (lr[..., 1:, :] - resize(image, 1 / 4)[..., :-1, :]).abs().mean() > 6 / 255


def test_the_noise_of_a_sample_is_what_was_drawn_for_it():
    flat = torch.full((1, 3, 128, 128), 0.5)
    degrade = TwoStage(
        scale=1, first=replace(nothing(FIRST), sigma=(5 / 255, 25 / 255)), second=nothing(SECOND), sinc=0
    )
    for seed in range(5):
        rng = np.random.default_rng(seed)
        drawn = degrade.draw(rng)
        lr = degrade.apply(flat, drawn, rng)
        grey = lr.mean(1)  # JPEG halves the resolution of colour, so only the luma keeps its noise
        expected = drawn.first.strength * (1 if drawn.first.grey else math.sqrt(0.299**2 + 0.587**2 + 0.114**2))
        luma = 0.299 * lr[:, 0] + 0.587 * lr[:, 1] + 0.114 * lr[:, 2]
        assert luma.std().item() == pytest.approx(expected, rel=0.06), drawn
        assert abs(grey.mean().item() - 0.5) < 0.005


def test_noise_that_is_cut_off_darkens_white_and_brightens_black():
    def shift(degrade, level):
        """Mean change of a flat colour in 8-bit levels, over 40 draws."""
        flat = torch.full((40, 3, 32, 32), level)
        return (degrade(flat, rngs(range(40))).mean() - level).item() * 255

    quiet = TwoStage(first=replace(FIRST, gaussian=1, sigma=(0, 0)), second=replace(SECOND, gaussian=1, sigma=(0, 0)))
    assert shift(TwoStage(), 1.0) < -6 and shift(TwoStage(), 0.0) > 2
    assert abs(shift(TwoStage(), 0.5)) < 1
    assert abs(shift(quiet, 1.0)) < 1 and abs(shift(quiet, 0.0)) < 1


def test_the_order_of_the_last_jpeg_matters_and_the_filter_rings():
    image = hr(1, 64, 64)
    degrade = TwoStage()
    one = degrade.draw(np.random.default_rng(0))
    results = [
        degrade.apply(image, replace(one, jpeg_last=last, sinc=sinc), np.random.default_rng(1))
        for last in (False, True)
        for sinc in (None, KernelRanges().draw_sinc(np.random.default_rng(2)))
    ]
    assert len({tuple(result.flatten().tolist()) for result in results}) == 4


def uniform(values, low, high):
    return stats.kstest(values, "uniform", (low, high - low)).pvalue > 1e-4


def frequent(flags, share):
    return stats.binomtest(sum(flags), len(flags), share).pvalue > 1e-4


@pytest.mark.parametrize("name, ranges", [("first", FIRST), ("second", SECOND)])
def test_stages_are_drawn_as_they_are_defined(drawn, name, ranges):
    found = [getattr(one, name) for one in drawn]
    assert (
        frequent([stage.blur is not None for stage in found], ranges.blur)
        if ranges.blur < 1
        else all(stage.blur is not None for stage in found)
    )
    up = [stage.factor for stage in found if stage.factor > 1]
    down = [stage.factor for stage in found if stage.factor < 1]
    wanted = COUNT * np.array(ranges.resize)
    assert stats.chisquare([len(up), len(down), COUNT - len(up) - len(down)], wanted).pvalue > 1e-4
    assert uniform(up, 1, ranges.factor[1]) and uniform(down, ranges.factor[0], 1)
    modes = Counter(stage.mode for stage in found)
    assert sorted(modes) == ["area", "bicubic", "bilinear"] and stats.chisquare([*modes.values()]).pvalue > 1e-4
    gaussian = [stage.strength for stage in found if stage.noise == "gaussian"]
    poisson = [stage.strength for stage in found if stage.noise == "poisson"]
    assert frequent([stage.noise == "gaussian" for stage in found], 0.5)
    assert uniform(gaussian, *ranges.sigma) and uniform(poisson, *ranges.poisson)
    assert frequent([stage.grey for stage in found], 0.4)
    qualities = Counter(stage.quality for stage in found)
    assert (min(qualities), max(qualities)) == (30, 95)
    assert stats.chisquare([qualities[q] for q in range(30, 96)]).pvalue > 1e-4


def test_the_end_is_drawn_as_it_is_defined(drawn):
    assert frequent([one.sinc is not None for one in drawn], 0.8)
    assert frequent([one.jpeg_last for one in drawn], 0.5)
    assert stats.chisquare([*Counter(one.mode for one in drawn).values()]).pvalue > 1e-4
    assert isinstance(drawn[0], Drawn)
    assert all(one.second.blur is None or one.second.blur.sigma_x <= 1.5 for one in drawn)


def test_random_numbers_follow_those_of_torch():
    one, two = (numpy_generator(torch.Generator().manual_seed(seed)).random() for seed in (1, 2))
    rng = torch.Generator().manual_seed(1)
    assert numpy_generator(rng).random() == one != two
    assert numpy_generator(rng).random() != one  # a generator goes on


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: TwoStage(scale=0), "scale must be at least 1, got 0"),
        (lambda: TwoStage()(hr(2), rngs([0])), "2 samples need as many generators, got 1"),
        (lambda: TwoStage()(hr(1, channels=2), rngs([0])), r"needs images \(N, 1 or 3, H, W\), got shape \(1, 2, "),
        (lambda: StageRanges(resize=(0.5, 0.2, 0.2)), "must sum to one, got 0.9"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
