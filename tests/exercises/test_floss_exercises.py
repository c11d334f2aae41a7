"""The chapter on losses of spectra: right answers pass in any style, and each wrong one is told what it did."""

import cmath
import copy
import math
import statistics

import numpy as np
import scipy.ndimage
import torch

from srlib.exercises.floss import EXERCISES, shift
from srlib.losses.frequency import _mean, amplitude_l1
from tests.exercises.contract import Contract


def dft(length):
    """The matrix of the transform of one row."""
    steps = np.arange(length)
    return np.exp(-2j * np.pi * np.outer(steps, steps) / length)


def transform(image):
    """(…, H, W) by two matrix products, not normalised."""
    return dft(image.shape[-2]) @ np.asarray(image) @ dft(image.shape[-1])


def back(spectrum):
    height, width = spectrum.shape[-2:]
    return dft(height).conj() @ spectrum @ dft(width).conj() / (height * width)


def by_scipy(x, down, right):
    """Plane by plane."""
    planes = [scipy.ndimage.fourier_shift(np.fft.fft2(plane), (down, right)) for plane in x.numpy()]
    return np.fft.ifft2(planes).real


def row_by_row(x, down, right):
    """A matrix for the rows and one for the columns."""

    def moved(length, by):
        waves = np.minimum(np.arange(length), length - np.arange(length)) * np.sign(length / 2 - np.arange(length))
        return (dft(length).conj() @ np.diag(np.exp(-2j * np.pi * waves * by / length)) @ dft(length) / length).real

    return moved(x.shape[-2], down) @ x.numpy() @ moved(x.shape[-1], right).T


def shift_by_half(x, down, right):
    height, width = x.shape[-2:]
    angle = torch.fft.fftfreq(height)[:, None].double() * down + torch.fft.rfftfreq(width).double() * right
    turns = torch.polar(torch.ones_like(angle), -2 * math.pi * angle)
    return torch.fft.irfft2(torch.fft.rfft2(x) * turns, s=(height, width))


def bin_by_bin(upwards=False, full_turn=2 * math.pi, keep=True):
    """By Python's complex numbers."""

    def answer(x, down, right):
        spectrum = transform(x)
        _, height, width = spectrum.shape
        for i in range(height):
            for j in range(width):
                u = i if upwards or i < height / 2 else i - height
                v = j if upwards or j < width / 2 else j - width
                turn = cmath.exp(-1j * full_turn * (u * down / height + v * right / width))
                for plane in spectrum:
                    plane[i, j] = (plane[i, j] if keep else abs(plane[i, j])) * turn
        return back(spectrum).real

    return answer


def half(once=lambda width: [0] + [width // 2] * (width % 2 == 0), total=lambda values, width: len(values) * width):
    """Column by column; `once` lists those that count once."""

    def answer(values, width):
        found = 0.0
        for row in values.tolist():
            for column, value in enumerate(row):
                found += value if column in once(width) else 2 * value
        return found / total(values, width)

    return answer


def half_by_mirror(values, width):
    """The other half put beside it, upside down or not: the mean does not care."""
    rest = values[:, 1 : (width + 1) // 2]
    return torch.cat([values, rest.flip(0, 1)], 1).mean()


def pull_by_autograd(sr, hr):
    sr = sr.clone().requires_grad_(True)
    amplitude_l1(sr, hr).backward()
    return sr.grad


def pulled(spectrum, over=lambda image: image.numel()):
    """From a spectrum that is not normalised."""

    def answer(sr, hr):
        x, y = transform(sr), transform(hr)
        size = math.sqrt(sr.shape[-2] * sr.shape[-1])
        return back(spectrum(x / size, y / size)).real * size / over(sr)

    return answer


def unit(x):
    return x / np.abs(x)


def sign(x, y):
    return np.where(np.abs(x) > np.abs(y), 1, -1)


def by_statistics(treated, control, deviation=statistics.stdev):
    a, b = deviation(treated), deviation(control)
    return (a * a + b * b) ** 0.5, deviation([t - c for t, c in zip(treated, control, strict=True)])


def by_numpy(treated, control):
    arms = np.array([treated, control])
    return np.sqrt(arms.var(axis=1, ddof=1).sum()), np.diff(arms, axis=0).std(ddof=1)


def decibels(net, pair):
    with torch.no_grad():
        return 10 * torch.log10(1 / (net(pair[0]) - pair[1]).pow(2).mean()).item()


def together(make, batches, term, weight, test):
    """Both networks in one loop, their gradients asked for by name."""
    nets, optimizers = zip(make(), make(), strict=True)
    for lr, hr in batches:
        for factor, net, optimizer in zip((0, weight), nets, optimizers, strict=True):
            sr = net(lr)
            loss = (sr - hr).abs().mean() + factor * term(sr, hr)
            for parameter, gradient in zip(
                net.parameters(), torch.autograd.grad(loss, list(net.parameters())), strict=True
            ):
                parameter.grad = gradient
            optimizer.step()
    return tuple(decibels(net, test) for net in nets)


def trained(start, batches, loss, clear=True):
    """Train a pair of network and optimizer."""
    net, optimizer = start
    for lr, hr in batches:
        value = loss(net(lr), hr)
        value.backward()
        optimizer.step()
        if clear:
            net.zero_grad()
    return net


def one_after_the_other(
    term_of=lambda term: term, alone=False, weighted=True, clear=True, again=True, scored=lambda batches, test: test
):
    def answer(make, batches, term, weight, test):
        def plain(sr, hr):
            return torch.nn.L1Loss()(sr, hr)

        def other(sr, hr):
            extra = term_of(term)(sr, hr) * (weight if weighted else 1)
            return extra if alone else plain(sr, hr) + extra

        start = make()
        first = trained(start, batches, plain, clear)
        before = decibels(first, scored(batches, test))
        second = trained(make() if again else start, batches, other, clear)
        return before, decibels(second, scored(batches, test))

    return answer


def by_copies(make, batches, term, weight, test):
    """One start, copied with its optimizer."""
    results = []
    start = make()
    for factor in (0.0, weight):
        net, optimizer = copy.deepcopy(start)
        results.append(
            decibels(
                trained((net, optimizer), batches, lambda sr, hr, f=factor: (hr - sr).abs().mean() + f * term(sr, hr)),
                test,
            )
        )
    return results[0], results[1]


def cut_off(term):
    return lambda sr, hr: term(torch.tensor(sr.detach().numpy()), hr)


RIGHT = {
    "shift": [by_scipy, row_by_row, shift_by_half, bin_by_bin()],
    "half": [half(), half_by_mirror, lambda values, width: _mean(values[None, None], width)],
    "pull": [pull_by_autograd, pulled(lambda x, y: sign(x, y) * unit(x))],
    "spread": [by_statistics, by_numpy],
    "train": [together, one_after_the_other(), by_copies],
}

WRONG = {
    "shift": [
        ("the other way", lambda x, down, right: by_scipy(x, -down, -right)),
        ("are exchanged", lambda x, down, right: by_scipy(x, right, down)),
        ("2π is missing", bin_by_bin(full_turn=1)),
        ("Counted upwards", bin_by_bin(upwards=True)),
        ("own phases are gone", bin_by_bin(keep=False)),
    ],
    "half": [
        ("this is the mean of the half", lambda values, width: np.mean(values.numpy())),
        ("every column", half(lambda width: [])),
        ("of an even width the last", half(lambda width: [0])),
        ("of an odd width", half(lambda width: [0, width // 2])),
        ("the sum is right", half(total=lambda values, width: values.numel())),
    ],
    "pull": [
        ("this is the step", lambda sr, hr: -pull_by_autograd(sr, hr)),
        ("signs alone", pulled(lambda x, y: sign(x, y) + 0j)),
        ("of hr, which", pulled(lambda x, y: sign(x, y) * unit(y))),
        ("complex difference", pulled(lambda x, y: unit(x - y))),
        ("divide by the number", pulled(lambda x, y: sign(x, y) * unit(x), over=lambda image: 1)),
    ],
    "spread": [
        ("the two are swapped", lambda t, c: by_numpy(t, c)[::-1]),
        ("n stands", lambda t, c: by_statistics(t, c, statistics.pstdev)),
        ("spread of one arm", lambda t, c: (np.std(t, ddof=1), by_numpy(t, c)[1])),
    ],
    "train": [
        ("gave one network", one_after_the_other(cut_off)),
        ("goes on where", one_after_the_other(again=False)),
        ("order of the results", lambda *given: together(*given)[::-1]),
        ("pile up", one_after_the_other(clear=False)),
        ("term alone", one_after_the_other(alone=True)),
        ("weight of the term", one_after_the_other(weighted=False)),
        ("last batch", one_after_the_other(scored=lambda batches, test: batches[-1])),
    ],
}


class TestFloss(Contract):
    chapter, exercises, right, wrong = "floss", EXERCISES, RIGHT, WRONG

    def test_whole_pixels_are_a_roll(self):
        x = torch.rand(2, 5, 7, dtype=torch.float64)
        torch.testing.assert_close(shift(x, 2, -3), x.roll((2, -3), (-2, -1)))

    def test_no_probe_of_a_gradient_lies_on_a_kink(self):
        for sr, hr in EXERCISES["pull"].probes:
            x, y = (np.abs(np.fft.fft2(image.numpy(), norm="ortho")) for image in (sr, hr))
            assert np.abs(x - y).min() > 1e-4 and x.min() > 1e-3

    def test_other_mistakes_fail_with_the_difference(self):
        for task, answer in (
            ("shift", lambda x, down, right: x.roll((round(down), round(right)), (-2, -1))),
            ("half", half(lambda width: [width // 2])),
            (
                "pull",
                pulled(lambda x, y: sign(x, y) * unit(x), over=lambda image: image.shape[-2] * image.shape[-1] / 4),
            ),
            ("spread", lambda t, c: (by_numpy(t, c)[0], abs(np.mean(t) - np.mean(c)))),
            ("train", lambda make, batches, *given: one_after_the_other()(make, batches[:-1], *given)),
        ):
            result = self.check(task, answer)
            assert not result and "the values differ" in result.hint
