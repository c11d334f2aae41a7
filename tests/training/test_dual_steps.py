"""Steps of the closed loop: what each update is, and what reaches whom."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from srlib.consistency import shrink
from srlib.losses.pixel import l1
from srlib.losses.weighted import Levels, Weighted
from srlib.models.drn import DRN, BicubicDual, dual
from srlib.recipes import loops
from srlib.training.run import Run
from srlib.training.steps.dual import dual_adaptation, dual_pretraining, dual_regression

DUALS = ("d1", "d2")
ALL, LOOP = Levels(Weighted(pixel=(1.0, l1))), Levels(Weighted(pixel=(0.1, l1)))


def method(duals=None):
    """Networks, plain gradient descent for each, and a batch of pyramids ×1, ×2, ×4 that belong together."""
    torch.manual_seed(0)
    nets = {"g": DRN(scale=4, blocks=1, width=8), **(duals or {name: dual(4) for name in DUALS})}
    weights = {name: list(net.parameters()) for name, net in nets.items()}
    opts = {name: torch.optim.SGD(list_, 0.1) for name, list_ in weights.items() if list_}
    hr = torch.rand(2, 3, 20, 28)
    return nets, opts, (shrink(hr, 4), shrink(hr, 2), hr)


def updated(step, nets, opts, batch, expected):
    """Check that one step moves every weight against the gradient of `expected`; the scalars."""
    nets_ = [net for net in nets.values() if list(net.parameters())]
    weights = [weight for net in nets_ for weight in net.parameters()]
    before = [weight.clone() for weight in weights]
    gradients = torch.autograd.grad(expected, weights)
    scalars = step(nets, opts, batch, Run("fp32", device="cpu"))
    torch.testing.assert_close(scalars["loss"], expected.detach())
    for weight, was, gradient in zip(weights, before, gradients, strict=True):
        torch.testing.assert_close(weight, was - 0.1 * gradient, atol=1e-6, rtol=1e-5)
    return scalars


def regression(nets, batch):
    lr, middle, hr = batch
    x1, x2, x4 = nets["g"](lr, pyramid=True)
    loop = F.l1_loss(nets["d1"](x2), lr) + F.l1_loss(nets["d2"](x4), middle)
    return F.l1_loss(x1, lr) + F.l1_loss(x2, middle) + F.l1_loss(x4, hr) + 0.1 * loop


def test_dual_regression_is_the_papers_sum():
    nets, opts, batch = method()
    scalars = updated(dual_regression(ALL, LOOP, duals=DUALS), nets, opts, batch, regression(nets, batch))
    parts = {"pixel_1", "pixel_2", "pixel_3", "dual_pixel_1", "dual_pixel_2"}
    assert set(scalars) == parts | {"loss"}
    torch.testing.assert_close(scalars["loss"], sum(scalars[name] for name in parts))


def test_the_fixed_dual_has_no_optimizer_and_still_pulls():
    nets, opts, batch = method({name: BicubicDual() for name in DUALS})
    assert set(opts) == {"g"}
    updated(dual_regression(ALL, LOOP, duals=DUALS), nets, opts, batch, regression(nets, batch))


def test_pretraining_moves_the_duals_alone_and_sees_true_pictures():
    nets, opts, (lr, middle, hr) = method()
    before = [weight.clone() for weight in nets["g"].parameters()]
    del opts["g"]
    step = dual_pretraining(LOOP, duals=DUALS)
    duals = {name: nets[name] for name in DUALS}
    expected = 0.1 * (F.l1_loss(nets["d1"](middle), lr) + F.l1_loss(nets["d2"](hr), middle))
    updated(step, duals, opts, (lr, middle, hr), expected)
    assert all(torch.equal(weight, was) for weight, was in zip(nets["g"].parameters(), before, strict=True))


def test_adaptation_adds_the_loop_of_foreign_lr():
    nets, opts, batch = method()
    foreign = torch.rand(2, 3, 6, 5)
    _, x2, x4 = nets["g"](foreign, pyramid=True)
    d1, d2 = (nets[name] for name in DUALS)
    loop = F.l1_loss(d1(x2), foreign) + F.l1_loss(d1(d2(x4)), foreign)
    step = dual_adaptation(ALL, LOOP, duals=DUALS)
    scalars = updated(step, nets, opts, (*batch, foreign), regression(nets, batch) + 0.1 * loop)
    assert {"foreign_pixel_1", "foreign_pixel_2"} < set(scalars)


@pytest.mark.parametrize("make", [loops.drn_small_dual, loops.drn_small_unpaired, loops.drn_s_paper])
def test_recipes_first_train_the_duals_that_they_then_use(make):
    recipe = make(4)
    first, second = recipe.phases
    assert first.frozen == ("g",) and first.optims["d"].nets == DUALS and second.frozen == ()
    assert set(second.optims) == {"g", *DUALS}
    pictures = {"hr": [picture(410, 400)] * 2, "lr": [picture(90, 80)]}
    batch = second.stream(pictures, seed=0, batch=2).batch(range(2))
    assert len(batch) == (4 if make is loops.drn_small_unpaired else 3)
    if make is not loops.drn_s_paper:
        nets = {name: build() for name, build in recipe.nets.items()}
        opts = {name: optim.build(nets) for name, optim in second.optims.items()}
        assert second.step()(nets, opts, batch, Run("bf16", 1.0, "cpu"))["loss"].isfinite()


def picture(height, width):
    return torch.zeros(1, 3, height, width, dtype=torch.uint8)


def test_duals_and_answers_must_be_equal_in_number():
    nets, opts, batch = method()
    with pytest.raises(ValueError, match="zip"):
        partial(dual_regression(ALL, LOOP, duals=("d1",)), nets, opts)(batch, Run("fp32", device="cpu"))
