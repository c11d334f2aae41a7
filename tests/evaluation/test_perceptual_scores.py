"""Appearance: known shifts, the distance of the library, and what it says to small pictures."""

import pytest
import torch
from torch import nn

from srlib.evaluation.perceptual import evaluate_perceptual
from srlib.losses import perceptual
from srlib.models.interpolators import bicubic
from srlib.resample import resize


class Tinted(nn.Module):
    """Bicubic, and 3/255 more red."""

    scale, channels = 2, 3

    def forward(self, lr):
        return resize(lr, 2) + torch.tensor([3 / 255, 0, 0]).view(3, 1, 1)


class Luma(nn.Module):
    scale, channels = 2, 1

    def forward(self, lr):
        return resize(lr, 2)


def pictures():
    rng = torch.Generator().manual_seed(3)
    return [
        (name, 0.25 + 0.5 * resize(torch.rand(1, 3, 9, 8, generator=rng), 5).clamp(0, 1)[..., :h, :w])
        for name, h, w in (("a", 45, 38), ("b", 33, 40))
    ]


def test_the_distance_is_that_of_the_library_on_rounded_colour_pictures():
    found = evaluate_perceptual(bicubic(2), pictures())
    assert found.measure == perceptual.NAME and found.protocol == "RGB, border 0, 8-bit"
    for (name, hr), row in zip(pictures(), found.rows, strict=True):
        hr = (hr[..., : hr.shape[-2] // 2 * 2, : hr.shape[-1] // 2 * 2] * 255).round() / 255
        lr = (resize(hr, 0.5).clamp(0, 1) * 255).round() / 255
        sr = (resize(lr, 2).clamp(0, 1) * 255).round() / 255
        assert row["name"] == name
        assert row["distance"] == pytest.approx(perceptual.distance(sr, hr).item(), rel=1e-4)
    a, b = (row["distance"] for row in found.rows)
    assert found.distance == pytest.approx((a + b) / 2) and found.spread("distance") == pytest.approx(
        abs(a - b) / 2**0.5
    )


def test_a_tint_is_told_in_steps_of_8_bits():
    plain, tinted = evaluate_perceptual(bicubic(2), pictures()), evaluate_perceptual(Tinted(), pictures())
    assert (
        plain.colour_shift < 0.1
        and tinted.colour_shift == pytest.approx(3, abs=0.1)
        and tinted.worst_colour_shift < 3.1
    )
    assert tinted.distance > plain.distance


def test_a_network_for_luma_and_a_grey_picture_are_taken():
    colour = evaluate_perceptual(Luma(), pictures())
    assert colour.distance == pytest.approx(evaluate_perceptual(bicubic(2), pictures()).distance, rel=0.05)
    grey = evaluate_perceptual(Tinted(), [("g", torch.rand(1, 1, 33, 35))])
    assert grey.colour_shift == pytest.approx(1, abs=0.5) and grey.spread("distance") == 0


def test_another_measure_keeps_its_name():
    found = evaluate_perceptual(
        Luma(), pictures(), measure=lambda sr, hr: (sr - hr).abs().amax((1, 2, 3)), name="largest"
    )
    assert found.measure == "largest" and found.as_dict()["images"][0]["distance"] < 1


def test_errors_name_the_picture():
    with pytest.raises(ValueError, match="evaluate_perceptual got no pictures"):
        evaluate_perceptual(Luma(), [])
    with pytest.raises(ValueError, match="tiny: "):
        evaluate_perceptual(Luma(), [("tiny", torch.rand(1, 3, 8, 8))])
