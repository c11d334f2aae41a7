"""The shipped GANs beside their twins trained with L1: nearer, not much worse in decibels, no tint and no grid."""

import pytest
import torch

from srlib import checkpoints
from srlib.data.datasets import photo
from srlib.evaluation.perceptual import evaluate_perceptual
from srlib.metrics import evaluate
from srlib.resample import resize

TWINS = {"srgan": "srresnet", "esrgan_small": "rrdb_psnr_small"}
CORNERS = {"astronaut": (20, 130), "chelsea": (60, 160), "coffee": (100, 200), "rocket": (168, 300)}


def crops():
    return [(name, photo(name)[..., y : y + 192, x : x + 192]) for name, (y, x) in CORNERS.items()]


def grid(picture):
    """The strongest of the waves that repeat every 2 or 4 pixels, over the mean of the waves around it."""
    power = torch.fft.fft2(picture.mean(1)[0] - picture.mean()).abs().square()
    n = len(power)
    found = []
    for row, column in [(i * n // 4, j * n // 4) for i in range(4) for j in range(4) if i or j]:
        around = torch.roll(power, (4 - row, 4 - column), (0, 1))[:9, :9]
        found.append(power[row, column] / ((around.sum() - power[row, column]) / 80))
    return torch.stack(found).max().item()


def test_a_drawn_grid_is_found():
    hr = photo("chelsea")[..., 60:252, 160:352]
    dots = torch.zeros_like(hr)
    dots[..., ::4, ::4] = 4 / 255
    assert grid(hr) < 15 < 200 < grid(hr + dots)


@pytest.mark.parametrize("name", TWINS)
def test_a_game_draws_no_grid(name):
    net = checkpoints.load(name, 4)
    with torch.no_grad():
        found = {place: grid(net(resize(hr, 1 / 4))) for place, hr in crops()}
    assert max(found.values()) < 50, found  # as dots of less than 2/255 on one pixel of sixteen


@pytest.mark.parametrize("name", TWINS)
def test_a_game_makes_pictures_nearer_and_keeps_the_colours(name):
    game, twin = checkpoints.load(name, 4), checkpoints.load(TWINS[name], 4)
    looks = evaluate_perceptual(game, crops())
    assert looks.distance < 0.8 * evaluate_perceptual(twin, crops()).distance
    assert evaluate(game, crops()).psnr > evaluate(twin, crops()).psnr - 2.5
    assert looks.colour_shift < 1
