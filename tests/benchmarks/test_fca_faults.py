"""The faults of the failed reproduction, as the experiment switches them on."""

import pytest
import torch

from benchmarks.fca_faults import Multiplied, alike, compared_apart, held
from srlib.models.fca import Comparator
from srlib.resample import resize
from srlib.training.run import Run
from srlib.training.steps.adaptation import comparing


def batch(count=3):
    rng = torch.Generator().manual_seed(0)
    return (*(torch.rand(count, 3, 32, 32, generator=rng) for _ in range(4)), torch.zeros(count, dtype=torch.int64))


def comparator(norm):
    torch.manual_seed(0)
    return Comparator(branch=2, width=4, norm=norm)


def loss_of_the_step(c):
    told = comparing()({"c": c}, {"c": torch.optim.SGD(c.parameters(), 0.0)}, batch(), Run(device="cpu"))
    return told["loss"].item()


def test_passes_apart_change_nothing_but_what_the_norm_sees():
    assert compared_apart(comparator(False), batch()).item() == pytest.approx(loss_of_the_step(comparator(False)))
    apart, together = compared_apart(comparator(True), batch()).item(), loss_of_the_step(comparator(True))
    assert abs(apart - together) > 1e-3


class Levels(torch.nn.Module):
    """A comparator by hand, that sees brightness."""

    def encode(self, patch):
        return patch.mean((1, 2, 3), keepdim=True)


def test_equal_targets_ask_for_three_patches_one_above_the_generated_one():
    other, plain, shrunk, enlarged = (torch.full((2, 3, 8, 8), level) for level in (1.5, 0.0, 1.5, 1.5))
    assert alike(Levels(), (other, plain, shrunk, enlarged), torch.full((2, 3, 8, 8), 0.5)).item() == pytest.approx(0)
    assert alike(Levels(), (other, plain, shrunk, other + 0.6), other - 1).item() == pytest.approx(0.6)


def test_a_product_has_any_brightness_and_means_can_hold_it():
    large, g = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)), Multiplied(width=2)
    for parameter in g.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(g(large), resize(large, 0.5))
    torch.nn.init.constant_(g.body[-1].bias, 0.5)
    torch.testing.assert_close(g(large), 1.5 * resize(large, 0.5))
    assert held(resize(large, 0.5), large) < 1e-6 < 0.2 < held(g(large), large)
