"""The chapter on SRGAN: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from srlib.exercises.srgan import EXERCISES
from tests.exercises.contract import Contract


def by_cross_entropy(fake):
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def one_by_one(fake):
    """max(0, −x) + log(1 + e^−|x|), for each."""
    values = [max(0.0, -x) + math.log1p(math.exp(-abs(x))) for x in fake.flatten().tolist()]
    return sum(values) / len(values)


def squares_by_numpy(real_label, fake_label, wanted, half=0.5, reduce=np.mean):
    def answer(real, fake):
        real, fake = real.numpy(), fake.numpy()
        d = half * reduce((real - real_label) ** 2) + half * reduce((fake - fake_label) ** 2)
        return d, half * reduce((fake - wanted) ** 2)

    return answer


def by_hand(of_real, of_fake, move_w=1.0, move_a=0.0):
    """The derivatives written out; of_real and of_fake are those of the loss by a logit."""

    def answer(a, w, lr, hr, learning_rate):
        a, w, lr, hr = (x.numpy() for x in (a, w, lr, hr))
        sr = a * lr
        real, fake = of_real(hr @ w), of_fake(sr @ w)
        by_w = (real[:, None] * hr).mean(0) + (fake[:, None] * sr).mean(0)
        by_a = (fake[:, None] * lr * w).mean(0)
        return a - move_a * learning_rate * by_a, w - move_w * learning_rate * by_w

    return answer


def sigma(x):
    return 1 / (1 + np.exp(-x))


def real_side(x):
    return sigma(x) - 1


def nothing(x):
    return np.zeros_like(x)


def detached(a, w, lr, hr, learning_rate):
    """With an optimizer, as in the chapter."""
    a, w = a.clone().requires_grad_(), w.clone().requires_grad_()
    opt = torch.optim.SGD([a, w], learning_rate)
    sr = (a * lr).detach()
    (F.softplus(-(hr @ w)).mean() + F.softplus(sr @ w).mean()).backward()
    opt.step()
    return a, w


def walking(loss, ascending=True):
    """Walk through the weights until the lowest place is another one."""

    def answer(y, content, logit, weights):
        still = y.tolist()[np.argmin(content.numpy())]
        for weight in sorted(weights, reverse=not ascending):
            costs = [c + weight * loss(x) for c, x in zip(content.tolist(), logit.tolist(), strict=True)]
            if y.tolist()[int(np.argmin(costs))] != still:
                return weight
        return math.nan

    return answer


def minus_log_sigma(x):
    return math.log1p(math.exp(-x))


def content_weighted(y, content, logit, weights):
    cost = F.softplus(-logit)
    return min((w for w in weights if (w * content + cost).argmin() != content.argmin()), default=math.nan)


def slopes(d, hr):
    """‖∇d‖² of each picture, one picture at a time."""
    found = []
    for one in hr:
        one = one[None].clone().requires_grad_()
        d(one).sum().backward()
        found.append(one.grad.square().sum())
    return torch.stack(found)


def of_mean(d, hr, weight):
    x = hr.clone().requires_grad_()
    d(x).mean().backward()
    return 0.5 * weight * x.grad.square().sum() / len(hr)


def by_differences(d, hr, weight):
    """Central differences, a pixel at a time."""
    total = 0.0
    for k in range(hr[0].numel()):
        step = torch.zeros(hr[0].numel(), dtype=hr.dtype)
        step[k] = 1e-5
        step = step.view(1, *hr.shape[1:])
        total += ((d(hr + step) - d(hr - step)).flatten() / 2e-5).square().mean().item()
    return 0.5 * weight * total


RIGHT = {
    "believed": [by_cross_entropy, one_by_one],
    "least-squares": [
        squares_by_numpy(1, 0, 1),
        lambda r, f: (F.mse_loss(r, r * 0 + 1) / 2 + F.mse_loss(f, f * 0) / 2, F.mse_loss(f, f * 0 + 1) / 2),
    ],
    "optimal": [lambda p, q: torch.logit(p / (p + q)), lambda p, q: (p / q).log()],
    "update": [detached, by_hand(real_side, sigma)],
    "turning": [walking(minus_log_sigma)],
    "penalty": [by_differences, lambda d, hr, weight: weight / 2 * slopes(d, hr).mean()],
}

WRONG = {
    "believed": [
        ("saturates", lambda fake: F.logsigmoid(-fake).mean()),
        ("opposite label", lambda fake: F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))),
        ("minus that", lambda fake: -one_by_one(fake)),
        ("infinite", lambda fake: torch.log(1 / torch.sigmoid(fake)).mean()),
        ("sum grows", lambda fake: len(fake) * one_by_one(fake)),
    ],
    "least-squares": [
        ("swapped", squares_by_numpy(0, 1, 0)),
        ("½ is missing", squares_by_numpy(1, 0, 1, half=1)),
        ("It wants 1", squares_by_numpy(1, 0, 0)),
        ("hinge", squares_by_numpy(1, -1, 1)),
        ("sum grows", squares_by_numpy(1, 0, 1, reduce=np.sum)),
    ],
    "optimal": [
        ("its probability", lambda p, q: 1 / (1 + q / p)),
        ("roles", lambda p, q: (q / p).log()),
        ("ratio itself", lambda p, q: p * (1 / q)),
        ("log σ", lambda p, q: F.logsigmoid((p / q).log())),
        ("log 10", lambda p, q: (p / q).log() / math.log(10)),
    ],
    "update": [
        ("detach", by_hand(real_side, sigma, move_a=1.0)),
        ("w was not", by_hand(real_side, sigma, move_w=0.0, move_a=1.0)),
        ("uphill", by_hand(real_side, sigma, move_w=-1.0)),
        ("only the fakes", by_hand(nothing, sigma)),
        ("only the true", by_hand(real_side, nothing)),
        ("swapped", by_hand(sigma, real_side)),
    ],
    "turning": [
        ("largest weight", walking(minus_log_sigma, ascending=False)),
        ("log(1 − σ)", walking(lambda x: -math.log1p(math.exp(x)))),
        ("hinge", walking(lambda x: -x)),
        ("least believable", walking(lambda x: math.log1p(math.exp(x)))),
        ("went to the content", content_weighted),
    ],
    "penalty": [
        ("square is missing", lambda d, hr, weight: weight / 2 * slopes(d, hr).sqrt().mean()),
        ("½", lambda d, hr, weight: weight * slopes(d, hr).mean()),
        ("take their mean", lambda d, hr, weight: weight / 2 * slopes(d, hr).sum()),
        ("mean logit", of_mean),
        ("over the pixels", lambda d, hr, weight: weight / 2 * slopes(d, hr).mean() / hr[0].numel()),
        ("Gulrajani", lambda d, hr, weight: weight * ((slopes(d, hr) ** 0.5 - 1) ** 2).mean()),
    ],
}


class TestSRGAN(Contract):
    chapter, exercises, right, wrong = "srgan", EXERCISES, RIGHT, WRONG
