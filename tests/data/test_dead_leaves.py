"""leaves: the law of the radii, the painting against a slow one, the spectrum, the same picture always."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from srlib.data import dead_leaves as module
from srlib.data.dead_leaves import DeadLeaves, dead_leaves, generator, leaf_radii
from srlib.frequency import power_spectrum, radial_profile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def colours():
    return torch.rand(1, 3, 23, 31, generator=torch.Generator().manual_seed(5))


def digest(image):
    return hashlib.sha256(image.numpy().tobytes()).hexdigest()


def test_radii_fall_off_with_slope_minus_two():
    radii = leaf_radii(400_000, generator(0, 0), 1.0, 1000.0)
    assert radii.min() >= 1 and radii.max() <= 1000 and radii.dtype == torch.float64
    at = torch.logspace(0.1, 1.3, 8, dtype=torch.float64)  # share of radii above: about r^-2
    above = (radii[:, None] > at).double().mean(0)
    torch.testing.assert_close(above, (at**-2 - 1e-6) / (1 - 1e-6), rtol=0.06, atol=0)
    slope = (above[-1] / above[0]).log() / (at[-1] / at[0]).log()
    assert slope.item() == pytest.approx(-2, abs=0.03)


@pytest.mark.parametrize("height, width", [(17, 11), (1, 40), (31, 1)])
def test_painting_equals_disk_by_disk(height, width):
    disks = module._fall(height, width, 0.5, 20.0, 0.3, generator(1, height))
    y, x = np.mgrid[:height, :width] + 0.5
    expected = np.full((height, width), -1)
    for k in reversed(range(len(disks.x))):  # from the back to the front
        expected[(x - disks.x[k]) ** 2 + (y - disks.y[k]) ** 2 <= disks.radius[k] ** 2] = k
    whole = module._first(disks, np.arange(height * width), height, width).reshape(height, width)
    np.testing.assert_array_equal(np.maximum(whole, -1), expected)
    some = np.flatnonzero(generator_mask(height * width))
    np.testing.assert_array_equal(np.maximum(module._first(disks, some, height, width), -1), expected.ravel()[some])


def generator_mask(n):
    return (torch.rand(n, generator=generator(2, n)) < 0.4).numpy()


def test_every_place_is_covered_alike():
    """The border and the middle get as many disks as the density says: there is no edge effect."""
    low, high, density = 0.7, 30.0, 0.05
    mean_area = 2 * np.pi * np.log(high / low) / (low**-2 - high**-2)
    counts = np.zeros((3, 3))
    y, x = np.meshgrid([0.5, 8.5, 16.5], [0.5, 6.5, 12.5], indexing="ij")
    rounds = 1500
    for i in range(rounds):
        disks = module._fall(17, 13, low, high, density, generator(3, i))
        near = (x[..., None] - disks.x) ** 2 + (y[..., None] - disks.y) ** 2 <= disks.radius**2
        counts += near.sum(-1)
    np.testing.assert_allclose(counts / rounds, density * mean_area, rtol=0.12)


@pytest.mark.parametrize("size", [1, (17, 11), (5, 64), (96, 33)])
def test_nothing_stays_bare_at_odd_sizes(size, colours):
    height, width = (size, size) if isinstance(size, int) else size
    leaf, count = module._pile(height * 2, width * 2, 1.0, 2.0 * max(height, width) + 1, generator(0, 1))
    assert leaf.shape == (2 * height, 2 * width) and leaf.min() >= 0 and leaf.max() < count
    image = dead_leaves(size, generator(0, 0), colours, radius_max=100)
    assert image.shape == (1, 3, height, width) and image.dtype == torch.float32
    assert colours.min() <= image.min() and image.max() <= colours.max()


def test_colours_are_those_of_the_photograph_until_they_are_averaged(colours):
    source = {tuple(pixel) for pixel in colours[0].flatten(1).T.tolist()}
    hard = dead_leaves((41, 30), generator(0, 0), colours, supersample=1)
    drawn = {tuple(pixel) for pixel in hard[0].flatten(1).T.tolist()}
    assert drawn <= source and len(drawn) > 20
    soft = dead_leaves((41, 30), generator(0, 0), colours)
    assert not {tuple(pixel) for pixel in soft[0].flatten(1).T.tolist()} <= source


def test_power_falls_with_the_square_of_frequency():
    grey = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    total = 0
    for i in range(10):
        image = dead_leaves((240, 256), generator(0, i), grey, supersample=3)
        frequency, power = radial_profile(power_spectrum(image))
        total = total + power.flatten()
    band = (frequency > 0.02) & (frequency < 0.25)
    x, y = frequency[band].double().log(), total[band].double().log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    assert slope.item() == pytest.approx(-2, abs=0.2)


def test_stream_is_a_function_of_seed_and_index(colours):
    stream = DeadLeaves([colours, colours[:, :1] / 2], (19, 26), seed=7)
    forwards = [digest(stream[i]) for i in range(4)]
    again = DeadLeaves([colours, colours[:, :1] / 2], (19, 26), seed=7)
    assert [digest(again[i]) for i in (3, 1, 2, 0)] == [forwards[i] for i in (3, 1, 2, 0)]
    assert [digest(image) for image, _ in zip(stream, range(4), strict=False)] == forwards
    assert len({*forwards, digest(DeadLeaves([colours], (19, 26), seed=8)[0])}) == 5
    torch.manual_seed(1)
    assert digest(stream[2]) == forwards[2]  # the global generator plays no part
    assert all(stream[i].shape == (1, 3, 19, 26) for i in range(4))


def test_another_process_with_other_threads_draws_the_same(colours):
    code = (
        "import torch, hashlib; from srlib.data.synthetic import DeadLeaves; torch.set_num_threads(1)\n"
        "photo = torch.arange(300.).reshape(1, 3, 10, 10) / 300\n"
        "print(hashlib.sha256(DeadLeaves([photo], (33, 20), seed=3)[5].numpy().tobytes()).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    photo = torch.arange(300.0).reshape(1, 3, 10, 10) / 300
    assert there == digest(DeadLeaves([photo], (33, 20), seed=3)[5])
    # drawn once with torch 2.13 and NumPy 2.4 on x86-64
    assert there == "c7da459c6b3e52259a53f8b5236e38188c9fbd905a9f5882cbe58a8100f658f4"


def test_tiny_radii_stay_within_memory(colours):
    assert dead_leaves((9, 8), generator(0, 0), colours, radius_min=0.02).isfinite().all()


def test_errors(colours):
    rng = generator(0, 0)
    with pytest.raises(TypeError, match="srlib.images"):
        dead_leaves(8, rng, torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"one image \(1, C, H, W\), got shape \(3, 4, 4\)"):
        dead_leaves(8, rng, torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match="radii 9 to 8"):
        dead_leaves(8, rng, colours, radius_min=9)
    with pytest.raises(ValueError, match="size 0×8"):
        dead_leaves((0, 8), rng, colours)
    with pytest.raises(ValueError, match="at least one photograph"):
        DeadLeaves([])
