"""The chapter on frequency density: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from srlib.exercises.frequency_density import EXERCISES, wave
from srlib.frequency import power_spectrum
from tests.exercises.contract import Contract


def by_transform(height, width, row, column):
    """Put two halves into a spectrum and transform back."""
    spectrum = np.zeros((height, width), complex)
    spectrum[row, column] += 0.5
    spectrum[(2 * (height // 2) - row) % height, (2 * (width // 2) - column) % width] += 0.5
    return np.fft.ifft2(np.fft.ifftshift(spectrum)).real * height * width


def pixel_by_pixel(down=lambda row, height: row - height // 2, turn=2 * math.pi, of=math.cos):
    def answer(height, width, row, column):
        u, v = down(row, height) / height, down(column, width) / width
        return torch.tensor([[of(turn * (u * y + v * x)) for x in range(width)] for y in range(height)])

    return answer


def by_list(height, width, row, column):
    """Frequencies from the library's list, shifted."""
    u, v = (np.fft.fftshift(np.fft.fftfreq(size)) for size in (height, width))
    return np.cos(2 * np.pi * np.add.outer(u[row] * np.arange(height), v[column] * np.arange(width)))


def rounded(levels=lambda bits: 2**bits - 1, twelfth=12, joined=lambda errors: sum(error**2 for error in errors)):
    """By the deviation of each channel's error."""

    def answer(bits, weights):
        deviation = math.sqrt(1 / twelfth) / levels(bits)
        return 10 * math.log10(joined([deviation * weight for weight in weights]))

    return answer


def by_sum_of_decibels(bits, weights):
    step = -20 * math.log10(2**bits - 1) - 10 * math.log10(12)
    return step + 20 * math.log10(np.linalg.norm(weights))


def by_interpolation(frequency, first, second):
    """A fine grid between the frequencies would not be exact; the root of each piece is."""
    ratio = np.log(np.array(first) / np.array(second))
    if ratio[0] <= 0:
        return frequency[0]
    for k in np.flatnonzero(ratio <= 0)[:1]:
        return np.interp(0, [ratio[k], ratio[k - 1]], [frequency[k], frequency[k - 1]])
    return float("inf")


def stepping(place=lambda left, right, share: left + (right - left) * share, measure=math.log, take=min, swap=False):
    def answer(frequency, first, second):
        if swap:
            first, second = second, first
        size = [measure(a) - measure(b) if measure is math.log else a - b for a, b in zip(first, second, strict=True)]
        places = [frequency[0]] * (size[0] <= 0)
        for k in range(1, len(size)):
            if size[k - 1] > 0 and size[k] <= 0:
                share = size[k - 1] / (size[k - 1] - size[k])
                places.append(place(frequency[k - 1], frequency[k], share))
        return take(places, default=math.inf)

    return answer


def rings(picture, side=64):
    """Windows, transform and rings by NumPy."""
    plane = picture[0, 0].double().numpy()
    window = np.outer(np.hanning(side + 2)[1:-1], np.hanning(side + 2)[1:-1])
    power, count = 0, 0
    for top in range(0, plane.shape[0] - side + 1, side // 4):
        for left in range(0, plane.shape[1] - side + 1, side // 4):
            part = plane[top : top + side, left : left + side]
            power = power + np.abs(np.fft.fft2((part - part.mean()) * window)) ** 2
            count += 1
    square = np.add.outer(np.fft.fftfreq(side) ** 2, np.fft.fftfreq(side) ** 2)
    return square, power / count


def by_slope(source, small):
    """A line with an offset through all entries of the plane."""
    square, wanted = rings(source)
    _, power = rings(small)
    use = (square > 0.03**2) & (square < 0.27**2)
    return math.sqrt(np.polyfit(square[use], np.log(power / wanted)[use], 1)[0] / (4 * math.pi**2))


def by_search(source, small):
    """The best of many, by the logarithm of the densities."""
    square, wanted = rings(source)
    _, power = rings(small)
    use = (square > 0.05**2) & (square < 0.3**2)
    sigmas = np.arange(0.3, 2.5, 0.01)
    costs = [np.square(np.log(power * np.exp(-4 * np.pi**2 * s * s * square) / wanted))[use].mean() for s in sigmas]
    return sigmas[int(np.argmin(costs))]


def by_training(source, small):
    """Blur the picture itself, and follow the gradient."""
    offsets = torch.arange(-8, 9)
    log_sigma = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([log_sigma], lr=0.1)
    fade = torch.hann_window(64)
    fade = torch.outer(fade, fade)

    def power(picture):
        parts = F.unfold(picture, 64, stride=32)[0].T.unflatten(1, (64, 64))
        parts = (parts - parts.mean((1, 2), keepdim=True)) * fade
        return torch.fft.fft2(parts).abs().square().mean(0)

    radius = torch.fft.fftfreq(64)
    radius = (radius[:, None] ** 2 + radius**2).sqrt()
    use = (radius > 0.04) & (radius < 0.3)
    wanted = power(source)[use].log()
    for _ in range(60):
        taps = torch.exp(-(offsets**2) / (2 * torch.exp(2 * log_sigma)))
        taps = (taps / taps.sum())[None, None, None]
        soft = F.conv2d(F.conv2d(F.pad(small, (8, 8, 8, 8), mode="reflect"), taps), taps.mT)
        loss = (power(soft)[use].log() - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return log_sigma.exp().item()


RIGHT = {
    "wave": [by_transform, pixel_by_pixel(), by_list],
    "floor": [rounded(), by_sum_of_decibels],
    "crossing": [by_interpolation, stepping()],
    "match": [by_slope, by_search, by_training],
}

WRONG = {
    "wave": [
        ("not at entry (0, 0)", pixel_by_pixel(lambda row, height: row)),
        ("of odd sizes", pixel_by_pixel(lambda row, height: row - math.ceil(height / 2))),
        ("are exchanged: the row", lambda height, width, row, column: pixel_by_pixel()(height, width, column, row)),
        ("2π is missing", pixel_by_pixel(turn=1)),
        ("this is the sine", pixel_by_pixel(of=math.sin)),
    ],
    "floor": [
        ("one distance less", rounded(levels=lambda bits: 2**bits)),
        ("the 12 is missing", rounded(twelfth=1)),
        ("weights themselves", lambda bits, weights: rounded()(bits, [1]) + 10 * math.log10(math.fsum(weights))),
        ("do not square their sum", rounded(joined=lambda errors: sum(errors) ** 2)),
        ("have to be an amplitude", lambda bits, weights: 2 * by_sum_of_decibels(bits, weights)),
    ],
    "crossing": [
        ("difference of powers", stepping(measure=None)),
        ("after the crossing", stepping(lambda left, right, share: right)),
        ("before the crossing", stepping(lambda left, right, share: left)),
        ("several crossings", stepping(take=max)),
        ("first and second are exchanged", stepping(swap=True)),
    ],
    "match": [
        ("this is the variance", lambda source, small: by_search(source, small) ** 2),
        ("too large by √2", lambda source, small: 2**0.5 * by_slope(source, small)),
    ],
}


class TestFrequencyDensity(Contract):
    chapter, exercises, right, wrong = "frequency_density", EXERCISES, RIGHT, WRONG

    def test_a_wave_is_one_entry_and_its_mirror_image(self):
        for height, width, row, column in ((8, 6, 6, 1), (7, 9, 2, 6)):
            power = power_spectrum(wave(height, width, row, column), window=False)
            mirrored = [(2 * (height // 2) - row) % height, (2 * (width // 2) - column) % width]
            assert (power > 1e-9).nonzero().tolist() == sorted([[row, column], mirrored])

    def test_no_probe_of_a_match_is_near_a_hint(self):
        for source, small in EXERCISES["match"].probes:
            assert source.shape != small.shape

    def test_other_mistakes_fail_with_the_difference(self):
        for task, answer in (
            ("wave", lambda height, width, row, column: -by_list(height, width, row, column)),
            ("floor", lambda bits, weights: by_sum_of_decibels(bits, weights) + 3),
            ("crossing", lambda frequency, first, second: min(by_interpolation(frequency, first, second), 0.5)),
            ("match", lambda source, small: by_search(source, small) * math.sqrt(0.75)),
        ):
            result = self.check(task, answer)
            assert not result and "the values differ" in result.hint
