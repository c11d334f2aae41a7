"""Several losses as one, and one loss for several outputs."""

import pytest
import torch

from srlib.losses.pixel import l1, mse
from srlib.losses.weighted import Levels, Weighted


def pyramid(seed):
    rng = torch.Generator().manual_seed(seed)
    return [torch.rand(2, 3, side, side + 2, generator=rng) for side in (5, 10, 20)]


def test_levels_add_up_and_name_their_parts():
    srs, hrs = pyramid(0), pyramid(1)
    total, parts = Levels(Weighted(pixel=(1.0, l1), square=(0.5, mse)))(srs, hrs)
    expected = sum(l1(sr, hr) + 0.5 * mse(sr, hr) for sr, hr in zip(srs, hrs, strict=True))
    torch.testing.assert_close(total, expected)
    assert list(parts) == ["pixel_1", "square_1", "pixel_2", "square_2", "pixel_3", "square_3"]
    torch.testing.assert_close(parts["pixel_2"], l1(srs[1], hrs[1]))
    own = Levels(*(Weighted(pixel=(weight, l1)) for weight in (1.0, 0.0, 2.0)))(srs, hrs)[0]
    torch.testing.assert_close(own, l1(srs[0], hrs[0]) + 2 * l1(srs[2], hrs[2]))


def test_every_level_gets_a_gradient():
    srs = [sr.requires_grad_() for sr in pyramid(0)]
    Levels(Weighted(pixel=(1.0, l1)))(srs, pyramid(1))[0].backward()
    assert all(sr.grad.abs().sum() > 0 for sr in srs)


@pytest.mark.parametrize(
    ("losses", "outputs", "message"),
    [
        (1, 2, "got 2 outputs, 3 targets, 2 losses"),
        (2, 3, "got 3 outputs, 3 targets, 2 losses"),
        (0, 3, "at least one loss"),
    ],
)
def test_lists_that_do_not_fit_are_refused(losses, outputs, message):
    with pytest.raises(ValueError, match=message):
        Levels(*[Weighted(pixel=(1.0, l1))] * losses)(pyramid(0)[:outputs], pyramid(1))
