"""The chapter on deconvolution: right answers pass in any style, and each wrong one is told what it did."""

import cmath
import math

import numpy as np
import scipy.ndimage
import torch

from srlib.deconvolution.boundary import transfer
from srlib.deconvolution.fourier import tikhonov
from srlib.exercises.deconvolution import EXERCISES
from tests.exercises.contract import Contract


def frequency_by_search(sigma, factor):
    """Bisection on the noise gain of one frequency."""
    low, high = 0.0, 2.0
    for _ in range(80):
        middle = (low + high) / 2
        gain = math.exp(2 * (math.pi * sigma * middle) ** 2)
        low, high = (middle, high) if gain < factor else (low, middle)
    return low


def by_sums(kernel, size, first=None, total=None):
    """The DFT written out, with its phase counted from the kernel's middle or another tap."""
    taps = kernel.numpy() / (kernel.sum().item() if total is None else total)
    rows, columns = first or (taps.shape[0] // 2, taps.shape[1] // 2)
    result = np.zeros(size, dtype=complex)
    for u, v in np.ndindex(*size):
        for i, j in np.ndindex(*taps.shape):
            turn = u * (i - rows) / size[0] + v * (j - columns) / size[1]
            result[u, v] += taps[i, j] * cmath.exp(-2j * math.pi * turn)
    return result.real, result.imag


def half_way(kernel, size):
    return [k // 2 - n // 2 for k, n in zip(kernel.shape, size, strict=True)]


def by_numpy(gain, centre=True):
    """A filter on the whole complex grid; gain(H, ratio) multiplies Y."""

    def answer(y, kernel, ratio):
        padded = np.zeros(y.shape)
        padded[: kernel.shape[0], : kernel.shape[1]] = kernel.numpy()
        if centre:
            padded = np.roll(padded, [-(n // 2) for n in kernel.shape], (0, 1))
        return np.fft.ifft2(np.fft.fft2(y.numpy()) * gain(np.fft.fft2(padded), ratio)).real

    return answer


def right_gain(h, ratio):
    return np.conj(h) / (np.abs(h) ** 2 + ratio)


def dense(y, kernel, ratio):
    """The normal equations as one large matrix."""
    units = np.eye(y.numel()).reshape(-1, *y.shape)
    columns = [scipy.ndimage.convolve(unit, kernel.numpy(), mode="wrap").ravel() for unit in units]
    blur = np.stack(columns, 1)
    x = np.linalg.solve(blur.T @ blur + ratio * np.eye(y.numel()), blur.T @ y.numpy().ravel())
    return x.reshape(y.shape)


def by_scipy(step, turn=True):
    """Steps on each plane: step(x, y, blur, back)."""

    def answer(y, kernel, steps):
        taps = kernel.numpy()

        def blur(x):
            return scipy.ndimage.convolve(x, taps, mode="wrap")

        def back(x):
            return scipy.ndimage.convolve(x, taps[::-1, ::-1] if turn else taps, mode="wrap")

        planes = []
        for plane in y.reshape(-1, *y.shape[-2:]).numpy():
            x = np.full_like(plane, 0.5)
            with np.errstate(divide="ignore", invalid="ignore"):
                for _ in range(steps):
                    x = step(x, plane, blur, back)
            planes.append(x)
        return np.stack(planes).reshape(y.shape)

    return answer


def lucy_step(x, y, blur, back):
    return x * back(y / np.maximum(blur(x), 1e-12))


def residuals(y, kernel, weights, again=True):
    found = {}
    for weight in sorted(weights):
        x = tikhonov(y, kernel, weight, boundary="periodic")[0, 0].numpy()
        blurred = scipy.ndimage.convolve(x, kernel.numpy(), mode="wrap") if again else x
        found[weight] = blurred - y[0, 0].numpy()
    return found


def last_within(measure, again=True):
    """Walk down through the weights to the first whose measure is not above the noise."""

    def answer(y, kernel, noise, weights):
        found = residuals(y, kernel, weights, again)
        for weight in sorted(found, reverse=True):
            if measure(found[weight]) <= noise:
                break
        return weight

    return answer


def by_eye(y, kernel, noise, weights):
    """The residual found without a second blur: Y(1 − H·gain) in the Fourier domain."""
    size = y.shape[-2:]
    h = transfer(kernel, size)
    spectrum = torch.fft.rfft2(y, norm="ortho")
    rows = 4 * torch.sin(math.pi * torch.fft.fftfreq(size[0], dtype=torch.float64)) ** 2
    columns = 4 * torch.sin(math.pi * torch.fft.rfftfreq(size[1], dtype=torch.float64)) ** 2
    second = (rows[:, None] + columns) ** 2
    kept = []
    for weight in weights:
        left = torch.fft.irfft2(spectrum * weight * second / (h.abs() ** 2 + weight * second), s=size, norm="ortho")
        if left.std(correction=0) <= noise:
            kept.append(weight)
    return torch.tensor(max(kept))


def polar(v, threshold):
    length, angle = np.hypot(*v.numpy()), np.arctan2(*v.numpy())
    length = np.maximum(length - threshold, 0)
    return np.stack([length * np.sin(angle), length * np.cos(angle)])


def one_after_the_other(v, threshold):
    result = torch.zeros_like(v)
    for row in range(v.shape[1]):
        for column in range(v.shape[2]):
            length = math.hypot(v[0, row, column], v[1, row, column])
            if length > threshold:
                result[:, row, column] = v[:, row, column] * (length - threshold) / length
    return result


def complex_shrink(new_length):
    """A gradient as a complex number, with another rule for its length."""

    def answer(v, threshold):
        z = torch.complex(v[0], v[1])
        z = torch.polar(torch.ones_like(z.abs()), z.angle()) * new_length(z.abs(), threshold)
        return torch.stack([z.real, z.imag])

    return answer


RIGHT = {
    "cutoff": [frequency_by_search, lambda s, factor: np.sqrt(np.log(np.float64(factor)) / (2 * np.pi**2 * s**2))],
    "transfer": [by_sums],
    "wiener": [by_numpy(right_gain), dense],
    "richardson-lucy": [by_scipy(lucy_step)],
    "weight": [last_within(lambda r: np.sqrt((r**2).mean())), by_eye],
    "shrink": [polar, one_after_the_other],
}

WRONG = {
    "cutoff": [
        ("log10", lambda s, factor: frequency_by_search(s, math.exp(math.log10(factor)))),
        ("root is missing", lambda s, factor: frequency_by_search(s, factor) ** 2),
        ("radians", lambda s, factor: 2 * math.pi * frequency_by_search(s, factor)),
        ("power grows", lambda s, factor: frequency_by_search(s, math.sqrt(factor))),
    ],
    "transfer": [
        ("in the corner", lambda kernel, size: by_sums(kernel, size, (0, 0))),
        (
            "middle of the picture",
            lambda kernel, size: by_sums(kernel, size, half_way(kernel, size)),
        ),
        ("off by one", lambda kernel, size: by_sums(kernel, size, [k // 2 + 1 for k in kernel.shape])),
        ("wrong way", lambda kernel, size: by_sums(kernel, size, [-(k // 2) for k in kernel.shape])),
        ("swapped", lambda kernel, size: by_sums(kernel, size, [k // 2 for k in reversed(kernel.shape)])),
        ("must be one", lambda kernel, size: by_sums(kernel, size, total=1)),
    ],
    "wiener": [
        ("conjugate", by_numpy(lambda h, r: h / (np.abs(h) ** 2 + r))),
        ("where |H|² belongs", by_numpy(lambda h, r: np.conj(h) / (np.abs(h) + r))),
        ("upside down", by_numpy(lambda h, r: np.conj(h) / (np.abs(h) ** 2 + 1 / r))),
        ("H itself", by_numpy(lambda h, r: 1 / (h + r))),
        ("ratio is missing", by_numpy(lambda h, r: 1 / h)),
        ("not centred", by_numpy(right_gain, centre=False)),
    ],
    "richardson-lucy": [
        ("turned kernel", by_scipy(lucy_step, turn=False)),
        ("upside down", by_scipy(lambda x, y, blur, back: x * back(blur(x) / y))),
        ("adds", by_scipy(lambda x, y, blur, back: x + back(y - blur(x)))),
        ("0/0", by_scipy(lambda x, y, blur, back: x * back(y / blur(x)))),
        ("on its way back", by_scipy(lambda x, y, blur, back: x * y / np.maximum(blur(x), 1e-12))),
    ],
    "weight": [
        ("smallest residual", lambda y, kernel, noise, weights: sorted(weights)[0]),
        (
            "above the noise",
            lambda y, kernel, noise, weights: next(
                w for w, r in residuals(y, kernel, weights).items() if r.std() > noise
            ),
        ),
        ("without blurring", last_within(lambda r: np.sqrt((r**2).mean()), again=False)),
        ("variance", last_within(lambda r: (r**2).mean())),
    ],
    "shrink": [
        ("each component", lambda v, threshold: v - v.clamp(-threshold, threshold)),
        ("other way round", complex_shrink(lambda length, threshold: length.clamp_max(threshold))),
        ("0/0", lambda v, threshold: v / v.norm(dim=0) * (v.norm(dim=0) - threshold).clamp_min(0)),
        ("hard", complex_shrink(lambda length, threshold: torch.where(length > threshold, length, 0))),
        ("turned round", complex_shrink(lambda length, threshold: torch.where(length > 0, length - threshold, 0))),
    ],
}


class TestDeconvolution(Contract):
    chapter, exercises, right, wrong = "deconvolution", EXERCISES, RIGHT, WRONG
