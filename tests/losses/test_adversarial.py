"""Games on logits: each value by its formula, whose gradient goes where, penalties with a second derivative."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from srlib.losses.adversarial import BCE, HINGE, LEAST_SQUARES, RELATIVISTIC, WASSERSTEIN, gradient_penalty, r1

GAMES = {"bce": BCE, "ls": LEAST_SQUARES, "hinge": HINGE, "wasserstein": WASSERSTEIN, "relativistic": RELATIVISTIC}
REAL, FAKE = [2.0, -0.5, 0.25], [-1.5, 0.75]  # a different number of each


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def cross_entropy(logits, label):
    return mean(-math.log(sigmoid(x) if label else 1 - sigmoid(x)) for x in logits)


def relativistic(above, below):
    higher = cross_entropy([a - mean(below) for a in above], 1)
    return 0.5 * (higher + cross_entropy([b - mean(above) for b in below], 0))


FORMULAS = {
    "bce": (cross_entropy(REAL, 1) + cross_entropy(FAKE, 0), cross_entropy(FAKE, 1)),
    "ls": (
        0.5 * mean((r - 1) ** 2 for r in REAL) + 0.5 * mean(f**2 for f in FAKE),
        mean((f - 1) ** 2 / 2 for f in FAKE),
    ),
    "hinge": (mean(max(0, 1 - r) for r in REAL) + mean(max(0, 1 + f) for f in FAKE), -mean(FAKE)),
    "wasserstein": (mean(FAKE) - mean(REAL), -mean(FAKE)),
    "relativistic": (relativistic(REAL, FAKE), relativistic(FAKE, REAL)),
}


@pytest.mark.parametrize("name", GAMES)
def test_values_by_formula(name):
    game, real, fake = GAMES[name], torch.tensor(REAL).double(), torch.tensor(FAKE).double()
    assert (game.d(real, fake).item(), game.g(real, fake).item()) == pytest.approx(FORMULAS[name])


@pytest.mark.parametrize("name", GAMES)
def test_a_map_of_logits_counts_as_that_many(name):
    game, real, fake = GAMES[name], torch.randn(2, 1, 3, 5), torch.randn(2, 1, 3, 5)
    for loss in (game.d, game.g):
        assert loss(real, fake).shape == ()
        torch.testing.assert_close(loss(real, fake), loss(real.flatten(), fake.flatten()))


def test_undecided_and_perfect():
    equal = torch.full((4, 1), 0.7)
    for loss in (RELATIVISTIC.d, RELATIVISTIC.g):  # whatever the common logit is
        assert loss(equal, equal).item() == pytest.approx(math.log(2))
    zero = torch.zeros(4, 1)
    assert (BCE.d(zero, zero).item(), BCE.g(zero, zero).item()) == pytest.approx((2 * math.log(2), math.log(2)))
    assert LEAST_SQUARES.d(zero + 1, zero) == 0 and HINGE.d(zero + 1.5, zero - 1) == 0
    torch.testing.assert_close(RELATIVISTIC.d(equal + 3, zero + 3), RELATIVISTIC.d(equal, zero))  # only differences


@pytest.mark.parametrize("name", GAMES)
def test_a_sure_discriminator_gives_numbers_and_the_generator_a_slope(name):
    game, real, fake = GAMES[name], torch.full((2, 1), 200.0), torch.full((2, 1), -200.0, requires_grad=True)
    assert game.d(real, fake).isfinite() and game.d(-real, -fake).isfinite()
    (slope,) = torch.autograd.grad(game.g(real, fake), fake)
    assert (slope < -0.1).all()  # a higher logit for the fake is better, and it shows where the game seems lost


@pytest.mark.parametrize("name", GAMES)
def test_gradients_and_to_whom_they_go(name):
    game = GAMES[name]
    real, fake = (torch.randn(n, 1, dtype=torch.float64, requires_grad=True) for n in (4, 3))
    for loss in (game.d, game.g):
        assert gradcheck(lambda real, fake, loss=loss: loss(real, fake) + 0 * real.sum(), (real, fake))
    reach = torch.autograd.grad(game.g(real, fake), (real, fake), allow_unused=True)
    assert (reach[0] is not None) == (name == "relativistic") and reach[1] is not None
    loss_d, loss_g = game.d(real, fake), game.g(real, fake)
    loss_d.backward()
    loss_g.backward()  # a graph of its own: the first pass has freed nothing of it


class Critic(nn.Module):
    """A small smooth discriminator."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 1, 2)

    def forward(self, picture):
        return self.last(torch.tanh(self.first(picture)))


def pictures():
    rng = torch.Generator().manual_seed(0)
    return (torch.rand(2, 2, 5, 4, generator=rng, dtype=torch.float64) for _ in range(2))


def test_the_penalty_of_a_linear_discriminator():
    torch.manual_seed(0)
    d = nn.Sequential(nn.Flatten(), nn.Linear(40, 1)).double()
    hr, sr = pictures()
    norm = d[1].weight.norm().item()
    assert gradient_penalty(d, hr, sr, weight=3.0).item() == pytest.approx(3 * (norm - 1) ** 2)
    assert r1(d, hr, weight=3.0).item() == pytest.approx(1.5 * norm**2)
    nn.init.zeros_(d[1].weight)
    flat = gradient_penalty(d, hr, sr)
    flat.backward()
    assert flat.item() == pytest.approx(10.0, abs=1e-4) and d[1].weight.grad.isfinite().all()


def test_the_penalty_looks_between_hr_and_sr_and_r1_at_hr():
    class Square(nn.Module):
        def forward(self, picture):
            return 0.5 * picture.square().sum((1, 2, 3))  # its slope is the picture

    hr, sr = torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 4.0)
    found = torch.stack([gradient_penalty(Square(), hr, sr, weight=1.0) for _ in range(200)]).sqrt() + 1
    assert 2 <= found.min() < 2.2 and 3.8 < found.max() <= 4
    assert r1(Square(), hr, sr, weight=1.0).item() == pytest.approx(2.0)


@pytest.mark.parametrize("penalty", [gradient_penalty, r1])
def test_penalties_are_differentiable_twice_by_the_weights_alone(penalty):
    torch.manual_seed(0)
    d = Critic().double()
    names = [name for name, _ in d.named_parameters()]
    hr, sr = (picture.requires_grad_() for picture in pictures())

    def of_weights(*weights):
        torch.manual_seed(1)  # the same places between hr and sr
        return penalty(
            lambda picture: torch.func.functional_call(d, dict(zip(names, weights, strict=True)), picture), hr, sr
        )

    assert gradcheck(of_weights, tuple(d.parameters()), fast_mode=True)
    assert gradgradcheck(of_weights, tuple(d.parameters()), fast_mode=True)
    penalty(d, hr, sr).backward()
    assert hr.grad is None and sr.grad is None and d.first.weight.grad.abs().max() > 0


def test_pairs_of_unequal_pictures_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 5, 4\) and \(2, 2, 5, 4\)"):
        gradient_penalty(Critic(), torch.zeros(1, 2, 5, 4), torch.zeros(2, 2, 5, 4))
